"""Usage: deploy/upload_model.sh

In this project the model is baked into the image: there is nothing to upload.
"""

from __future__ import annotations

import argparse

from deployer import hints
from deployer.aws import Failure
from deployer.settings import Settings

ALSO_UPLOADED = ""  # other keys that `delete --all` removes, as a regular expression


def run(settings: Settings, _: argparse.Namespace) -> str:
    """Raise Failure: there is nothing to upload."""
    what = "In this project the model is baked into the image."
    raise Failure(what, f"There is nothing to upload. Next: {hints.build_command(settings)}")


def require(settings: Settings) -> Settings:
    """Return the settings unchanged."""
    return settings


def upload_command(_: Settings) -> str:
    """Return an empty string: no command uploads a model."""
    return ""


def invoke_command(_: Settings, request: str) -> str:
    """Return the command that sends a request."""
    return f"{hints.command('invoke')} {request}"
