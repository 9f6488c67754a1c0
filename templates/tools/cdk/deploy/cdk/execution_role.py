"""The role that SageMaker takes on: it may do what this endpoint needs and nothing else."""

import re

import aws_cdk as cdk
import resources
from aws_cdk import aws_iam as iam
from resources import Json, names, text

ECR_IMAGE = r"([0-9]{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.[^/]+/([^:@]+)"
LAYERS = "ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:GetDownloadUrlForLayer"
LOGS = "logs:CreateLogGroup logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents"
# A network interface for each instance, and what has to be looked up for it, which cannot be said of one network only.
INTERFACES = (
    "ec2:CreateNetworkInterface ec2:CreateNetworkInterfacePermission"
    " ec2:DeleteNetworkInterface ec2:DeleteNetworkInterfacePermission"
)
LOOKUPS = (
    "ec2:DescribeDhcpOptions ec2:DescribeNetworkInterfaces ec2:DescribeSecurityGroups ec2:DescribeSubnets"
    " ec2:DescribeVpcs"
)


def execution_role(stack: cdk.Stack, tags: dict[str, str]) -> iam.Role:
    """The rights are part of it, not a policy beside it: what refers to the role waits for them, too."""
    rights = [*reads_content(stack), *reports(stack), *reads_and_writes(stack), *joins_network(stack), *uses_key(stack)]
    role = iam.Role(
        stack,
        "Role",
        description=f"SageMaker, for the endpoint {resources.deployment()}",
        assumed_by=iam.ServicePrincipal(
            "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
        ),
        inline_policies={"endpoint": iam.PolicyDocument(statements=rights)},
    )
    for key, value in tags.items():
        cdk.Tags.of(role).add(key, value)
    return role


def allow(actions: str, *places: str, **conditions: Json) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=actions.split(), resources=list(places), conditions=conditions)


def in_s3(stack: cdk.Stack, uri: str) -> str:
    return stack.format_arn(service="s3", region="", account="", resource=uri.removeprefix("s3://"))


def read(stack: cdk.Stack, uri: str) -> list[iam.PolicyStatement]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    below = {"s3:prefix": key}
    return [allow("s3:GetObject", in_s3(stack, uri)), allow("s3:ListBucket", in_s3(stack, bucket), StringLike=below)]


def reads_content(stack: cdk.Stack) -> list[iam.PolicyStatement]:
    """The image and the model. What upload_model.sh uploaded before stays readable: it runs until the new one does."""
    rights = []
    image = re.match(ECR_IMAGE, text("IMAGE_URI"))
    if image:
        account, region, name = image.groups()
        ecr = stack.format_arn(service="ecr", account=account, region=region, resource="repository", resource_name=name)
        rights += [allow(LAYERS, ecr), allow("ecr:GetAuthorizationToken", "*")]
    if text("MODEL_DATA"):
        rights += read(stack, re.sub(r"/[0-9a-f]{64}(/[^/]+)$", r"/*\1", text("MODEL_DATA")))
    return rights


def reports(stack: cdk.Stack) -> list[iam.PolicyStatement]:
    """Logs and metrics."""
    colon = cdk.ArnFormat.COLON_RESOURCE_NAME
    groups = stack.format_arn(service="logs", resource="log-group", resource_name="/aws/sagemaker/*", arn_format=colon)
    metrics = {"cloudwatch:namespace": ["/aws/sagemaker/*", "AWS/SageMaker*"]}
    return [allow(LOGS, groups), allow("cloudwatch:PutMetricData", "*", StringLike=metrics)]


def reads_and_writes(stack: cdk.Stack) -> list[iam.PolicyStatement]:
    """Requests that are captured; requests in the queue, their answers, and who is told of them."""
    options, rights = resources.options(), []
    queue = options.get("AsyncInferenceConfig", {}).get("OutputConfig", {})
    capture = options.get("DataCaptureConfig", {})
    places = [queue.get("S3OutputPath"), queue.get("S3FailurePath"), capture.get("DestinationS3Uri")]
    written = [in_s3(stack, f"{place}/*") for place in places if place]
    if written:
        rights.append(allow("s3:AbortMultipartUpload s3:PutObject", *written))
    if queue:
        rights += read(stack, f"s3://{text('S3_BUCKET')}/{text('PROJECT_NAME')}/async/input/*")
    topics = queue.get("NotificationConfig", {}).values()
    return [*rights, allow("sns:Publish", *topics)] if topics else rights


def joins_network(stack: cdk.Stack) -> list[iam.PolicyStatement]:
    """The subnets and security groups of VPC_SUBNETS, which another account may share with this one."""
    if not names("VPC_SUBNETS"):
        return []
    subnets = [("*", "subnet", name) for name in names("VPC_SUBNETS")]
    groups = [("*", "security-group", name) for name in names("VPC_SECURITY_GROUPS")]
    parts = [(stack.account, "network-interface", "*"), *subnets, *groups]
    places = [
        stack.format_arn(service="ec2", account=who, resource=what, resource_name=name) for who, what, name in parts
    ]
    return [allow(INTERFACES, *places), allow(LOOKUPS, "*")]


def uses_key(stack: cdk.Stack) -> list[iam.PolicyStatement]:
    """KMS_KEY_ID: the id of a key, an alias, or the ARN of either."""
    key = text("KMS_KEY_ID")
    if not key:
        return []
    alias = re.search("alias/.+", key)
    # A policy cannot name an alias as its resource.
    only: Json = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias[0]}} if alias else {}
    if alias or not key.startswith("arn:"):
        key = stack.format_arn(service="kms", resource="key", resource_name="*" if alias else key)
    return [
        allow("kms:Decrypt kms:DescribeKey kms:Encrypt kms:GenerateDataKey", key, **only),
        allow("kms:CreateGrant", key, Bool={"kms:GrantIsForAWSResource": "true"}, **only),
    ]
