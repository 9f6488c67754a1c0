"""The model is baked into the image."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json


@dataclass(frozen=True)
class Settings(base.Settings):
    """No settings of its own."""


def container(_: base.Settings) -> Json:
    """Return the model's part of the container definition."""
    return {}


def environment(_: base.Settings) -> dict[str, str]:
    """Return the environment variables that the model requires."""
    return {}
