"""Which rights what is asked of SageMaker needs of the execution role, as the developer guide lists them."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from iam.policy import Need


class Place(NamedTuple):
    partition: str = "aws"
    region: str = "us-east-1"
    account: str = "123456789012"

    def arn(self, service: str, resource: str, account: str = "") -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{account or self.account}:{resource}"

    def object(self, uri: str) -> str:
        return f"arn:{self.partition}:s3:::{uri.removeprefix('s3://')}"


Needs = Iterator[Need]


def always(group: str, place: Place) -> Needs:
    """Its log, its metrics, and the sign-in to the registry."""
    for name in ("CreateLogGroup", "DescribeLogStreams"):
        yield Need(f"logs:{name}", place.arn("logs", f"log-group:/aws/sagemaker/{group}:log-stream:"), {})
    for name in ("CreateLogStream", "PutLogEvents"):
        yield Need(f"logs:{name}", place.arn("logs", f"log-group:/aws/sagemaker/{group}:log-stream:a/b"), {})
    yield Need("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": f"/aws/sagemaker/{group.split('/')[0]}"})
    yield Need("ecr:GetAuthorizationToken", "*", {})


def pulls(image: str, place: Place) -> Needs:
    name = re.split("[:@]", image.split("/", 1)[1])[0]
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Need(f"ecr:{action}", place.arn("ecr", f"repository/{name}", image[:12]), {})


def reads(uri: str, place: Place) -> Needs:
    """An object, or all that begins with this."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    yield Need("s3:ListBucket", place.object(bucket), {"s3:prefix": key})
    yield Need("s3:GetObject", place.object(f"{uri}a.csv" if uri.endswith("/") else uri), {})


def writes(uri: str, place: Place) -> Needs:
    for action in ("PutObject", "AbortMultipartUpload"):
        yield Need(f"s3:{action}", place.object(f"{uri.rstrip('/')}/a/b.out"), {})


def captures(uri: str, place: Place) -> Needs:
    yield Need("s3:PutObject", place.object(f"{uri}/a/b.jsonl"), {})


def keeps(checkpoints: dict[str, str], place: Place) -> Needs:
    yield from reads(f"{checkpoints['S3Uri']}/", place)
    yield from writes(checkpoints["S3Uri"], place)


def tells(topic: str, _: Place) -> Needs:
    yield Need("sns:Publish", topic, {})


def encrypts(key: str, place: Place) -> Needs:
    alias = re.search("alias/.+", key)
    context = {"kms:ResourceAliases": alias[0]} if alias else {}
    arn = key if key.startswith("arn:") and not alias else place.arn("kms", f"key/{'1234' if alias else key}")
    for action in ("Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey"):
        yield Need(f"kms:{action}", arn, context)
    yield Need("kms:CreateGrant", arn, {**context, "kms:GrantIsForAWSResource": "true"})


def joins(subnet: str, place: Place) -> Needs:
    arn, interface = place.arn("ec2", f"subnet/{subnet}"), place.arn("ec2", "network-interface/eni-1")
    for resource in (arn, interface):
        yield Need("ec2:CreateNetworkInterface", resource, {})
    for action in ("CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission"):
        yield Need(f"ec2:{action}", interface, {"ec2:Subnet": arn})
    for kind in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"):
        yield Need(f"ec2:Describe{kind}", "*", {})


def guards(group: str, place: Place) -> Needs:
    yield Need("ec2:CreateNetworkInterface", place.arn("ec2", f"security-group/{group}"), {})


FIELDS: dict[str, Callable[[Any, Place], Needs]] = {
    "Image": pulls,
    "TrainingImage": pulls,
    "CheckpointConfig": keeps,
    "ModelDataUrl": reads,
    "S3Uri": reads,
    "InputLocation": reads,
    "S3OutputPath": writes,
    "S3FailurePath": writes,
    "DestinationS3Uri": captures,
    "SuccessTopic": tells,
    "ErrorTopic": tells,
    "KmsKeyId": encrypts,
    "VolumeKmsKeyId": encrypts,
    "Subnets": joins,
    "SecurityGroupIds": guards,
}


def demands(request: Any, place: Place) -> Needs:
    """By the fields of a request, wherever in it they are."""
    for key, value in request.items() if isinstance(request, dict) else []:
        for each in value if isinstance(value, list) else [value]:
            if key in FIELDS:
                yield from FIELDS[key](each, place)
            else:
                yield from demands(each, place)
