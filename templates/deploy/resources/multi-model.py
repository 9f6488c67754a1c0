
# --- many models -----------------------------------------------------------------------------------------------------


def model_url() -> str:
    """The place in S3 where the models lie, each as NAME.tar.gz; new ones may come while the endpoint runs."""
    place = location("MODEL_DATA", "models")
    if place.endswith(".tar.gz"):
        raise SettingError(f"MODEL_DATA has to be where all models lie, s3://BUCKET/PREFIX/, and is one model: {place}")
    return f"{place}/"


def model_data() -> Json:
    return {"Mode": "MultiModel", "ModelDataUrl": model_url()}


def model_environment() -> dict[str, str]:
    return {}


def elsewhere() -> dict[str, str]:
    """Settings for a model that is not in S3: there is none."""
    return {}


def asking(upload: str, invoke: str, file: str, uploaded: str) -> str:
    """What to type for an answer to `file`, made of the commands that upload a model and invoke it.

    It comes from the model that was uploaded last; where there is none, from one that is uploaded first.
    """
    before = "" if uploaded else f"{upload} first && "
    return f"{before}{invoke} --target-model {uploaded or 'first'} {file}"
