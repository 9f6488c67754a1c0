"""Checks before anything is created: what would fail after minutes on AWS fails here at once."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import replace

from deployer import hints
from deployer.aws import AWS_ERRORS, Failure, client, if_exists, say
from deployer.project import command_module
from deployer.requests.common import Json
from deployer.settings import Settings, SettingsT
from deployer.state import recall

ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}")
IMAGE = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<repository>[^:@]+)"
    r"(:(?P<tag>[^@]+)|@(?P<digest>sha256:[0-9a-f]{64}))"
)
SERVERLESS_MAX_BYTES = 10**10  # source: SageMaker's documentation of serverless endpoints


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the deploy command."""
    parser.add_argument("role_arn", metavar="ROLE_ARN", nargs="?", default="")


def require_all(settings: SettingsT, role_arn: str) -> SettingsT:
    """Return the settings with ROLE_ARN, IMAGE_URI (by digest) and MODEL_DATA. Raise Failure if one is unusable."""
    settings = replace(settings, role_arn=require_role(settings, role_arn))
    settings, repository = require_image(settings)
    complete: SettingsT = command_module("upload_model").require(settings)
    check_role(complete, repository)
    return complete


def require_role(settings: Settings, given: str, how_to_pass: str = "") -> str:
    """Return the role that SageMaker assumes: `given`, ROLE_ARN, or the one that create_role created.

    Raise Failure if there is none; the message shows how to pass one: `how_to_pass`, or deploy's argument.
    """
    role = given or settings.role_arn or recall(settings, "role")
    if not role:
        name = how_to_pass or hints.command("deploy", "arn:aws:iam::ACCOUNT:role/NAME")
        how = f"Pass an existing role ({name}) or create one ({hints.command('create_role')})."
        raise Failure("There is no role for SageMaker to assume.", how)
    if not ROLE.fullmatch(role):
        form = "arn:aws:iam::ACCOUNT:role/PATH/NAME, where path and name have only letters, digits and + = , . @ _ -"
        raise Failure(f"This is not the ARN of a role that SageMaker accepts: {role}", f"Expected {form}")
    return role


def require_image(settings: SettingsT) -> tuple[SettingsT, str]:
    """Check that the image exists and fits. Return the settings with IMAGE_URI by digest, and its repository.

    Images in other registries and accounts are left to SageMaker to check.
    """
    region, platform, build = settings.aws_region, settings.platform, hints.build_command(settings)
    image = settings.image_uri or recall(settings, f"image-{platform.rpartition('/')[2]}")
    if not image:
        raise Failure(f"No image for {platform} has been pushed to {region} yet.", f"Run {build} first.")
    found = IMAGE.fullmatch(image)
    if not found or found["account"] != settings.account:
        return replace(settings, image_uri=image), ""
    if found["region"] != region:
        what = f"The image is in {found['region']}, but must be in {region}: {image}"
        raise Failure(what, f"Push it there: {hints.with_variable('AWS_REGION', region, build)}")
    which = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"]}
    known = if_exists(client("ecr").describe_images, repositoryName=found["repository"], imageIds=[which])
    if not known:
        raise Failure(f"There is no such image: {image}", f"Push it: {build}")
    details = known["imageDetails"][0]
    check_image(settings, image, details)
    return replace(settings, image_uri=f"{re.split('[:@]', image)[0]}@{details['imageDigest']}"), found["repository"]


def check_image(settings: Settings, image: str, details: Json) -> None:
    """Raise Failure if the image is too large or built for another architecture."""
    require_size(settings, details["imageSizeInBytes"])
    tags, platform = ",".join(details.get("imageTags", [])), settings.platform
    other = {"linux/amd64": "arm64", "linux/arm64": "amd64"}.get(platform)
    if f"{other}-" in tags:
        what = f"An image for {platform} is needed, but this one is tagged {tags}: {image}"
        raise Failure(what, f"Build the right one: {hints.build_command(settings)}")


def require_size(settings: Settings, size: int) -> None:
    """Raise Failure if the image is for a serverless endpoint and too large for it."""
    if hasattr(settings, "serverless_memory") and size > SERVERLESS_MAX_BYTES:
        what = f"The image is {size} bytes; a serverless endpoint takes at most 10 GB."
        how = "deploy to an instance: ml-container-creator update --deploy-target=realtime"
        raise Failure(what, f"Remove packages from requirements.in, or {how}")


def check_role(settings: Settings, repository: str) -> None:
    """Raise Failure if the role does not trust SageMaker or lacks a permission. Skipped if the caller cannot check."""
    role, maker = settings.role_arn, hints.command("create_role")
    if f":{settings.account}:" not in role:
        return
    iam = client("iam")
    try:
        trust = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
        if "sagemaker.amazonaws.com" not in json.dumps(trust):
            what = f"SageMaker cannot assume {role}: its trust policy does not name sagemaker.amazonaws.com."
            raise Failure(what, f"Use another role; {maker} creates one.")
        for action, resource in required_permissions(settings, repository).items():
            request = {"PolicySourceArn": role, "ActionNames": [action], "ResourceArns": [resource]}
            if iam.simulate_principal_policy(**request)["EvaluationResults"][0]["EvalDecision"] != "allowed":
                what = f"The role {role} does not allow what SageMaker needs: {action} on {resource}"
                raise Failure(what, f"Add this permission to the role, or use the role that {maker} creates.")
    except AWS_ERRORS as error:
        say(f"The permissions of the role were not checked: {error}")


def required_permissions(settings: Settings, repository: str) -> dict[str, str]:
    """Return the actions the role needs, and the resource of each."""
    partition, here = settings.role_arn.split(":")[1], f"{settings.aws_region}:{settings.account}"
    model = re.sub("/$", "/x.tar.gz", settings.model_data.removeprefix("s3://"))
    return {
        **({"s3:GetObject": f"arn:{partition}:s3:::{model}"} if model else {}),
        **({"ecr:BatchGetImage": f"arn:{partition}:ecr:{here}:repository/{repository}"} if repository else {}),
        "logs:PutLogEvents": f"arn:{partition}:logs:{here}:log-group:/aws/sagemaker/x:log-stream:x",
    }
