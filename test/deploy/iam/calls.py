"""The permissions that the caller of a recorded AWS call needs."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from iam.policy import Json, Need, forms

ACCOUNT = "123456789012"
LOCATION = {"partition": "aws", "region": "us-east-1", "account": ACCOUNT}
SAGEMAKER = {"iam:PassedToService": "sagemaker.amazonaws.com"}
AUTOSCALING = "application-autoscaling.amazonaws.com"
# The actions of S3: by subresource of a bucket, and by method of an object.
BUCKETS = {
    "location": "GetBucketLocation",
    "list-type": "ListBucket",
    "publicAccessBlock": "PutBucketPublicAccessBlock",
    "encryption": "PutEncryptionConfiguration",
}
OBJECTS = {"HEAD": "GetObject", "GET": "GetObject", "PUT": "PutObject", "POST": "PutObject", "DELETE": "DeleteObject"}
INVOCATIONS = {"invocations": "", "async-invocations": "Async", "invocations-response-stream": "WithResponseStream"}
TAGGING = {"sagemaker": "AddTags", "iam": "TagRole"}


def body_of(call: Json) -> Json:
    """Return the parameters of a call. The location of a queued request is in a header."""
    if call["target"]:
        body: Json = json.loads(call["body"])
        return body
    return {"InputLocation": call["input"]} if call["input"] else dict(parse_qsl(call["body"]))


def read(call: Json) -> tuple[str, Json]:
    """Return the action of a call, and its parameters with lower-case names."""
    service = {"monitoring": "cloudwatch"}.get(call["service"], call["service"])
    url = urlsplit(call["path"])
    if service == "s3":
        return read_s3(call["method"], url.path, dict(parse_qsl(url.query, keep_blank_values=True)))
    invocation = re.fullmatch("/endpoints/([^/]+)/(.*invocations.*)", url.path)
    if invocation:
        return f"sagemaker:InvokeEndpoint{INVOCATIONS[invocation[2]]}", {"endpointname": invocation[1]}
    body = body_of(call)
    name = call["target"].rpartition(".")[2] or body["Action"]
    given = {key.lower(): value for key, value in body.items()}
    for key in ("repositoryname", "alarmname"):
        given[key] = given.get(key) or (given.get(f"{key}s") or [None])[0]
    return f"{service}:{name}", {**given, "rolenamewithpath": given.get("rolename")}


def read_s3(method: str, path: str, query: dict[str, str]) -> tuple[str, Json]:
    _, bucket, key = [*unquote(path).split("/", 2), ""][:3]
    if key:
        return f"s3:{OBJECTS[method]}", {"bucketname": bucket, "objectname": key}
    plain = {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, "")
    name = next((BUCKETS[part] for part in query if part in BUCKETS), plain)
    return f"s3:{name}", {"bucketname": bucket, "prefix": query.get("prefix", "")}


def resources(action: str, given: Json) -> list[str]:
    """Return the ARNs of the resources in the parameters, in the formats of the action."""
    named = given.get("resourcearn") or given.get("policysourcearn")
    if named:
        return [named]
    known = {**LOCATION, **{key: value for key, value in given.items() if isinstance(value, str)}}
    found = []
    for form in forms(action):
        names = [name.lower() for name in re.findall(r"\$\{(\w+)\}", form.arn)]
        if names and known.keys() >= set(names):
            found.append(re.sub(r"\$\{(\w+)\}", lambda match: known[match[1].lower()], form.arn))
    # SageMaker writes names in lower case; CloudWatch Logs checks the streams of a group.
    found = [arn.lower() if ":sagemaker:" in arn else arn for arn in found]
    return [f"{arn}:log-stream:" if action == "logs:DescribeLogStreams" else arn for arn in found] or ["*"]


def needs(call: Json) -> Iterator[Need]:
    """Yield the permissions that the caller needs. GetCallerIdentity needs none."""
    if call["service"] == "sts":
        return
    action, given = read(call)
    service, _, name = action.partition(":")
    context = {"s3:prefix": given["prefix"]} if name == "ListBucket" else {}
    if service == "application-autoscaling":
        context = {"application-autoscaling:service-namespace": given["servicenamespace"]}
        if name in ("RegisterScalableTarget", "PutScalingPolicy"):
            yield from scaling_needs(given["resourceid"].split("/")[1])
    for resource in resources(action, given):
        yield Need(action, resource, context)
    if "tags" in given or "tags.member.1.key" in given:
        yield Need(f"{service}:{TAGGING.get(service, 'TagResource')}", resources(action, given)[0], {})
    passed = given.get("executionrolearn") or given.get("rolearn")
    if passed:
        yield Need("iam:PassRole", passed, SAGEMAKER)
    if name == "GetObject" and call["status"] == 404:
        # Without this permission, S3 returns 403 instead of 404 for a missing object.
        yield Need("s3:ListBucket", f"arn:aws:s3:::{given['bucketname']}", {})


def scaling_needs(endpoint: str) -> Iterator[Need]:
    """Yield what Application Auto Scaling checks on behalf of its caller, including alarms without a name."""
    alarm, called = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:", {"aws:CalledViaLast": AUTOSCALING}
    yield from (Need(f"cloudwatch:{name}Alarms", alarm, called) for name in ("Describe", "Delete"))
    yield Need("cloudwatch:PutMetricAlarm", alarm, called)
    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/{endpoint}".lower()
    yield Need("sagemaker:UpdateEndpointWeightsAndCapacities", arn, {})
    role = f"aws-service-role/sagemaker.{AUTOSCALING}/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    service = {"iam:AWSServiceName": f"sagemaker.{AUTOSCALING}"}
    yield Need("iam:CreateServiceLinkedRole", f"arn:aws:iam::{ACCOUNT}:role/{role}", service)
