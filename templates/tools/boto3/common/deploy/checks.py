"""What deploy.py looks at before anything is made: what would fail after minutes fails here at once."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

from aws import REFUSALS, Failure, account, ask, client, recall, say, typed
from model_data import require_model_data
from resources import text

ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/([A-Za-z0-9+=,.@_-]+/)*[A-Za-z0-9+=,.@_-]{1,64}")
IMAGE = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<repository>[^:@]+)"
    r"(:(?P<tag>[^@]+)|@(?P<digest>sha256:[0-9a-f]{64}))"
)
CONTENT_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".jsonlines": "application/jsonlines",
    ".csv": "text/csv",
    ".npy": "application/x-npy",
    ".libsvm": "text/libsvm",
    ".svmlight": "text/libsvm",
}


def require_all(role_arn: str) -> None:
    """Checks ROLE_ARN, IMAGE_URI and MODEL_DATA, and leaves in the environment what is to be deployed."""
    require_role(role_arn)
    repository = require_image()
    require_model_data()
    check_role(repository)


def require_role(role_arn: str) -> None:
    role = role_arn or text("ROLE_ARN") or recall("role")
    if not role:
        how = f"Name one: {typed('deploy.py', 'deploy', 'ROLE_ARN')}, or make one: {typed('iam/create_role.sh')}"
        raise Failure("There is no role for SageMaker to take on.", how)
    if not ROLE.fullmatch(role):
        form = "arn:aws:iam::ACCOUNT:role/PATH/NAME. Path and name have letters, digits and + = , . @ _ - only."
        raise Failure(f"This is not the ARN of a role that SageMaker takes: {role}", f"One is {form}")
    os.environ["ROLE_ARN"] = role


def require_image() -> str:
    """IMAGE_URI by digest, after a look whether it is there and for this architecture. Returns its repository.

    Other registries, and repositories of other accounts, are SageMaker's to judge.
    """
    region, platform = text("AWS_REGION"), text("PLATFORM")
    architecture = platform.rpartition("/")[2]
    image = text("IMAGE_URI") or recall(f"image-{architecture}")
    if not image:
        raise Failure(f"No image for {platform} was pushed to {region} yet.", f"First: {building()}")
    os.environ["IMAGE_URI"] = image
    found = IMAGE.fullmatch(image)
    if not found or found["account"] != account():
        return ""
    if found["region"] != region:
        what = f"The image is in {found['region']}, what runs it would be in {region}: {image}"
        raise Failure(what, f"Push it there: AWS_REGION={region} {building()}")
    which = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"]}
    known = ask(client("ecr").describe_images, repositoryName=found["repository"], imageIds=[which])
    if not known:
        raise Failure(f"There is no such image: {image}", f"Push it: {building()}")
    details = known["imageDetails"][0]
    os.environ["IMAGE_URI"] = f"{re.split('[:@]', image)[0]}@{details['imageDigest']}"
    if text("SERVERLESS_MEMORY") and details["imageSizeInBytes"] > 10**10:
        what = f"The image has {details['imageSizeInBytes']} bytes; a serverless endpoint takes at most 10 GB."
        raise Failure(what, "Take packages out of requirements.txt, or generate the project for another target.")
    tags, other = ",".join(details.get("imageTags", [])), {"amd64": "arm64", "arm64": "amd64"}.get(architecture)
    if f"{other}-" in tags:
        what = f"An image for {platform} is needed, but this one is tagged {tags}: {image}"
        raise Failure(what, f"Build the right one: {building()}")
    return found["repository"]


def building() -> str:
    """The command that builds an image for this instance type."""
    kind = f"INSTANCE_TYPE={shlex.quote(text('INSTANCE_TYPE'))} " if text("INSTANCE_TYPE") else ""
    return kind + typed("build_and_push.sh")


def check_role(repository: str) -> None:
    """Whether the role trusts SageMaker and may read image and model, as far as you may ask that."""
    role, region = text("ROLE_ARN"), text("AWS_REGION")
    if f":{account()}:" not in role:
        return
    partition, here = role.split(":")[1], f"{region}:{account()}"
    log = f"arn:{partition}:logs:{here}:log-group:/aws/sagemaker/x:log-stream:x"
    model = re.sub("/$", "/x.tar.gz", text("MODEL_DATA").removeprefix("s3://"))
    image = f"arn:{partition}:ecr:{here}:repository/{repository}"
    needs = {
        **({"s3:GetObject": f"arn:{partition}:s3:::{model}"} if model else {}),
        **({"ecr:BatchGetImage": image} if repository else {}),
        "logs:PutLogEvents": log,
    }
    iam, maker = client("iam"), typed("iam/create_role.sh")
    try:
        trust = iam.get_role(RoleName=role.rpartition("/")[2])["Role"]["AssumeRolePolicyDocument"]
        if "sagemaker.amazonaws.com" not in json.dumps(trust):
            what = f"SageMaker may not take on {role}: its trust policy does not name sagemaker.amazonaws.com."
            raise Failure(what, f"Take another role; {maker} makes one.")
        for action, resource in needs.items():
            request = {"PolicySourceArn": role, "ActionNames": [action], "ResourceArns": [resource]}
            if iam.simulate_principal_policy(**request)["EvaluationResults"][0]["EvalDecision"] != "allowed":
                what = f"The role {role} may not do what SageMaker needs: {action} on {resource}"
                raise Failure(what, f"Allow it; {maker} makes a role that may.")
    except REFUSALS as error:
        say(f"What the role may do is not checked: {error}")


def require_request(file: str, content_type: str) -> str:
    """The content type of a request, by the ending of its file if none is given."""
    if not os.access(file, os.R_OK) or not Path(file).is_file():
        raise Failure(f"There is no file to read at {file}", "Give the path of a request.")
    kind = content_type or CONTENT_TYPES.get(Path(file).suffix.lower(), "")
    if not kind:
        what = f"The ending of {file} says no content type."
        raise Failure(what, f"Give it: {typed('deploy.py', 'invoke', 'FILE', 'CONTENT-TYPE')}")
    return kind
