"""Auto scaling by the requests that each instance gets."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import scaling
from deployer.requests.scaling import Call, track


@dataclass(frozen=True)
class Settings(scaling.Settings):
    """What it aims at."""

    invocations_per_instance: int = base.number(1, 10**8, 1000)


def scaling_policies(settings: Settings) -> list[Call]:
    """More instances when each gets more than INVOCATIONS_PER_INSTANCE requests a minute."""
    tracking = {
        "TargetValue": float(settings.invocations_per_instance),
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    return [track(settings, "DesiredInstanceCount", tracking)]
