
def scaling_policies() -> list[tuple[str, str, Json]]:
    """What scales it: more instances when each works on more than CONCURRENCY_PER_INSTANCE requests at a time."""
    metric = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    tracking = {
        "TargetValue": float(number("CONCURRENCY_PER_INSTANCE", 1, 10**5)),
        "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
    }
    return [track("DesiredInstanceCount", tracking)]
