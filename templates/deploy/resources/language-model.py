
# --- the model -------------------------------------------------------------------------------------------------------


def model_url() -> str:
    """The place in S3 where the model's files lie, as they are; empty where it comes from the Hugging Face Hub."""
    url = text("MODEL_DATA")
    if url and not (url.startswith("s3://") and "/" in url[6:] and url.endswith("/")):
        raise SettingError(f"MODEL_DATA has to be s3://BUCKET/PREFIX/, with a slash at its end, and is {url!r}.")
    return url


def model_data() -> Json:
    if not model_url():
        return {}
    source = {"S3Uri": model_url(), "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def model_environment() -> dict[str, str]:
    """What the container needs for a model of the Hub: the revision, and where the token is; never the token itself."""
    if model_url():
        return {}
    if choice("NETWORK_ISOLATION", "false", "true") == "true":
        raise SettingError("With NETWORK_ISOLATION the Hub cannot be reached. First: deploy/upload_model.sh")
    secret = text("HF_TOKEN_SECRET")
    if secret and not secret.startswith("arn:"):
        raise SettingError("HF_TOKEN_SECRET has to be the ARN of a secret in AWS Secrets Manager, not the token.")
    known = {"MODEL_REVISION": text("MODEL_REVISION"), "HF_TOKEN_SECRET": secret}
    return {name: value for name, value in known.items() if value}


PICKLES = (
    "others may be pickles, which run code when they are loaded: where you trust them, set "
    '"load-format": "auto" in code/options.json.'
)


def takes_pickles() -> bool:
    """Whether the engine is told to load other weights than safetensors. Raises SettingError."""
    try:
        options = dict(json.loads((HERE.parent / "code/options.json").read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(f"code/options.json cannot be read: {error}") from None
    told = [value for name, value in mapping("CONTAINER_ENV").items() if name.endswith("_LOAD_FORMAT")]
    return "safetensors" not in (told or [str(options.get("load-format"))])


def elsewhere() -> dict[str, str]:
    """Settings for a model that is not in S3; empty where there is none. Raises SettingError as hub.py does."""
    if not text("MODEL_ID"):
        return {}
    import hub

    return {"MODEL_REVISION": hub.revision()}


def asking(_upload: str, invoke: str, file: str, _uploaded: str) -> str:
    """What to type for an answer to `file`, made of the commands that upload a model and invoke it."""
    return f"{invoke} {file}"
