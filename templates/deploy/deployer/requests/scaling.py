"""An endpoint's name, and what Application Auto Scaling makes of that."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json

VARIANT = "AllTraffic"
POLICY_ARN = "POLICY_ARN"  # stands for that of the scaling policy made before
Call = tuple[str, str, Json]  # the service, the method of its client, the request


@dataclass(frozen=True)
class Settings(base.Settings):
    """The endpoint's name; its model and its configuration are called this and a hash of what they hold."""

    endpoint_name: str = base.resource_name()

    @property
    def deployment(self) -> str:
        """What the names of all resources begin with."""
        return self.endpoint_name


def resource_of(settings: Settings) -> str:
    """What Application Auto Scaling calls the endpoint."""
    return f"endpoint/{settings.deployment}/variant/{VARIANT}"


def scaled(settings: Settings, dimension: str) -> Json:
    """What is scaled: DesiredInstanceCount or DesiredProvisionedConcurrency."""
    resource = {"ServiceNamespace": "sagemaker", "ResourceId": resource_of(settings)}
    return {**resource, "ScalableDimension": f"sagemaker:variant:{dimension}"}


def track(settings: Settings, dimension: str, configuration: Json) -> Call:
    """The call that has it follow a metric."""
    policy = {**scaled(settings, dimension), "PolicyName": "track", "PolicyType": "TargetTrackingScaling"}
    request = {**policy, "TargetTrackingScalingPolicyConfiguration": configuration}
    return "application-autoscaling", "put_scaling_policy", request
