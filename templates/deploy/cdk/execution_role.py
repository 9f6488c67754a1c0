"""The role that SageMaker assumes for the endpoint. Its permissions are in ../iam/execution-role.json."""

from __future__ import annotations

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from deployer.requests import policies
from deployer.settings import DEPLOY, Settings


def execution_role(stack: cdk.Stack, settings: Settings, tags: Mapping[str, str]) -> iam.Role:
    """Add the role. Its policy is inline, so that resources that depend on the role also wait for the policy."""
    sagemaker = iam.ServicePrincipal(
        "sagemaker.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
    )
    content = json.loads((DEPLOY / "iam/execution-role.json").read_text())
    rights = iam.PolicyDocument.from_json(policies.document(settings, content))
    role = iam.Role(
        stack,
        "Role",
        description=f"SageMaker, for the endpoint {settings.deployment}",
        assumed_by=sagemaker,
        inline_policies={"endpoint": rights},
    )
    for key, value in tags.items():
        cdk.Tags.of(role).add(key, value)
    return role
