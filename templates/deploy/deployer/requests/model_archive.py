"""The model is a model.tar.gz in S3."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json


@dataclass(frozen=True)
class Settings(base.Settings):
    """The location of the model."""

    model_data: str = base.s3_uri("s3://[^/]+/.+\\.tar\\.gz", "s3://BUCKET/…/NAME.tar.gz")


def container(settings: base.Settings) -> Json:
    """Return the model's part of the container definition."""
    return {"ModelDataUrl": settings.model_data}


def environment(_: base.Settings) -> dict[str, str]:
    """Return the environment variables that the model requires."""
    return {}
