"""Usage: train/build_and_push.sh

Builds the training image for x86_64, which all training instances use, and pushes it to the project's own repository in
Amazon ECR, which is created if missing. The tag is a hash of the content: an image that was pushed before is not pushed
again.

  DOCKER_BUILD_OPTS   (environment) more options for docker buildx build, such as --no-cache

Prints the image's name with its digest. fit.py uses it. Settings: deploy/settings.env.
Requires Docker with buildx.
"""

from __future__ import annotations

import argparse

from deployer import hints
from deployer.aws import say, sign_in
from deployer.image import build, push, require_docker
from deployer.settings import PROJECT, Settings
from deployer.state import record

PLATFORM = "linux/amd64"


def run(settings: Settings, _: argparse.Namespace) -> str:
    """Build and push the training image. Return its name with its digest."""
    require_docker(PLATFORM)
    settings = sign_in(settings)
    image = build(settings, f"{settings.project_name}-train", PLATFORM, PROJECT / "train")
    pushed = push(settings, image, "train-amd64")
    record(settings, "train-image", pushed)
    say(f"Next: {hints.training_command(settings)}")
    return pushed
