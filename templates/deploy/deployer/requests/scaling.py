"""The endpoint's name, and its Application Auto Scaling."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json

VARIANT = "AllTraffic"
POLICY_ARN = "POLICY_ARN"  # placeholder for the ARN of the scaling policy that the previous call created
Call = tuple[str, str, Json]  # the service, the method of its client, the request


@dataclass(frozen=True)
class Settings(base.Settings):
    """The endpoint's name. Model and configuration are named after it and a hash of their content."""

    endpoint_name: str = base.resource_name()

    @property
    def deployment(self) -> str:
        """The prefix of all resource names."""
        return self.endpoint_name


def resource_id(settings: Settings) -> str:
    """Return the endpoint's resource ID in Application Auto Scaling."""
    return f"endpoint/{settings.deployment}/variant/{VARIANT}"


def scalable_resource(settings: Settings, dimension: str) -> Json:
    """Return the scalable resource: DesiredInstanceCount or DesiredProvisionedConcurrency of the endpoint."""
    resource = {"ServiceNamespace": "sagemaker", "ResourceId": resource_id(settings)}
    return {**resource, "ScalableDimension": f"sagemaker:variant:{dimension}"}


def target_tracking(settings: Settings, dimension: str, configuration: Json) -> Call:
    """Return the call that scales by tracking a metric."""
    policy = {**scalable_resource(settings, dimension), "PolicyName": "track", "PolicyType": "TargetTrackingScaling"}
    request = {**policy, "TargetTrackingScalingPolicyConfiguration": configuration}
    return "application-autoscaling", "put_scaling_policy", request
