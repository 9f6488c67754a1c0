"""Auto scaling by the utilization of the provisioned concurrency."""

from __future__ import annotations

from deployer.requests.scaling import Call, target_tracking
from deployer.requests.scaling import Settings as Settings


def scaling_policies(settings: Settings) -> list[Call]:
    """Return the calls that add provisioned concurrency above 70% utilization."""
    metric = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    tracking = {"TargetValue": 0.7, "PredefinedMetricSpecification": metric}
    return [target_tracking(settings, "DesiredProvisionedConcurrency", tracking)]
