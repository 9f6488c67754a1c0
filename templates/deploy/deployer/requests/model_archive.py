"""The model is an archive in S3, a model.tar.gz."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json


@dataclass(frozen=True)
class Settings(base.Settings):
    """Where it is."""

    model_data: str = base.place("s3://[^/]+/.+\\.tar\\.gz", "s3://BUCKET/…/NAME.tar.gz")


def container(settings: base.Settings) -> Json:
    """What the container gets of the model."""
    return {"ModelDataUrl": settings.model_data}


def environment(_: base.Settings) -> dict[str, str]:
    """Variables that the container needs for the model."""
    return {}
