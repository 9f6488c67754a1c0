"""A serverless endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import scaling
from deployer.requests.common import Json
from deployer.requests.scaling import scalable_resource

# Memory is small: one worker, so one copy of the model.
ENVIRONMENT = {"SM_WORKERS": "1"}


@dataclass(frozen=True)
class Settings(scaling.Settings):
    """The settings of a serverless endpoint."""

    serverless_memory: int = base.number(1024, 6144)
    serverless_max_concurrency: int = base.number(1, 200, 5)
    provisioned_concurrency: int = base.number(0, 200)
    max_provisioned_concurrency: int = base.number(0, 200, lambda known: int(known["provisioned_concurrency"]))
    platform: str = "linux/amd64"  # the only one supported

    def problems(self) -> Iterator[str]:
        """Check the memory size and the concurrency limits, and that no network settings are given.

        Source: SageMaker's developer guide, "Serverless Inference", feature exclusions.
        """
        yield from super().problems()
        if self.vpc_subnets or self.network_isolation:
            yield "VPC_SUBNETS and NETWORK_ISOLATION must be empty for a serverless endpoint."
        if self.serverless_memory % 1024:
            yield f"SERVERLESS_MEMORY must be a multiple of 1024 (MB), not {self.serverless_memory}."
        if self.max_provisioned_concurrency > self.provisioned_concurrency == 0:
            yield "MAX_PROVISIONED_CONCURRENCY needs a PROVISIONED_CONCURRENCY of 1 or more."
        if self.provisioned_concurrency > self.serverless_max_concurrency:
            yield "PROVISIONED_CONCURRENCY can be at most SERVERLESS_MAX_CONCURRENCY."


def variant(settings: Settings) -> Json:
    """Return the properties of the production variant."""
    config = {"MemorySizeInMB": settings.serverless_memory, "MaxConcurrency": settings.serverless_max_concurrency}
    ready = settings.provisioned_concurrency
    return {"ServerlessConfig": {**config, **({"ProvisionedConcurrency": ready} if ready else {})}}


def options(_: Settings) -> Json:
    """Return the other properties of the endpoint configuration."""
    return {}


def scalable_target(settings: Settings) -> Json:
    """Return the request of RegisterScalableTarget; empty if auto scaling is disabled."""
    low, high = settings.provisioned_concurrency, settings.max_provisioned_concurrency
    if high <= low:
        return {}
    return {**scalable_resource(settings, "DesiredProvisionedConcurrency"), "MinCapacity": low, "MaxCapacity": high}


def cost(settings: Settings) -> str:
    """Describe what is billed."""
    low, high = settings.provisioned_concurrency, settings.max_provisioned_concurrency
    each = f"each request is billed by its duration, with {settings.serverless_memory} MB of memory,"
    ready = (
        f" and a provisioned concurrency of {f'{low} to {high}' if high > low else low} continuously," if low else ""
    )
    return f"{each}{ready} in {settings.aws_region},"
