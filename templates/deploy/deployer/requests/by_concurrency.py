"""Auto scaling by the requests that each instance works on at a time, however long each takes."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import scaling
from deployer.requests.scaling import Call, track


@dataclass(frozen=True)
class Settings(scaling.Settings):
    """What it aims at."""

    concurrency_per_instance: int = base.number(1, 10**5, 16)


def scaling_policies(settings: Settings) -> list[Call]:
    """More instances when each works on more than CONCURRENCY_PER_INSTANCE requests at a time."""
    metric = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    tracking = {
        "TargetValue": float(settings.concurrency_per_instance),
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
    }
    return [track(settings, "DesiredInstanceCount", tracking)]
