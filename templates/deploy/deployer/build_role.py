"""The IAM role and the project for AWS CodeBuild: created if missing, recognized by their tags."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from deployer.aws import Failure, client, if_exists, say
from deployer.requests import policies
from deployer.requests.codebuild import Settings, differs
from deployer.requests.common import OWNER, Json
from deployer.role import IAM, is_our_role


def name_of(settings: Settings) -> str:
    """Return the name of the role."""
    return f"{settings.project_name}-{settings.aws_region}-build"


def document(settings: Settings, name: str) -> Json:
    """Return a policy document of deploy/iam, filled in."""
    return policies.document(settings, json.loads((IAM / f"{name}.json").read_text()))


def require_role(settings: Settings) -> tuple[str, bool]:
    """Return the ARN of the role that CodeBuild assumes, with its policy up to date, and whether it was created now."""
    if settings.build_role_arn:
        return settings.build_role_arn, False
    name, iam = name_of(settings), client("iam")
    found, made = if_exists(iam.get_role, RoleName=name).get("Role"), False
    if found and not is_our_role(settings, found):
        raise Failure(f"A role {name} already exists that this project did not create.", "Set BUILD_ROLE_ARN.")
    if not found:
        say(f"Creating the role {name}: CodeBuild can read the source, push to the repository and write logs.")
        found, made = make_role(settings), True
    try:
        update_role(settings)
    except BaseException:
        if made:
            remove_role(settings)
        raise
    return str(found["Arn"]), made


def make_role(settings: Settings) -> Json:
    """Create the role, without permissions."""
    try:
        made: Json = client("iam").create_role(
            RoleName=name_of(settings),
            Description=f"CodeBuild, for {settings.project_name} in {settings.aws_region}",
            AssumeRolePolicyDocument=json.dumps(document(settings, "codebuild-trust")),
            Tags=[{"Key": f"{OWNER}:project", "Value": settings.project_name}],
        )
    except ClientError as error:
        how = "Have someone who can create roles run this once, or set a role in BUILD_ROLE_ARN."
        raise Failure(f"CodeBuild needs a role, which could not be created: {error}", how) from None
    return dict(made["Role"])


def update_role(settings: Settings) -> None:
    """Set the role's permissions to codebuild-role.json, for the current bucket and repository."""
    iam, which = client("iam"), {"RoleName": name_of(settings), "PolicyName": "build"}
    wanted = document(settings, "codebuild-role")
    if differs(if_exists(iam.get_role_policy, **which).get("PolicyDocument"), wanted):
        iam.put_role_policy(**which, PolicyDocument=json.dumps(wanted))
        time.sleep(2 * settings.poll_seconds)  # IAM takes some seconds to propagate


def remove_role(settings: Settings) -> None:
    """Remove the role and its policy."""
    iam, name = client("iam"), name_of(settings)
    if_exists(iam.delete_role_policy, RoleName=name, PolicyName="build")
    iam.delete_role(RoleName=name)


def find_project(settings: Settings) -> Json:
    """Return the CodeBuild project; empty if it does not exist."""
    found = client("codebuild").batch_get_projects(names=[settings.project_name])["projects"]
    return dict(found[0]) if found else {}


def is_our_project(settings: Settings, found: Json) -> bool:
    """Whether a CodeBuild project has this project's tags."""
    return {"key": f"{OWNER}:project", "value": settings.project_name} in found.get("tags", [])


def require_project(settings: Settings, wanted: Json) -> None:
    """Create the CodeBuild project, or update it if it differs from `wanted`. Raise Failure if it is not ours."""
    codebuild, found, name = client("codebuild"), find_project(settings), settings.project_name
    if not found:
        say(f"Creating the CodeBuild project {name} in {settings.aws_region}")
        put_project(settings, codebuild.create_project, wanted)
    elif not is_our_project(settings, found):
        what = f"A CodeBuild project {name} already exists in {settings.aws_region} that this project did not create."
        raise Failure(what, "Set PROJECT_NAME to another name.")
    elif differs(found, wanted):
        say(f"Updating the CodeBuild project {name}: {settings.build_compute}, {wanted['environment']['type']}")
        put_project(settings, codebuild.update_project, wanted)


def put_project(settings: Settings, call: Callable[..., object], wanted: Json) -> None:
    """Create or update the project, retrying while CodeBuild cannot assume a new role yet."""
    for left in reversed(range(12)):
        try:
            call(**wanted)
            return
        except ClientError as error:
            if not left or "sts:AssumeRole" not in str(error):
                raise
            time.sleep(settings.poll_seconds)


def remove(settings: Settings) -> int:
    """Remove CodeBuild project and role if they are ours. Return the number of resources removed."""
    removed = 0
    if is_our_project(settings, find_project(settings)):
        say(f"Removing the CodeBuild project {settings.project_name}")
        client("codebuild").delete_project(name=settings.project_name)
        removed += 1
    found = if_exists(client("iam").get_role, RoleName=name_of(settings)).get("Role")
    if found and is_our_role(settings, found):
        say(f"Removing the role {name_of(settings)}")
        remove_role(settings)
        removed += 1
    return removed
