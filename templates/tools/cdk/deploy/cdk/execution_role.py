"""The role that SageMaker takes on for the endpoint. Its rights are those of ../iam/execution-role.json."""

import sys

import aws_cdk as cdk
import resources
from aws_cdk import aws_iam as iam

sys.path.insert(0, str(resources.HERE / "iam"))

from fill import document


def execution_role(stack: cdk.Stack, tags: dict[str, str]) -> iam.Role:
    """The rights are part of it, not a policy beside it: what refers to the role waits for them, too."""
    sagemaker = iam.ServicePrincipal(
        "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
    )
    rights = iam.PolicyDocument.from_json(document(resources.HERE / "iam/execution-role.json"))
    role = iam.Role(
        stack,
        "Role",
        description=f"SageMaker, for the endpoint {resources.deployment()}",
        assumed_by=sagemaker,
        inline_policies={"endpoint": rights},
    )
    for key, value in tags.items():
        cdk.Tags.of(role).add(key, value)
    return role
