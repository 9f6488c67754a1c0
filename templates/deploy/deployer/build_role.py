"""The role and the project that AWS CodeBuild builds with: made if missing, known by their tags."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from deployer.aws import Failure, ask, client, say
from deployer.requests import policies
from deployer.requests.codebuild import Settings, differs
from deployer.requests.common import OWNER, Json
from deployer.role import IAM, is_own


def name_of(settings: Settings) -> str:
    """What the role is called."""
    return f"{settings.project_name}-{settings.aws_region}-build"


def document(settings: Settings, name: str) -> Json:
    """A document of deploy/iam, filled in."""
    return policies.document(settings, json.loads((IAM / f"{name}.json").read_text()))


def require_role(settings: Settings) -> tuple[str, bool]:
    """The ARN of the role that CodeBuild assumes, with the rights that one build needs; and whether it was made now."""
    if settings.build_role_arn:
        return settings.build_role_arn, False
    name, iam = name_of(settings), client("iam")
    found, made = ask(iam.get_role, RoleName=name).get("Role"), False
    if found and not is_own(settings, found):
        raise Failure(f"There is a role {name} that this project did not make.", "Name one in BUILD_ROLE_ARN.")
    if not found:
        say(f"Making the role {name}: CodeBuild may read the source, push to the project's repository and log.")
        found, made = make_role(settings), True
    try:
        update_role(settings)
    except BaseException:
        if made:
            remove_role(settings)
        raise
    return str(found["Arn"]), made


def make_role(settings: Settings) -> Json:
    """Makes it, without rights."""
    try:
        made: Json = client("iam").create_role(
            RoleName=name_of(settings),
            Description=f"CodeBuild, for {settings.project_name} in {settings.aws_region}",
            AssumeRolePolicyDocument=json.dumps(document(settings, "codebuild-trust")),
            Tags=[{"Key": f"{OWNER}:project", "Value": settings.project_name}],
        )
    except ClientError as error:
        how = "Have someone who may make roles run this once, or name a role in BUILD_ROLE_ARN."
        raise Failure(f"CodeBuild needs a role, which could not be made: {error}", how) from None
    return dict(made["Role"])


def update_role(settings: Settings) -> None:
    """Its rights are those of codebuild-role.json, for the bucket and the repository of now."""
    iam, which = client("iam"), {"RoleName": name_of(settings), "PolicyName": "build"}
    wanted = document(settings, "codebuild-role")
    if differs(ask(iam.get_role_policy, **which).get("PolicyDocument"), wanted):
        iam.put_role_policy(**which, PolicyDocument=json.dumps(wanted))
        time.sleep(2 * settings.poll_seconds)  # AWS needs some seconds until all of it knows


def remove_role(settings: Settings) -> None:
    """With its rights."""
    iam, name = client("iam"), name_of(settings)
    ask(iam.delete_role_policy, RoleName=name, PolicyName="build")
    iam.delete_role(RoleName=name)


def find_project(settings: Settings) -> Json:
    """The CodeBuild project of this name; empty where there is none."""
    found = client("codebuild").batch_get_projects(names=[settings.project_name])["projects"]
    return dict(found[0]) if found else {}


def is_own_project(settings: Settings, found: Json) -> bool:
    """Whether a CodeBuild project is this one's, by its tags."""
    return {"key": f"{OWNER}:project", "value": settings.project_name} in found.get("tags", [])


def require_project(settings: Settings, wanted: Json) -> None:
    """It is there as it is wanted: made, or changed."""
    codebuild, found, name = client("codebuild"), find_project(settings), settings.project_name
    if not found:
        say(f"Making the CodeBuild project {name} in {settings.aws_region}")
        put_project(settings, codebuild.create_project, wanted)
    elif not is_own_project(settings, found):
        what = f"There is a CodeBuild project {name} in {settings.aws_region} that this project did not make."
        raise Failure(what, "Name yours otherwise, in PROJECT_NAME.")
    elif differs(found, wanted):
        say(f"Changing the CodeBuild project {name}: {settings.build_compute}, {wanted['environment']['type']}")
        put_project(settings, codebuild.update_project, wanted)


def put_project(settings: Settings, call: Callable[..., object], wanted: Json) -> None:
    """Again and again while CodeBuild does not know yet that it may assume a new role."""
    for left in reversed(range(12)):
        try:
            call(**wanted)
            return
        except ClientError as error:
            if not left or "sts:AssumeRole" not in str(error):
                raise
            time.sleep(settings.poll_seconds)


def remove(settings: Settings) -> int:
    """Removes project and role, as far as this project made them; how many things that were."""
    removed = 0
    if is_own_project(settings, find_project(settings)):
        say(f"Removing the CodeBuild project {settings.project_name}")
        client("codebuild").delete_project(name=settings.project_name)
        removed += 1
    found = ask(client("iam").get_role, RoleName=name_of(settings)).get("Role")
    if found and is_own(settings, found):
        say(f"Removing the role {name_of(settings)}")
        remove_role(settings)
        removed += 1
    return removed
