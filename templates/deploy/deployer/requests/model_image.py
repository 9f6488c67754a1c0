"""The model is part of the image."""

from __future__ import annotations

from deployer.requests.common import Json
from deployer.settings import Settings as Settings


def container(_: Settings) -> Json:
    """What the container gets of the model."""
    return {}


def environment(_: Settings) -> dict[str, str]:
    """Variables that the container needs for the model."""
    return {}
