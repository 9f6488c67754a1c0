"""Auto scaling of the endpoint, as the settings say."""

from __future__ import annotations

import json
from typing import Any

from deployer.aws import client
from deployer.project import Settings
from deployer.requests.endpoint import scaling_calls
from deployer.requests.scaling import POLICY_ARN, resource_of


def scale(settings: Settings) -> None:
    """As the settings say; what scaled it before and is not asked for any more is taken away."""
    calls, arn = scaling_calls(settings), ""
    if not calls:
        unscale(settings)
    for service, method, request in calls:
        complete = json.loads(json.dumps(request).replace(POLICY_ARN, arn))
        arn = getattr(client(service, settings.aws_region), method)(**complete).get("PolicyARN", "")


def unscale(settings: Settings) -> int:
    """Removes the scaling policies, their alarm, and what they scaled; how many policies and alarms that were."""
    scaling: Any = client("application-autoscaling", settings.aws_region)
    own = {"ServiceNamespace": "sagemaker", "ResourceId": resource_of(settings)}
    found = scaling.describe_scaling_policies(**own)["ScalingPolicies"]
    names = [policy["PolicyName"] for policy in found]
    for policy in found:
        which = {"PolicyName": policy["PolicyName"], "ScalableDimension": policy["ScalableDimension"]}
        scaling.delete_scaling_policy(**own, **which)
    if "wake" in names:
        client("cloudwatch", settings.aws_region).delete_alarms(AlarmNames=[f"{settings.deployment}-wake"])
    targets = scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[own["ResourceId"]])
    for each in targets["ScalableTargets"]:
        scaling.deregister_scalable_target(**own, ScalableDimension=each["ScalableDimension"])
    return len(names) + names.count("wake")
