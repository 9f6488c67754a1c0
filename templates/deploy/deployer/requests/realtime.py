"""A real-time endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import instances
from deployer.requests.common import Json, folder, kms_key
from deployer.requests.instances import scalable_target as scalable_target
from deployer.requests.instances import variant as variant

ENVIRONMENT: dict[str, str] = {}


@dataclass(frozen=True)
class Settings(instances.Settings):
    """The settings of a real-time endpoint."""

    capture_percent: int = base.number(0, 100)
    capture_uri: str = base.s3_uri()
    metrics: bool = base.flag()


def options(settings: Settings) -> Json:
    """Return the other properties of the endpoint configuration."""
    request = kms_key(settings)
    if settings.capture_percent:
        request["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": settings.capture_percent,
            "DestinationS3Uri": folder(settings, settings.capture_uri, "capture"),
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {
                "CsvContentTypes": ["text/csv"],
                "JsonContentTypes": ["application/json", "application/jsonlines"],
            },
            **request,
        }
    if settings.metrics:
        request["MetricsConfig"] = {"EnableDetailedObservability": True}
    return request


def cost(settings: Settings) -> str:
    """Describe what is billed."""
    return f"{instances.instances(settings)} in {settings.aws_region}, billed"
