"""What none of a project's documents may permit."""

from collections.abc import Iterable, Iterator

from iam.policy import Need
from iam.role import Place


def beyond(documents: Iterable[str], known: list[str], place: Place) -> Iterator[tuple[str, Need]]:
    """Each with the document that may not permit it: first what is another's, then what is its own but not for it."""
    name, project, bucket, role = known
    every = list(documents)
    for action, resource in of_others(name, project, bucket, place):
        yield from ((document, Need(action, resource, {})) for document in every)
    roles = f"arn:{place.partition}:iam::{place.account}:role/"
    for action in ("AttachRolePolicy", "CreateRole", "PutRolePolicy", "UpdateAssumeRolePolicy"):
        yield from ((document, Need(f"iam:{action}", f"{roles}another", {})) for document in every)
        # Whoever may do this to a role that SageMaker assumes can have every right.
        yield from ((document, Need(f"iam:{action}", role, {})) for document in every if document != "role-maker")
    yield "role-maker", Need("iam:AttachRolePolicy", role, {})
    for service in ("ec2", "lambda", "cloudformation", "codebuild"):
        passed = {"iam:PassedToService": f"{service}.amazonaws.com"}
        yield from ((document, Need("iam:PassRole", role, passed)) for document in every)
    passed = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    yield from ((document, Need("iam:PassRole", f"{role}-2", passed)) for document in every)
    own = place.object(f"s3://{bucket}/{project}/0123abc/model.tar.gz")
    yield from (("execution-role", Need(f"s3:{action}", own, {})) for action in ("PutObject", "DeleteObject"))
    for each in (bucket, "models", "records"):
        yield "execution-role", Need("s3:ListBucket", place.object(each), {"s3:prefix": ""})
    yield "execution-role", Need("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "Fraud"})
    interface, subnet = place.arn("ec2", "network-interface/eni-1"), {"ec2:Subnet": place.arn("ec2", "subnet/subnet-9")}
    yield "execution-role", Need("ec2:DeleteNetworkInterface", interface, subnet)
    key = place.arn("kms", "key/1234abcd-12ab-34cd-56ef-1234567890ab")
    yield from ((document, Need("kms:CreateGrant", key, {})) for document in ("execution-role", "deployer"))
    autoscaled = {"application-autoscaling:service-namespace": "dynamodb"}
    target = place.arn("application-autoscaling", "scalable-target/1234")
    yield "deployer", Need("application-autoscaling:RegisterScalableTarget", target, autoscaled)


def of_others(name: str, project: str, bucket: str, place: Place) -> Iterator[tuple[str, str]]:
    """Resources that the project has not made, some of them with names that begin as its own."""
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
            yield f"sagemaker:{action}", place.arn("sagemaker", f"{kind}/{other.lower()}")
        yield "cloudwatch:DeleteAlarms", place.arn("cloudwatch", f"alarm:{other}")
        yield "logs:GetLogEvents", place.arn("logs", f"log-group:/aws/sagemaker/Endpoints/{other}:log-stream:a")
    for action in ("GetObject", "PutObject", "DeleteObject"):
        yield f"s3:{action}", place.object(f"s3://{bucket}-2/{project}/model.tar.gz")
        yield f"s3:{action}", place.object(f"s3://{bucket}/{project}-2/model.tar.gz")
    yield "s3:ListBucket", place.object(f"{bucket}-2")
    for action in ("BatchGetImage", "PutImage", "DeleteRepository"):
        yield f"ecr:{action}", place.arn("ecr", f"repository/{project}-2")
    yield "logs:PutLogEvents", place.arn("logs", "log-group:/aws/lambda/another:log-stream:a")
    yield "iam:CreateServiceLinkedRole", f"arn:{place.partition}:iam::{place.account}:role/another"
    yield "kms:Decrypt", place.arn("kms", "key/another")
