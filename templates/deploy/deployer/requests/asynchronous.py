"""An asynchronous endpoint."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import instances
from deployer.requests.common import Json, folder, kms_key
from deployer.requests.instances import scalable_target as scalable_target
from deployer.requests.instances import variant as variant

ENVIRONMENT = {"SM_MAX_BODY_MB": "1000"}  # SageMaker's limit; requests are read from S3


@dataclass(frozen=True)
class Settings(instances.Settings):
    """The settings of an asynchronous endpoint, which has a queue."""

    min_instance_count: int = base.number(0, 1000)
    async_concurrency: int = base.number(1, 1000, 4)
    async_output: str = base.s3_uri()
    async_failures: str = base.s3_uri()
    success_topic: str = base.text()
    error_topic: str = base.text()
    answer_seconds: int = base.number(1, 10**6, 900)


def options(settings: Settings) -> Json:
    """Return the other properties of the endpoint configuration."""
    output: Json = {
        "S3OutputPath": folder(settings, settings.async_output, "async/output"),
        "S3FailurePath": folder(settings, settings.async_failures, "async/failures"),
    }
    topics = {"SuccessTopic": settings.success_topic, "ErrorTopic": settings.error_topic}
    if any(topics.values()):
        output["NotificationConfig"] = {key: topic for key, topic in topics.items() if topic}
    client = {"MaxConcurrentInvocationsPerInstance": settings.async_concurrency}
    queue = {"OutputConfig": {**output, **kms_key(settings)}, "ClientConfig": client}
    return {"AsyncInferenceConfig": queue, **kms_key(settings)}


def cost(settings: Settings) -> str:
    """Describe what is billed."""
    scales_to_none = settings.max_instance_count > settings.min_instance_count == 0
    idle = " (none while the queue is empty)" if scales_to_none else ""
    return f"{instances.instances(settings)}{idle} in {settings.aws_region}, billed"
