"""The stack: role, model, configuration, endpoint and what scales it.

CloudFormation takes the properties that SageMaker's API takes, so they are those that resources.py has for the scripts.
"""

import os

import aws_cdk as cdk
import resources
from constructs import Construct
from execution_role import execution_role
from resources import Json, text

# What the calls of resources.scaling_calls() make.
KINDS = {
    "register-scalable-target": "ApplicationAutoScaling::ScalableTarget",
    "put-scaling-policy": "ApplicationAutoScaling::ScalingPolicy",
    "put-metric-alarm": "CloudWatch::Alarm",
}


class EndpointStack(cdk.Stack):
    """Model and configuration are named by their content. What has changed is made anew, under another name; then the
    endpoint is updated to it in place, without downtime; then what was before is removed."""

    def __init__(self, scope: Construct, name: str, *, env: cdk.Environment) -> None:
        super().__init__(scope, name, env=env)
        # The tags of the scripts but for one, without which the scripts leave alone what is this stack's.
        tags = {tag["Key"]: tag["Value"] for tag in resources.tags() if tag["Key"] != f"{resources.OWNER}:endpoint"}
        self.tag_list = [{"Key": key, "Value": value} for key, value in tags.items()]
        role = text("ROLE_ARN") or execution_role(self, tags).role_arn
        model = self.add("SageMaker::Model", {**resources.model(), "ExecutionRoleArn": role})
        request = resources.endpoint_config()
        request["ProductionVariants"][0]["ModelName"] = model.get_att("ModelName")
        config = self.add("SageMaker::EndpointConfig", request)
        request = {**resources.endpoint(), "EndpointConfigName": config.get_att("EndpointConfigName")}
        scaling = resources.scaling_calls()
        if scaling:
            request["RetainAllVariantProperties"] = True  # an update leaves as many instances as there are
        endpoint = self.add("SageMaker::Endpoint", request)
        self.add_scaling(endpoint, scaling)
        self.tell(endpoint)

    def add(self, kind: str, properties: Json, suffix: str = "") -> cdk.CfnResource:
        if "Tags" in properties:
            properties = {**properties, "Tags": self.tag_list}
        name = kind.rpartition(":")[2] + suffix
        return cdk.CfnResource(self, name, type=f"AWS::{kind}", properties=properties)

    def add_scaling(self, endpoint: cdk.CfnResource, calls: list[tuple[str, str, Json]]) -> None:
        """Each resource waits for the one before, as the calls do."""
        before = endpoint
        for _, command, request in calls:
            if "AlarmActions" in request:
                self.add(KINDS[command], {**request, "AlarmActions": [before.ref]})
                continue
            after = self.add(KINDS[command], request, request.get("PolicyName", "").title())
            after.add_dependency(before)
            before = after

    def tell(self, endpoint: cdk.CfnResource) -> None:
        """What it costs, before it is made; what to type next, afterwards."""
        cdk.Annotations.of(self).add_info(f"Cost: {resources.cost()}, until cdk destroy.")
        sample = resources.HERE.parent / "test/sample_request.json"
        request = os.path.relpath(sample) if sample.exists() else "FILE"
        upload, invoke = (os.path.relpath(resources.HERE / script) for script in ("upload_model.sh", "invoke.sh"))
        ask = resources.asking(upload, invoke, request, "")
        cdk.CfnOutput(self, "EndpointName", value=endpoint.get_att("EndpointName").to_string())
        cdk.CfnOutput(self, "Next", value=f"{ask}, and when you are done: cdk destroy")
