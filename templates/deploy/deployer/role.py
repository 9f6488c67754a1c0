"""Usage: deploy/iam/create_role.sh [--print DOCUMENT]

Creates ROLE_NAME, the role that SageMaker assumes for this project, with only the permissions that the settings
require. If this project created the role before, it is updated: run this again after changing the settings.

  --print   create nothing; print a policy of deploy/iam, filled in for this account:
            trust and execution-role   the policies of the role
            deployer and deployer-…    the permissions needed to run the other commands
            role-maker                 the permissions needed to run this; whoever has them can grant themselves more

Prints the role's ARN. Deployments use it from then on. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import json

from botocore.exceptions import ClientError

from deployer import hints
from deployer.aws import Failure, client, if_exists, say, sign_in
from deployer.requests import policies
from deployer.requests.common import OWNER
from deployer.settings import DEPLOY, Settings
from deployer.state import recall, record

IAM = DEPLOY / "iam"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    names = sorted(file.stem for file in IAM.glob("*.json"))
    parser.add_argument("--print", dest="document", metavar="DOCUMENT", choices=names, default="")


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Create or update the role. Return its ARN."""
    settings = sign_in(settings)
    if given.document:
        return document(settings, given.document, indent=2)
    try:
        arn = put_role(settings)
    except ClientError as error:
        if "AccessDenied" not in str(error) and "not authorized" not in str(error):
            raise
        prints = (hints.command("create_role", "--print", each) for each in ("trust", "execution-role"))
        how = f"Ask someone who can create roles to run this, or to create {settings.role_name} with the policies that"
        raise Failure(str(error), f"{how} these commands print: {'; '.join(prints)}") from None
    record(settings, "role", arn)
    if settings.role_arn not in ("", arn):
        say(f"Deployments use another role, because ROLE_ARN is set: {settings.role_arn}")
    architecture = settings.platform.rpartition("/")[2]
    image = settings.image_uri or recall(settings, f"image-{architecture}")
    say(f"Next: {hints.deploy_command(settings) if image else hints.build_command(settings)}")
    return arn


def document(settings: Settings, name: str, indent: int | None = None) -> str:
    """Return a policy document of deploy/iam, filled in, as JSON."""
    return json.dumps(policies.document(settings, json.loads((IAM / f"{name}.json").read_text())), indent=indent)


def put_role(settings: Settings) -> str:
    """Create or update the role and return its ARN. A new role is removed again if its policy cannot be set."""
    iam, name = client("iam"), settings.role_name
    trust, rights = document(settings, "trust"), document(settings, "execution-role")
    found = if_exists(iam.get_role, RoleName=name).get("Role")
    if found and not is_our_role(settings, found):
        what = f"A role {name} already exists that this project did not create."
        raise Failure(what, "Set ROLE_NAME to another name.")
    if found:
        say(f"Updating the role {name}")
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        iam.put_role_policy(RoleName=name, PolicyName="execution", PolicyDocument=rights)
        return str(found["Arn"])
    say(f"Creating the role {name}")
    about = f"SageMaker, for {settings.project_name} in {settings.aws_region}"
    tags = [{"Key": f"{OWNER}:project", "Value": settings.project_name}]
    made = iam.create_role(RoleName=name, Description=about, AssumeRolePolicyDocument=trust, Tags=tags)["Role"]
    try:
        iam.put_role_policy(RoleName=name, PolicyName="execution", PolicyDocument=rights)
    except BaseException:
        iam.delete_role(RoleName=name)
        raise
    iam.get_waiter("role_exists").wait(RoleName=name)
    return str(made["Arn"])


def is_our_role(settings: Settings, role: dict[str, object]) -> bool:
    """Whether a role has this project's tags."""
    tags = role.get("Tags", [])
    return {"Key": f"{OWNER}:project", "Value": settings.project_name} in (tags if isinstance(tags, list) else [])


def remove(settings: Settings) -> int:
    """Remove the role if it is ours and removing it is permitted. Return the number of roles removed."""
    iam, name = client("iam"), settings.role_name
    try:
        found = if_exists(iam.get_role, RoleName=name).get("Role")
        if not found:
            return 0
        if not is_our_role(settings, found):
            say(f"The role {name} was not created by this project and is kept.")
            return 0
        say(f"Removing the role {name}")
        if_exists(iam.delete_role_policy, RoleName=name, PolicyName="execution")
        iam.delete_role(RoleName=name)
    except ClientError as error:
        say(f"The role {name}, if it exists, is kept: {error}")
        return 0
    return 1
