"""Usage: deploy/submit_build.sh [train]

Builds the image, or the training image, in AWS CodeBuild, on a machine of the image's architecture, and pushes it to
the project's own repository in Amazon ECR. The repository, the CodeBuild project PROJECT_NAME and a role for it are
created if missing.
The source goes to s3://S3_BUCKET/PROJECT_NAME/build/HASH/source.zip, including the settings: keep secrets out of them.
The build log is shown as it is written; Ctrl-C stops the build.

  DOCKER_BUILD_OPTS   (environment) more options for docker buildx build, such as --no-cache

Prints the image's name with its digest. The next deployment uses it. Settings: deploy/settings.env. Needs no Docker.
"""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from deployer import build_role, build_source, hints, image, storage
from deployer.aws import AWS_ERRORS, Failure, Log, client, say, sign_in, wait
from deployer.project import COMMANDS
from deployer.requests import codebuild as requests
from deployer.requests.codebuild import Settings
from deployer.requests.common import Json
from deployer.settings import PROJECT, SettingError
from deployer.state import record

remove = build_role.remove
TRAINING_PLATFORM = "linux/amd64"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("what", metavar="train", nargs="?", choices=["train"])


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Build and push an image. Return its name with its digest."""
    if given.what and "fit" not in COMMANDS:
        how = "Add one: ml-container-creator update --include-training"
        raise Failure("This project has no training container.", how)
    platform = TRAINING_PLATFORM if given.what else settings.platform
    if platform not in requests.MACHINES:
        raise SettingError(f"CodeBuild builds for {' and '.join(requests.MACHINES)}, but PLATFORM is {platform!r}.")
    if COMMANDS["upload_model"] == "upload_image" and not given.what:
        storage.require_model()
    settings = sign_in(settings)
    storage.require_bucket(settings)
    source = upload_source(settings)
    pushed = build(settings, platform, source, bool(given.what))
    if given.what:
        record(settings, "train-image", pushed)
        say(f"Next: {hints.training_command(settings)}")
    else:
        record(settings, f"image-{platform.rpartition('/')[2]}", pushed)
        say(f"Next: {hints.after_build(settings, pushed)}")
    return pushed


def upload_source(settings: Settings) -> str:
    """Upload the source, unless it was uploaded. Return BUCKET/KEY."""
    say(f"Packing {PROJECT}")
    return f"{settings.s3_bucket}/{storage.upload_packed(settings, 'build', 'source.zip', build_source.pack)}"


def variables(settings: Settings, platform: str, training: bool) -> dict[str, str]:
    """Return the environment variables of the build."""
    known = {
        "BUILD_SCRIPT": f"{'train' if training else 'deploy'}/build_and_push.sh",
        "PLATFORM": platform,
        "DOCKER_BUILD_OPTS": os.environ.get("DOCKER_BUILD_OPTS", ""),
    }
    names = ("project_name", "aws_region", "instance_type", "serverless_memory", "base_image")
    return known | {name.upper(): str(getattr(settings, name, "")) for name in names}


def build(settings: Settings, platform: str, source: str, training: bool) -> str:
    """Create what a build needs, and build. Return the image. If the build fails, remove what was created for it."""
    role, made_role = build_role.require_role(settings)
    settings = replace(settings, build_role_arn=role)
    undo: list[Callable[[], object]] = [lambda: build_role.remove_role(settings)] if made_role else []
    codebuild, started = client("codebuild"), ""
    try:
        build_role.require_project(settings, requests.project(settings, platform, source))
        undo.clear()  # the project uses the role now
        repository, made = image.require_repository(settings)
        if made:
            undo.append(lambda: image.remove_empty_repository(settings))
        request = requests.build(settings, source, variables(settings, platform, training))
        started = str(codebuild.start_build(**request)["build"]["id"])
        what = f"{settings.build_compute} for {platform} in {settings.aws_region}, billed by the minute"
        say(hints.cost_notice(what, "the build ends, at most 60 minutes", "codebuild"))
        ended = follow(settings, started)
        started = ""
        return image_of(ended, repository)
    except BaseException:
        if started:
            stop(started)
        for step in undo:
            with suppress(*AWS_ERRORS):
                step()
        raise


def follow(settings: Settings, build: str) -> Json:
    """Wait until the build ends, showing its log. Return its description."""
    log = Log()

    def show(found: Json) -> None:
        logs = found.get("logs", {})  # without "Next: …", because the next step is a different one on this machine
        log.show(logs.get("groupName", ""), lambda: str(logs.get("streamName") or ""), leave_out="Next: ")

    def describe() -> Json:
        found = client("codebuild").batch_get_builds(ids=[build])["builds"] or [{"buildStatus": "IN_PROGRESS"}]
        show(found[0])
        return dict(found[0])

    ended = wait(settings, build, "currentPhase", describe, lambda found: found["buildStatus"] == "IN_PROGRESS")
    time.sleep(settings.poll_seconds)  # the last log lines can arrive after the build has ended
    show(ended)
    return ended


def stop(build: str) -> None:
    """Stop the build."""
    say(f"Stopping the build {build}")
    try:
        client("codebuild").stop_build(id=build)
    except AWS_ERRORS as error:
        say(f"The build could not be stopped and is still running: {error}")


def failure(ended: Json) -> Failure:
    """Return the failure that says why a build did not succeed, and where its log is."""
    phases = [each for each in ended.get("phases", []) if each.get("phaseStatus", "SUCCEEDED") != "SUCCEEDED"]
    why = []
    for phase in phases:
        context = (phase.get("contexts") or [{}])[0]
        words = (phase["phaseType"], context.get("statusCode"), context.get("message"))
        why.append(": ".join(word for word in words if word))
    how = f"Its log is above, and at {ended.get('logs', {}).get('deepLink')}. Fix that and run"
    what = f"The build is {ended['buildStatus']}. {' '.join(why)}"
    return Failure(what, f"{how} {hints.command('submit_build')} again.")


def image_of(ended: Json, repository: str) -> str:
    """Return the image that a build pushed. Raise Failure if the build did not succeed."""
    if ended["buildStatus"] != "SUCCEEDED":
        raise failure(ended)
    exported = {each["name"]: each["value"] for each in ended.get("exportedEnvironmentVariables", [])}
    pushed = str(exported.get("IMAGE", ""))
    if not re.match(re.escape(f"{repository}@sha256:"), pushed):
        how = f"Its log is above, and at {ended.get('logs', {}).get('deepLink')}"
        raise Failure(f"The build did not report the image it pushed: {pushed or 'nothing'}", how)
    return pushed
