"""The models are archives NAME.tar.gz in one folder in S3. New ones can be added while the endpoint runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json, folder


@dataclass(frozen=True)
class Settings(base.Settings):
    """The location of the models."""

    model_data: str = base.s3_uri()

    def problems(self) -> Iterator[str]:
        """MODEL_DATA must be a folder, not an archive."""
        yield from super().problems()
        if self.model_data.endswith(".tar.gz"):
            what = "must be the folder of all models, s3://BUCKET/PREFIX/, not a single model"
            yield f"MODEL_DATA {what}: {self.model_data}"


def container(settings: base.Settings) -> Json:
    """Return the models' part of the container definition."""
    return {"Mode": "MultiModel", "ModelDataUrl": models_folder(settings)}


def models_folder(settings: base.Settings) -> str:
    """Return the folder of the models, with a trailing slash."""
    return f"{folder(settings, settings.model_data, 'models')}/"


def environment(_: base.Settings) -> dict[str, str]:
    """Return the environment variables that the models require."""
    return {}
