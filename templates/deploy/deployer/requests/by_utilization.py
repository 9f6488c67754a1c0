"""Auto scaling by how much of the provisioned concurrency is used."""

from __future__ import annotations

from deployer.requests.scaling import Call, track
from deployer.requests.scaling import Settings as Settings


def scaling_policies(settings: Settings) -> list[Call]:
    """More provisioned concurrency when over 70 % of it is used."""
    metric = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    tracking = {"TargetValue": 0.7, "PredefinedMetricSpecification": metric}
    return [track(settings, "DesiredProvisionedConcurrency", tracking)]
