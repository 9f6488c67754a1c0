
# --- instances -------------------------------------------------------------------------------------------------------
ENVIRONMENT: dict[str, str] = {}


def variant() -> Json:
    """What the endpoint runs on."""
    least, most = scaling_limits()
    if not least <= number("INSTANCE_COUNT", 1, 100) <= most:
        raise SettingError(f"INSTANCE_COUNT has to be between the {least} and {most} instances of auto scaling.")
    request: Json = {
        "InstanceType": text("INSTANCE_TYPE"),
        "InitialInstanceCount": number("INSTANCE_COUNT", 1, 100),
        "ContainerStartupHealthCheckTimeoutInSeconds": number("STARTUP_SECONDS", 60, 3600),
        "ModelDataDownloadTimeoutInSeconds": number("DOWNLOAD_SECONDS", 60, 3600),
        "RoutingConfig": {"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"},
    }
    if text("INFERENCE_AMI_VERSION"):
        request["InferenceAmiVersion"] = text("INFERENCE_AMI_VERSION")
    if text("VOLUME_GB"):
        request["VolumeSizeInGB"] = number("VOLUME_GB", 1, 512)
    return request


def scaling_limits() -> tuple[int, int]:
    """The fewest and the most instances; the same number where there is no auto scaling."""
    count = text("INSTANCE_COUNT", "1")
    os.environ.update({key: text(key, count) for key in ("MIN_INSTANCE_COUNT", "MAX_INSTANCE_COUNT")})
    return number("MIN_INSTANCE_COUNT", LEAST_INSTANCES, 1000), number("MAX_INSTANCE_COUNT", 1, 1000)


def scalable_target() -> Json:
    """RegisterScalableTarget; empty where the endpoint does not scale."""
    least, most = scaling_limits()
    if most <= least:
        return {}
    return {**scaled("DesiredInstanceCount"), "MinCapacity": least, "MaxCapacity": most}


def instances() -> str:
    """How many of what, in words."""
    least, most = scaling_limits()
    count = f"{least} to {most}" if most > least else str(number("INSTANCE_COUNT", 1, 100))
    return f"{count} x {text('INSTANCE_TYPE')}"
