"""Usage: deploy/upload_model.sh

In this project the model is part of the image: there is nothing to upload.
"""

from __future__ import annotations

import argparse

from deployer import hints
from deployer.aws import Failure
from deployer.settings import Settings

ALSO_UPLOADED = ""  # more that `delete --all` removes of the project's folder in the bucket, as a regular expression


def run(settings: Settings, _: argparse.Namespace) -> str:
    """Says that there is nothing to do."""
    what = "In this project the model is part of the image."
    raise Failure(what, f"Nothing to upload; next: {hints.building(settings)}")


def require(settings: Settings) -> Settings:
    """The settings; the image has the model."""
    return settings


def uploading(_: Settings) -> str:
    """The command that uploads a model; there is none."""
    return ""


def invoking(_: Settings, request: str) -> str:
    """The command that sends a request."""
    return f"{hints.command('invoke')} {request}"
