"""The model is part of the image."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json


@dataclass(frozen=True)
class Settings(base.Settings):
    """It has none of its own."""


def container(_: base.Settings) -> Json:
    """What the container gets of the model."""
    return {}


def environment(_: base.Settings) -> dict[str, str]:
    """Variables that the container needs for the model."""
    return {}
