"""Usage: deploy/iam/create_role.sh [--print DOCUMENT]

Makes ROLE_NAME, the role that SageMaker assumes for this project, with the rights that the settings need and no more.
If it made that role before, it brings it up to date: run it again after a change of the settings.

  --print   makes nothing; prints one of the documents of deploy/iam, filled in for this account:
            trust and execution-role   of which the role is made
            deployer and deployer-…    what those who run the other commands have to be allowed
            role-maker                 what running this needs; who may do that can give themselves any right

Prints the role's ARN, which deployments use from then on. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import json

from botocore.exceptions import ClientError

from deployer import hints
from deployer.aws import Failure, ask, client, say, sign_in
from deployer.requests import policies
from deployer.requests.common import OWNER
from deployer.settings import DEPLOY, Settings
from deployer.state import recall, record

IAM = DEPLOY / "iam"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    names = sorted(file.stem for file in IAM.glob("*.json"))
    parser.add_argument("--print", dest="document", metavar="DOCUMENT", choices=names, default="")


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Makes the role or brings it up to date; its ARN."""
    settings = sign_in(settings)
    if given.document:
        return document(settings, given.document, indent=2)
    try:
        arn = put_role(settings)
    except ClientError as error:
        if "AccessDenied" not in str(error) and "not authorized" not in str(error):
            raise
        prints = (hints.command("create_role", "--print", each) for each in ("trust", "execution-role"))
        how = f"Someone who may make roles can run this for you, or make the role {settings.role_name} of what"
        raise Failure(str(error), f"{how} these print: {'; '.join(prints)}") from None
    record(settings, "role", arn)
    if settings.role_arn not in ("", arn):
        say(f"The settings name another role, which deployments use: {settings.role_arn}")
    architecture = settings.platform.rpartition("/")[2]
    image = settings.image_uri or recall(settings, f"image-{architecture}")
    say(f"Next: {hints.deploying(settings) if image else hints.building(settings)}")
    return arn


def document(settings: Settings, name: str, indent: int | None = None) -> str:
    """A document of deploy/iam, filled in."""
    return json.dumps(policies.document(settings, json.loads((IAM / f"{name}.json").read_text())), indent=indent)


def put_role(settings: Settings) -> str:
    """The role's ARN, once it is as the documents say. A new one whose rights cannot be set is removed again."""
    iam, name = client("iam"), settings.role_name
    trust, rights = document(settings, "trust"), document(settings, "execution-role")
    found = ask(iam.get_role, RoleName=name).get("Role")
    if found and not is_own(settings, found):
        what = f"There is a role {name} that this project did not make."
        raise Failure(what, "Name another in ROLE_NAME.")
    if found:
        say(f"Bringing the role {name} up to date")
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        iam.put_role_policy(RoleName=name, PolicyName="execution", PolicyDocument=rights)
        return str(found["Arn"])
    say(f"Making the role {name}")
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


def is_own(settings: Settings, role: dict[str, object]) -> bool:
    """Whether a role is this project's, by its tags."""
    tags = role.get("Tags", [])
    return {"Key": f"{OWNER}:project", "Value": settings.project_name} in (tags if isinstance(tags, list) else [])


def remove(settings: Settings) -> int:
    """Removes the role, as far as you may; for all others it stays, which is no failure. How many that were."""
    iam, name = client("iam"), settings.role_name
    try:
        found = ask(iam.get_role, RoleName=name).get("Role")
        if not found:
            return 0
        if not is_own(settings, found):
            say(f"The role {name} is not this project's own: it stays.")
            return 0
        say(f"Removing the role {name}")
        ask(iam.delete_role_policy, RoleName=name, PolicyName="execution")
        iam.delete_role(RoleName=name)
    except ClientError as error:
        say(f"The role {name}, if there is one, stays: {error}")
        return 0
    return 1
