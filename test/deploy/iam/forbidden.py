"""What a project's policy documents must not permit."""

from collections.abc import Iterable, Iterator

from iam.policy import Need
from iam.role import Location


def forbidden(documents: Iterable[str], known: list[str], location: Location) -> Iterator[tuple[str, Need]]:
    """Yield each document with a permission it must not grant: on resources of others, then on the project's own."""
    name, project, bucket, role = known
    every = list(documents)
    for action, resource in foreign(name, project, bucket, location):
        yield from ((document, Need(action, resource, {})) for document in every)
    roles = f"arn:{location.partition}:iam::{location.account}:role/"
    for action in ("AttachRolePolicy", "CreateRole", "PutRolePolicy", "UpdateAssumeRolePolicy"):
        yield from ((document, Need(f"iam:{action}", f"{roles}another", {})) for document in every)
        # Whoever can change a role that SageMaker assumes can grant themselves any permission.
        yield from ((document, Need(f"iam:{action}", role, {})) for document in every if document != "role-maker")
    yield "role-maker", Need("iam:AttachRolePolicy", role, {})
    for service in ("ec2", "lambda", "cloudformation", "codebuild"):
        passed = {"iam:PassedToService": f"{service}.amazonaws.com"}
        yield from ((document, Need("iam:PassRole", role, passed)) for document in every)
    passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    yield from ((document, Need("iam:PassRole", f"{role}-2", passed)) for document in every)
    own = location.object(f"s3://{bucket}/{project}/0123abc/model.tar.gz")
    yield from (("execution-role", Need(f"s3:{action}", own, {})) for action in ("PutObject", "DeleteObject"))
    for each in (bucket, "models", "records"):
        yield "execution-role", Need("s3:ListBucket", location.object(each), {"s3:prefix": ""})
    yield "execution-role", Need("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Fraud"})
    interface, subnet = (
        location.arn("ec2", "network-interface/eni-1"),
        {"ec2:Subnet": location.arn("ec2", "subnet/subnet-9")},
    )
    yield "execution-role", Need("ec2:DeleteNetworkInterface", interface, subnet)
    key = location.arn("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab")
    yield from ((document, Need("kms:CreateGrant", key, {})) for document in ("execution-role", "deployer"))
    autoscaled = {"application-autoscaling:service-namespace": "dynamodb"}
    target = location.arn("application-autoscaling", "scalable-target/1234")
    yield "deployer", Need("application-autoscaling:RegisterScalableTarget", target, autoscaled)


def foreign(name: str, project: str, bucket: str, location: Location) -> Iterator[tuple[str, str]]:
    """Yield actions on resources of others, some with names that begin like the project's own."""
    for other in ("another", f"{name}-2", f"{name}-2-0123456789"):
        for action, kind in [
            ("InvokeEndpoint", "endpoint"),
            ("DeleteEndpoint", "endpoint"),
            ("DeleteEndpointConfig", "endpoint-config"),
            ("CreateModel", "model"),
            ("DeleteModel", "model"),
            ("StopTransformJob", "transform-job"),
            ("CreateTrainingJob", "training-job"),
            ("StopTrainingJob", "training-job"),
        ]:
            yield f"sagemaker:{action}", location.arn("sagemaker", f"{kind}/{other.lower()}")
        yield "cloudwatch:DeleteAlarms", location.arn("cloudwatch", f"alarm:{other}")
        yield "logs:GetLogEvents", location.arn("logs", f"log-group:/aws/sagemaker/Endpoints/{other}:log-stream:a")
    for action in ("GetObject", "PutObject", "DeleteObject"):
        yield f"s3:{action}", location.object(f"s3://{bucket}-2/{project}/model.tar.gz")
        yield f"s3:{action}", location.object(f"s3://{bucket}/{project}-2/model.tar.gz")
    yield "s3:ListBucket", location.object(f"{bucket}-2")
    for action in ("BatchGetImage", "PutImage", "DeleteRepository"):
        yield f"ecr:{action}", location.arn("ecr", f"repository/{project}-2")
    yield "logs:PutLogEvents", location.arn("logs", "log-group:/aws/lambda/another:log-stream:a")
    yield "iam:CreateServiceLinkedRole", f"arn:{location.partition}:iam::{location.account}:role/another"
    yield "kms:Decrypt", location.arn("kms", "key/another")
