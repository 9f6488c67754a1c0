"""The model is a language model: uncompressed files in S3, or a model of the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json


@dataclass(frozen=True)
class Settings(base.Settings):
    """The location of the model."""

    model_data: str = base.s3_uri("s3://[^/]+/(.+/)?", "s3://BUCKET/PREFIX/, with a trailing slash")
    model_id: str = base.text()
    model_revision: str = base.text()
    hf_token_secret: str = base.text(form="arn:.*", allowed="the ARN of a secret in AWS Secrets Manager, not the token")


def container(settings: base.Settings) -> Json:
    """Return the model's part of the container definition."""
    if not settings.model_data:
        return {}
    source = {"S3Uri": settings.model_data, "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def environment(settings: base.Settings) -> dict[str, str]:
    """Return the environment variables for a model of the Hub: revision and ARN of the token, never the token."""
    if settings.model_data or not isinstance(settings, Settings):
        return {}
    known = {"MODEL_REVISION": settings.model_revision, "HF_TOKEN_SECRET": settings.hf_token_secret}
    return {name: value for name, value in known.items() if value}
