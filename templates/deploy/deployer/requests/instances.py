"""Instances of batch transform jobs and of non-serverless endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import scaling
from deployer.requests.common import Json

ARM64 = re.compile(r"ml\.(.*[0-9]g[a-z]*|.*-gb[0-9].*)\..*")
# AMIs by the newest CUDA their driver supports. Source: ProductionVariant.InferenceAmiVersion in SageMaker's API.
CUDA_13, CUDA_12 = "al2023-ami-sagemaker-inference-gpu-4-1", "al2-ami-sagemaker-inference-gpu-3-1"
AUTO = "auto"


def platform_of(known: base.Known) -> str:
    """Return the platform of an instance type: g after the generation (m6g) is Graviton, gb is Grace, both arm64."""
    return "linux/arm64" if ARM64.fullmatch(known["instance_type"]) else "linux/amd64"


def ami_of(instance_type: str) -> str:
    """Return the AMI with the newest driver that supports the GPU of a type; empty to let SageMaker choose."""
    family = instance_type.split(".")[1]
    if family.startswith("p3"):
        return CUDA_12
    return CUDA_13 if re.match("[gp][0-9]", family) and family != "p2" else ""


@dataclass(frozen=True)
class Machines(base.Settings):
    """The instances of an endpoint or a job."""

    instance_type: str = base.text(form=r"ml\.[a-z0-9-]+\.[a-z0-9]+", allowed="ml.FAMILY.SIZE", required=True)
    instance_count: int = base.number(1, 100)
    platform: str = base.text(default=platform_of)


@dataclass(frozen=True)
class Settings(scaling.Settings, Machines):
    """The instances of an endpoint, and their auto scaling."""

    startup_seconds: int = base.number(60, 3600, 480)
    download_seconds: int = base.number(60, 3600, 1200)
    volume_gb: int | None = base.optional_number(1, 512)
    inference_ami_version: str = base.text()
    max_instance_count: int = base.number(1, 1000, lambda known: int(known["instance_count"]))
    min_instance_count: int = base.number(1, 1000, lambda known: int(known["instance_count"]))

    def problems(self) -> Iterator[str]:
        """INSTANCE_COUNT must be within the limits of auto scaling."""
        yield from super().problems()
        low, high = self.min_instance_count, self.max_instance_count
        if not low <= self.instance_count <= high:
            yield f"INSTANCE_COUNT must be between MIN_INSTANCE_COUNT ({low}) and MAX_INSTANCE_COUNT ({high})."


def variant(settings: Settings) -> Json:
    """Return the properties of the production variant."""
    request: Json = {
        "InstanceType": settings.instance_type,
        "InitialInstanceCount": settings.instance_count,
        "ContainerStartupHealthCheckTimeoutInSeconds": settings.startup_seconds,
        "ModelDataDownloadTimeoutInSeconds": settings.download_seconds,
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }
    ami = settings.inference_ami_version
    if ami := ami_of(settings.instance_type) if ami == AUTO else ami:
        request["InferenceAmiVersion"] = ami
    if settings.volume_gb:
        request["VolumeSizeInGB"] = settings.volume_gb
    return request


def scalable_target(settings: Settings) -> Json:
    """Return the request of RegisterScalableTarget; empty if auto scaling is disabled."""
    low, high = settings.min_instance_count, settings.max_instance_count
    if high <= low:
        return {}
    return {**scaling.scalable_resource(settings, "DesiredInstanceCount"), "MinCapacity": low, "MaxCapacity": high}


def instances(settings: Settings) -> str:
    """Describe number and type of the instances."""
    low, high = settings.min_instance_count, settings.max_instance_count
    return f"{f'{low} to {high}' if high > low else settings.instance_count} x {settings.instance_type}"
