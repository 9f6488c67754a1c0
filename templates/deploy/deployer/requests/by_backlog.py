"""Auto scaling by the number of queued requests."""

from __future__ import annotations

from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import scaling
from deployer.requests.common import tags
from deployer.requests.scaling import POLICY_ARN, Call, scalable_resource, target_tracking


@dataclass(frozen=True)
class Settings(scaling.Settings):
    """The scaling target."""

    backlog_per_instance: int = base.number(1, 10**6, 5)


def scaling_policies(settings: Settings) -> list[Call]:
    """Return the calls that scale by the backlog, and from zero instances as soon as a request is queued.

    There is no backlog per instance without an instance, so scaling from zero needs its own policy and alarm.
    """
    dimensions = [{"Name": "EndpointName", "Value": settings.deployment}]
    metric = {"Namespace": "AWS/SageMaker", "Dimensions": dimensions, "Statistic": "Average"}
    tracking = {
        "TargetValue": float(settings.backlog_per_instance),
        "CustomizedMetricSpecification": {**metric, "MetricName": "ApproximateBacklogSizePerInstance"},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
    }
    wake = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Average",
        "Cooldown": 300,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}],
    }
    policy = {**scalable_resource(settings, "DesiredInstanceCount"), "PolicyName": "wake", "PolicyType": "StepScaling"}
    alarm = {
        **metric,
        "AlarmName": f"{settings.deployment}-wake",
        "AlarmDescription": "Requests are queued, and the endpoint has no instance.",
        "MetricName": "HasBacklogWithoutCapacity",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
        "AlarmActions": [POLICY_ARN],
        "Tags": tags(settings),
    }
    return [
        target_tracking(settings, "DesiredInstanceCount", tracking),
        ("application-autoscaling", "put_scaling_policy", {**policy, "StepScalingPolicyConfiguration": wake}),
        ("cloudwatch", "put_metric_alarm", alarm),
    ]
