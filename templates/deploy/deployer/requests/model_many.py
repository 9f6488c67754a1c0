"""The models are archives in one folder in S3, each NAME.tar.gz; new ones may come while the endpoint runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json, folder


@dataclass(frozen=True)
class Settings(base.Settings):
    """Where they are."""

    model_data: str = base.place()

    def problems(self) -> Iterator[str]:
        """One archive is no folder."""
        yield from super().problems()
        if self.model_data.endswith(".tar.gz"):
            what = "has to be where all models lie, s3://BUCKET/PREFIX/, and is one model"
            yield f"MODEL_DATA {what}: {self.model_data}"


def container(settings: base.Settings) -> Json:
    """What the container gets of the models."""
    return {"Mode": "MultiModel", "ModelDataUrl": models_of(settings)}


def models_of(settings: base.Settings) -> str:
    """The folder of the models, with a slash at its end."""
    return f"{folder(settings, settings.model_data, 'models')}/"


def environment(_: base.Settings) -> dict[str, str]:
    """Variables that the container needs for the model."""
    return {}
