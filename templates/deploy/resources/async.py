
# --- an asynchronous endpoint ----------------------------------------------------------------------------------------
LEAST_INSTANCES = 0


def options() -> Json:
    """The rest of the endpoint's configuration."""
    output: Json = {
        "S3OutputPath": location("ASYNC_OUTPUT", "async/output"),
        "S3FailurePath": location("ASYNC_FAILURES", "async/failures"),
    }
    topics = {"SuccessTopic": text("SUCCESS_TOPIC"), "ErrorTopic": text("ERROR_TOPIC")}
    if any(topics.values()):
        output["NotificationConfig"] = {key: topic for key, topic in topics.items() if topic}
    request: Json = {"KmsKeyId": text("KMS_KEY_ID")} if text("KMS_KEY_ID") else {}
    client = {"MaxConcurrentInvocationsPerInstance": number("ASYNC_CONCURRENCY", 1, 1000)}
    return {"AsyncInferenceConfig": {"OutputConfig": {**output, **request}, "ClientConfig": client}, **request}


def scaling_policies() -> list[tuple[str, str, Json]]:
    """What scales it: by the backlog, and up from no instance as soon as one request waits.

    The backlog of each instance is not known while there is none, so that step has a policy and an alarm of its own.
    """
    dimensions = [{"Name": "EndpointName", "Value": deployment()}]
    backlog = {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Dimensions": dimensions,
        "Statistic": "Average",
    }
    target = float(number("BACKLOG_PER_INSTANCE", 1, 10**6))
    tracking = {
        "TargetValue": target,
        "CustomizedMetricSpecification": backlog,
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
    }
    step = {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    wake = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Average",
        "Cooldown": 300,
        "StepAdjustments": [step],
    }
    policy = {**scaled("DesiredInstanceCount"), "PolicyName": "wake", "PolicyType": "StepScaling"}
    alarm = {
        "AlarmName": f"{deployment()}-wake",
        "AlarmDescription": "Requests wait, and the endpoint has no instance.",
        "Namespace": "AWS/SageMaker",
        "MetricName": "HasBacklogWithoutCapacity",
        "Dimensions": dimensions,
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
        "AlarmActions": [POLICY_ARN],
        "Tags": tags(),
    }
    return [
        track("DesiredInstanceCount", tracking),
        ("application-autoscaling", "put-scaling-policy", {**policy, "StepScalingPolicyConfiguration": wake}),
        ("cloudwatch", "put-metric-alarm", alarm),
    ]


def cost() -> str:
    """What bills, in words."""
    least, most = scaling_limits()
    idle = " (none while no request waits)" if most > least == 0 else ""
    return f"{instances()}{idle} in {text('AWS_REGION')} bills"
