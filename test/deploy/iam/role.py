"""The permissions that the execution role needs for requests to SageMaker, as listed in the developer guide."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from iam.policy import Need


class Location(NamedTuple):
    partition: str = "aws"
    region: str = "us-east-1"
    account: str = "123456789012"

    def arn(self, service: str, resource: str, account: str = "") -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{account or self.account}:{resource}"

    def object(self, uri: str) -> str:
        return f"arn:{self.partition}:s3:::{uri.removeprefix('s3://')}"


Needs = Iterator[Need]


def always(group: str, location: Location) -> Needs:
    """Yield what every job or endpoint needs: logs, metrics and logging in to the registry."""
    for name in ("CreateLogGroup", "DescribeLogStreams"):
        yield Need(f"logs:{name}", location.arn("logs", f"log-group:/aws/sagemaker/{group}:log-stream:"), {})
    for name in ("CreateLogStream", "PutLogEvents"):
        yield Need(f"logs:{name}", location.arn("logs", f"log-group:/aws/sagemaker/{group}:log-stream:a/b"), {})
    yield Need("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": f"/aws/sagemaker/{group.split('/')[0]}"})
    yield Need("ecr:GetAuthorizationToken", "*", {})


def pulls(image: str, location: Location) -> Needs:
    name = re.split("[:@]", image.split("/", 1)[1])[0]
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Need(f"ecr:{action}", location.arn("ecr", f"repository/{name}", image[:12]), {})


def reads(uri: str, location: Location) -> Needs:
    """Yield what reading an object needs, or all objects with this prefix."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    yield Need("s3:ListBucket", location.object(bucket), {"s3:prefix": key})
    yield Need("s3:GetObject", location.object(f"{uri}a.csv" if uri.endswith("/") else uri), {})


def writes(uri: str, location: Location) -> Needs:
    for action in ("PutObject", "AbortMultipartUpload"):
        yield Need(f"s3:{action}", location.object(f"{uri.rstrip('/')}/a/b.out"), {})


def captures(uri: str, location: Location) -> Needs:
    yield Need("s3:PutObject", location.object(f"{uri}/a/b.jsonl"), {})


def checkpoints_at(checkpoints: dict[str, str], location: Location) -> Needs:
    yield from reads(f"{checkpoints['S3Uri']}/", location)
    yield from writes(checkpoints["S3Uri"], location)


def notifies(topic: str, _: Location) -> Needs:
    yield Need("sns:Publish", topic, {})


def encrypts(key: str, location: Location) -> Needs:
    alias = re.search("alias/.+", key)
    context = {"kms:ResourceAliases": alias[0]} if alias else {}
    arn = key if key.startswith("arn:") and not alias else location.arn("kms", f"key/{'1234' if alias else key}")
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield Need(f"kms:{action}", arn, context)
    yield Need("kms:CreateGrant", arn, {**context, "kms:GrantIsForAWSResource": "true"})


def joins_subnet(subnet: str, location: Location) -> Needs:
    arn, interface = location.arn("ec2", f"subnet/{subnet}"), location.arn("ec2", "network-interface/eni-1")
    for resource in (arn, interface):
        yield Need("ec2:CreateNetworkInterface", resource, {})
    for action in ("CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission"):
        yield Need(f"ec2:{action}", interface, {"ec2:Subnet": arn})
    for kind in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"):
        yield Need(f"ec2:Describe{kind}", "*", {})


def joins_group(group: str, location: Location) -> Needs:
    yield Need("ec2:CreateNetworkInterface", location.arn("ec2", f"security-group/{group}"), {})


FIELDS: dict[str, Callable[[Any, Location], Needs]] = {
    "Image": pulls,
    "TrainingImage": pulls,
    "CheckpointConfig": checkpoints_at,
    "ModelDataUrl": reads,
    "S3Uri": reads,
    "InputLocation": reads,
    "S3OutputPath": writes,
    "S3FailurePath": writes,
    "DestinationS3Uri": captures,
    "SuccessTopic": notifies,
    "ErrorTopic": notifies,
    "KmsKeyId": encrypts,
    "VolumeKmsKeyId": encrypts,
    "Subnets": joins_subnet,
    "SecurityGroupIds": joins_group,
}


def needs_of(request: Any, location: Location) -> Needs:
    """Yield what the fields of a request need, at any depth."""
    for key, value in request.items() if isinstance(request, dict) else []:
        for each in value if isinstance(value, list) else [value]:
            if key in FIELDS:
                yield from FIELDS[key](each, location)
            else:
                yield from needs_of(each, location)
