"""Usage: deploy/delete.sh [--all]

Removes everything that was deployed. Only resources that this project created are removed.

  --all   also remove the project's ECR repository and images, its uploads, and the role that create_role.sh created

Prints how many resources it removed: 0 if there was nothing to remove. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import re

from deployer import role, state
from deployer.aws import client, if_exists, say, sign_in
from deployer.project import COMMANDS, command_module
from deployer.requests.common import OWNER
from deployer.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--all", action="store_true")


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Remove what was created. Return the number of resources removed."""
    settings = sign_in(settings)
    removed: int = command_module("deploy").remove(settings)
    if given.all:
        removed += remove_images(settings) + remove_uploads(settings) + role.remove(settings)
        if "submit_build" in COMMANDS:
            removed += command_module("submit_build").remove(settings)
        state.forget(settings)
    where = f"{settings.project_name} in {settings.aws_region}"
    say(f"Removed {removed} resource{'' if removed == 1 else 's'}. Nothing deployed for {where} remains.")
    return str(removed)


def remove_images(settings: Settings) -> int:
    """Remove the project's repository with its images. Return the number of repositories removed."""
    ecr, name = client("ecr"), settings.project_name
    found = if_exists(ecr.describe_repositories, repositoryNames=[name])
    if not found:
        return 0
    tags = ecr.list_tags_for_resource(resourceArn=found["repositories"][0]["repositoryArn"])["tags"]
    if {"Key": f"{OWNER}:project", "Value": name} not in tags:
        say(f"The repository {name} was not created by this project and is kept.")
        return 0
    say(f"Removing the repository {name} and its images")
    ecr.delete_repository(repositoryName=name, force=True)
    return 1


def remove_uploads(settings: Settings) -> int:
    """Remove the uploads, and keep everything else in the folder, such as responses. Return the number removed."""
    s3, own = client("s3"), {"Bucket": settings.s3_bucket, "ExpectedBucketOwner": settings.account}
    form = uploaded_keys(settings)
    pages = s3.get_paginator("list_objects_v2").paginate(**own, Prefix=f"{settings.project_name}/")
    found = if_exists(lambda: {"Keys": [each["Key"] for page in pages for each in page.get("Contents", [])]})
    keys = [key for key in found.get("Keys", []) if form.fullmatch(key)]
    for key in keys:
        say(f"Removing s3://{settings.s3_bucket}/{key}")
        s3.delete_object(**own, Key=key)
    return len(keys)


def uploaded_keys(settings: Settings) -> re.Pattern[str]:
    """Return a pattern that matches the keys of uploads: keys under a hash, and ALSO_UPLOADED."""
    more = command_module("upload_model").ALSO_UPLOADED
    return re.compile(f"{re.escape(settings.project_name)}/(([a-z]+/)*[0-9a-f]{{64}}/.+{more})")
