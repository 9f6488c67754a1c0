"""The Hugging Face token, for gated and private models. It is stored only in Secrets Manager."""

from __future__ import annotations

import json
import sys
from collections.abc import MutableMapping
from pathlib import Path

from serving.errors import StartError

LIBRARIES = Path(__file__).resolve().parents[1] / "lib"  # boto3, apart from the engine's own packages


def fetch(environ: MutableMapping[str, str]) -> None:
    """Set HF_TOKEN to the secret that HF_TOKEN_SECRET names. Raises StartError if it cannot be read."""
    secret = environ.get("HF_TOKEN_SECRET")
    if not secret:
        return
    sys.path.insert(0, str(LIBRARIES))
    try:
        import boto3

        region = secret.split(":")[3] if secret.startswith("arn:") else environ.get("AWS_REGION")
        client = boto3.client("secretsmanager", region_name=region, endpoint_url=environ.get("AWS_ENDPOINT_URL"))
        text = str(client.get_secret_value(SecretId=secret)["SecretString"])
    except Exception as error:  # botocore has many exceptions, and each prevents the start
        why = f"{type(error).__name__}: {error}"
        raise StartError(
            f"The token in {secret} cannot be read. Check that the role can read that secret. {why}"
        ) from None
    finally:
        sys.path.remove(str(LIBRARIES))
    environ["HF_TOKEN"] = parse_secret(text)


def parse_secret(text: str) -> str:
    """Return the token in a secret: the text itself, or the only value of a JSON object, as the console writes it."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    if isinstance(value, dict):
        if len(value) != 1:
            raise StartError("The secret with the token must have exactly one value.")
        value = next(iter(value.values()))
    return str(value).strip()
