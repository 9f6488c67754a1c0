
# --- endpoints -------------------------------------------------------------------------------------------------------
VARIANT = "AllTraffic"
POLICY_ARN = "POLICY_ARN"  # stands for that of the scaling policy made before


def deployment() -> str:
    """What the names of all resources begin with."""
    return text("ENDPOINT_NAME")


def name() -> str:
    """The name of the model and of the endpoint's configuration: the same content has the same name."""
    return name_by_content(describe_model(), variant(), options())


def endpoint_config() -> Json:
    """CreateEndpointConfig."""
    production = {"VariantName": VARIANT, "ModelName": name(), "InitialVariantWeight": 1.0, **variant()}
    return {"EndpointConfigName": name(), "ProductionVariants": [production], **options(), "Tags": tags()}


def endpoint() -> Json:
    """CreateEndpoint."""
    return {"EndpointName": deployment(), "EndpointConfigName": name(), "Tags": tags()}


def scaled(dimension: str) -> Json:
    """What Application Auto Scaling calls the thing that is scaled."""
    resource = {"ServiceNamespace": "sagemaker", "ResourceId": f"endpoint/{deployment()}/variant/{VARIANT}"}
    return {**resource, "ScalableDimension": f"sagemaker:variant:{dimension}"}


def track(dimension: str, configuration: Json) -> tuple[str, str, Json]:
    policy = {**scaled(dimension), "PolicyName": "track", "PolicyType": "TargetTrackingScaling"}
    request = {**policy, "TargetTrackingScalingPolicyConfiguration": configuration}
    return "application-autoscaling", "put-scaling-policy", request


def scaling_calls() -> list[tuple[str, str, Json]]:
    """The calls that make it scale, in their order: service, command, request. None where it does not scale."""
    target = scalable_target()
    if not target:
        return []
    return [("application-autoscaling", "register-scalable-target", target), *scaling_policies()]


def scaling() -> list[str]:
    """The same, each as a line: aws SERVICE COMMAND --cli-input-json REQUEST."""
    return [f"{service} {command} {json.dumps(request)}" for service, command, request in scaling_calls()]


if __name__ == "__main__":
    main(name, model, model_url, endpoint_config, endpoint, scaling, cost)
