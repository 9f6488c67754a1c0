
def scaling_policies() -> list[tuple[str, str, Json]]:
    """What scales it: more instances when each gets more than INVOCATIONS_PER_INSTANCE requests a minute."""
    tracking = {
        "TargetValue": float(number("INVOCATIONS_PER_INSTANCE", 1, 10**8)),
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    return [track("DesiredInstanceCount", tracking)]
