"""Auto scaling by the number of concurrent requests per instance, however long each takes."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import scaling
from deployer.requests.scaling import Call, target_tracking


@dataclass(frozen=True)
class Settings(scaling.Settings):
    """The scaling target."""

    concurrency_per_instance: int = base.number(1, 10**5, 16)


def scaling_policies(settings: Settings) -> list[Call]:
    """Return the calls that add instances above CONCURRENCY_PER_INSTANCE concurrent requests each."""
    metric = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    tracking = {
        "TargetValue": float(settings.concurrency_per_instance),
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
    }
    return [target_tracking(settings, "DesiredInstanceCount", tracking)]
