
# --- the model -------------------------------------------------------------------------------------------------------


def model_url() -> str:
    """The archive in S3 that the model is in; empty where the settings name none, or it is part of the image."""
    url = text("MODEL_DATA")
    if url and not (url.startswith("s3://") and "/" in url[6:] and url.endswith(".tar.gz")):
        raise SettingError(f"MODEL_DATA has to be s3://BUCKET/…/NAME.tar.gz, and is {url!r}.")
    return url


def model_data() -> Json:
    return {"ModelDataUrl": model_url()} if model_url() else {}


def model_environment() -> dict[str, str]:
    return {}


def elsewhere() -> dict[str, str]:
    """Settings for a model that is not in S3: there is none."""
    return {}


def asking(_upload: str, invoke: str, file: str, _uploaded: str) -> str:
    """What to type for an answer to `file`, made of the commands that upload a model and invoke it."""
    return f"{invoke} {file}"
