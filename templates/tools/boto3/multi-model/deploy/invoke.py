"""How deploy.py asks the endpoint: one request to one of its models, one answer."""

from __future__ import annotations

from pathlib import Path

import aws
import checks
import resources
from aws import Failure, typed
from botocore.exceptions import ClientError
from resources import Json, text

OPTIONS: Json = {"--target-model": {"metavar": "NAME", "default": ""}}  # beside the request


def invoke(file: str, content_type: str, target_model: str) -> bytes:
    """Sends a file as one request to one of the endpoint's models; the answer.

    Without a content type the file's ending says it; without a model the error says which there are.
    """
    kind = checks.require_request(file, content_type)
    if not target_model:
        raise unknown_target("Which model?")
    name = target_model.removesuffix(".tar.gz")
    accept = {"Accept": text("ACCEPT")} if text("ACCEPT") else {}
    request = {"EndpointName": resources.deployment(), "TargetModel": f"{name}.tar.gz", "ContentType": kind, **accept}
    try:
        runtime = aws.client("sagemaker-runtime")
        answer: bytes = runtime.invoke_endpoint(**request, Body=Path(file).read_bytes())["Body"].read()
    except ClientError as error:
        if " model data" in str(error):
            raise unknown_target(f"There is no model {name}.") from None
        hints = {
            "ModelError": f"The container's log is in CloudWatch: /aws/sagemaker/Endpoints/{resources.deployment()}",
            "ModelNotReadyException": "It is being loaded, which goes on: try again in a minute.",
        }
        hint = f"Is it deployed in {text('AWS_REGION')}? {typed('deploy.py', 'deploy')}"
        raise Failure(str(error), hints.get(error.response["Error"]["Code"], hint)) from None
    return answer


def unknown_target(why: str) -> Failure:
    """The error that says which models there are, of the first 50 objects."""
    bucket, _, prefix = resources.model_url().removeprefix("s3://").partition("/")
    found = aws.ask(aws.client("s3").list_objects_v2, Bucket=bucket, Prefix=prefix, MaxKeys=50).get("Contents", [])
    keys = [each["Key"].removeprefix(prefix) for each in found]
    names = " ".join(key.removesuffix(".tar.gz") for key in keys if key.endswith(".tar.gz"))
    if not names:
        what = f"{why} In {resources.model_url()} there is none yet."
        return Failure(what, f"Upload one: {typed('upload_model.sh', 'first')}")
    how = typed("deploy.py", "invoke", "--target-model", "NAME", "FILE")
    return Failure(f"{why} In {resources.model_url()} there are: {names}", f"Name one: {how}")
