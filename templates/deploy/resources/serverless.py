
# --- a serverless endpoint -------------------------------------------------------------------------------------------
# It has little memory: one copy of the model.
ENVIRONMENT = {"SM_WORKERS": "1"}


def variant() -> Json:
    """What the endpoint runs on."""
    memory = number("SERVERLESS_MEMORY", 1024, 6144)
    if memory % 1024:
        raise SettingError(f"SERVERLESS_MEMORY has to be a multiple of 1024 (MB), and is {memory}.")
    config = {"MemorySizeInMB": memory, "MaxConcurrency": number("SERVERLESS_MAX_CONCURRENCY", 1, 200)}
    least, most = scaling_limits()
    if most > least == 0:
        raise SettingError("MAX_PROVISIONED_CONCURRENCY needs a PROVISIONED_CONCURRENCY of 1 or more.")
    if least > config["MaxConcurrency"]:
        raise SettingError("PROVISIONED_CONCURRENCY can be at most SERVERLESS_MAX_CONCURRENCY.")
    return {"ServerlessConfig": {**config, **({"ProvisionedConcurrency": least} if least else {})}}


def options() -> Json:
    """The rest of the endpoint's configuration."""
    return {}


def scaling_limits() -> tuple[int, int]:
    """The least and the most provisioned concurrency; the same number where there is no auto scaling."""
    least = number("PROVISIONED_CONCURRENCY", 0, 200)
    return least, max(least, number("MAX_PROVISIONED_CONCURRENCY", 0, 200))


def scalable_target() -> Json:
    """RegisterScalableTarget; empty where the endpoint does not scale."""
    least, most = scaling_limits()
    if most <= least:
        return {}
    return {**scaled("DesiredProvisionedConcurrency"), "MinCapacity": least, "MaxCapacity": most}


def scaling_policies() -> list[tuple[str, str, Json]]:
    """What scales it: more provisioned concurrency when over 70 % of it is used."""
    metric = {"PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"}
    return [track("DesiredProvisionedConcurrency", {"TargetValue": 0.7, "PredefinedMetricSpecification": metric})]


def cost() -> str:
    """What bills, in words."""
    least, most = scaling_limits()
    each = f"each request for as long as it takes, with {number('SERVERLESS_MEMORY', 1024, 6144)} MB"
    ready = f" and a provisioned concurrency of {f'{least} to {most}' if most > least else least}" if least else ""
    return f"{each}{ready} in {text('AWS_REGION')} bills"
