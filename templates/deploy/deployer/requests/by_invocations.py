"""Auto scaling by the request rate per instance."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import scaling
from deployer.requests.scaling import Call, target_tracking


@dataclass(frozen=True)
class Settings(scaling.Settings):
    """The scaling target."""

    invocations_per_instance: int = base.number(1, 10**8, 1000)


def scaling_policies(settings: Settings) -> list[Call]:
    """Return the calls that add instances above INVOCATIONS_PER_INSTANCE requests a minute each."""
    tracking = {
        "TargetValue": float(settings.invocations_per_instance),
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    return [target_tracking(settings, "DesiredInstanceCount", tracking)]
