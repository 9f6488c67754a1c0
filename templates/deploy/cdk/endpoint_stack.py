"""The stack: role, model, endpoint configuration, endpoint and auto scaling.

CloudFormation properties have the same form as the requests of AWS's APIs, so they come from deployer.requests.
"""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct
from execution_role import execution_role

from deployer import hints
from deployer.project import Settings, target
from deployer.requests import endpoint as requests
from deployer.requests.common import OWNER, Json
from deployer.requests.scaling import Call

# The resource types that the calls of scaling_calls() create.
KINDS = {
    "register_scalable_target": "ApplicationAutoScaling::ScalableTarget",
    "put_scaling_policy": "ApplicationAutoScaling::ScalingPolicy",
    "put_metric_alarm": "CloudWatch::Alarm",
}


class EndpointStack(cdk.Stack):
    """Model and configuration are named by their content, so a change creates new ones. The endpoint is then updated in
    place, without downtime, and the old ones are removed."""

    def __init__(self, scope: Construct, name: str, settings: Settings, *, env: cdk.Environment) -> None:
        super().__init__(scope, name, env=env)
        # The scripts' tags without the endpoint tag, so that the scripts leave this stack's resources alone.
        tags = {**settings.tags, f"{OWNER}:project": settings.project_name}
        self.tag_list = [{"Key": key, "Value": value} for key, value in tags.items()]
        role = settings.role_arn or execution_role(self, settings, tags).role_arn
        model = self.add("SageMaker::Model", {**requests.model(settings), "ExecutionRoleArn": role})
        request = requests.endpoint_config(settings)
        request["ProductionVariants"][0]["ModelName"] = model.get_att("ModelName")
        config = self.add("SageMaker::EndpointConfig", request)
        request = {**requests.endpoint(settings), "EndpointConfigName": config.get_att("EndpointConfigName")}
        scaling = requests.scaling_calls(settings)
        if scaling:
            request["RetainAllVariantProperties"] = True  # an update keeps the current instance count
        endpoint = self.add("SageMaker::Endpoint", request)
        self.add_scaling(endpoint, scaling)
        cdk.Annotations.of(self).add_info(f"Cost: {target.cost(settings)} until cdk destroy.")
        cdk.CfnOutput(self, "EndpointName", value=endpoint.get_att("EndpointName").to_string())
        after = f"{hints.invoke_command(settings)}, and when you are done: cdk destroy"
        cdk.CfnOutput(self, "Next", value=after)

    def add(self, kind: str, properties: Json, suffix: str = "") -> cdk.CfnResource:
        """Add a resource, with the tags of this stack."""
        if "Tags" in properties:
            properties = {**properties, "Tags": self.tag_list}
        name = kind.rpartition(":")[2] + suffix
        return cdk.CfnResource(self, name, type=f"AWS::{kind}", properties=properties)

    def add_scaling(self, endpoint: cdk.CfnResource, calls: list[Call]) -> None:
        """Add the auto scaling. Each resource depends on the one before, in the order of the calls."""
        before = endpoint
        for _, method, request in calls:
            if "AlarmActions" in request:
                self.add(KINDS[method], {**request, "AlarmActions": [before.ref]})
                continue
            after = self.add(KINDS[method], request, request.get("PolicyName", "").title())
            after.add_dependency(before)
            before = after
