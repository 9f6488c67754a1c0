#!/usr/bin/env python3
"""Puts the project's image and model behind a SageMaker endpoint, asks it, and removes it, with boto3.

    python3 deploy/deploy.py deploy [ROLE_ARN]              prints the endpoint's name; it bills until delete
    python3 deploy/deploy.py invoke FILE [CONTENT-TYPE]     prints the answer; ACCEPT (environment) says of what type
    python3 deploy/deploy.py delete                         prints how many things it removed

An endpoint that is there is updated in place, without downtime; where nothing has changed nothing is done. When that
fails, what ran before runs on and what this run made is removed. The content type is that of FILE's ending, where none
is given. What AWS is asked for is in resources.py, the settings are in settings.sh. What else
invoke takes, `deploy.py invoke --help` says.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from typing import Any

import aws
import checks
import resources
from aws import Failure, say, typed
from invoke import OPTIONS, invoke
from resources import Json, text


# --- the endpoint ----------------------------------------------------------------------------------------------------
def look() -> Json:
    """The endpoint; empty where there is none."""
    return aws.ask(aws.client("sagemaker").describe_endpoint, EndpointName=resources.deployment())


def settle() -> Json:
    """The endpoint once it has stopped changing."""
    return aws.wait(resources.deployment(), "EndpointStatus", look)


def request_update(config: str, keep_scale: bool = False) -> None:
    request = {"EndpointName": resources.deployment(), "EndpointConfigName": config}
    aws.client("sagemaker").update_endpoint(**request, RetainAllVariantProperties=keep_scale)


def remove_endpoint() -> int:
    """Removes it with what scales it; how many things that were."""
    name, removed = resources.deployment(), unscale()
    say(f"Removing the endpoint {name}")
    aws.client("sagemaker").delete_endpoint(EndpointName=name)
    if left := settle():
        what = f"{name} is {left['EndpointStatus']} after it was deleted: {left.get('FailureReason')}"
        raise Failure(what, "Try again.")
    return removed + 1


# --- auto scaling ----------------------------------------------------------------------------------------------------
def scale(calls: list[tuple[str, str, Json]]) -> None:
    """As the settings say; what scaled it before and is not asked for any more is taken away."""
    if not calls:
        unscale()
    arn = ""
    for service, command, request in calls:
        complete = json.loads(json.dumps(request).replace(resources.POLICY_ARN, arn))
        arn = getattr(aws.client(service), command.replace("-", "_"))(**complete).get("PolicyARN", "")


def unscale() -> int:
    """Removes the scaling policies, their alarm, and what they scaled; how many policies and alarms that were."""
    scaling: Any = aws.client("application-autoscaling")
    space, resource = "sagemaker", f"endpoint/{resources.deployment()}/variant/{resources.VARIANT}"
    found = scaling.describe_scaling_policies(ServiceNamespace=space, ResourceId=resource)["ScalingPolicies"]
    names = [policy["PolicyName"] for policy in found]
    for policy in found:
        own = {"ResourceId": resource, "ScalableDimension": policy["ScalableDimension"]}
        scaling.delete_scaling_policy(ServiceNamespace=space, PolicyName=policy["PolicyName"], **own)
    if "wake" in names:
        aws.client("cloudwatch").delete_alarms(AlarmNames=[f"{resources.deployment()}-wake"])
    targets = scaling.describe_scalable_targets(ServiceNamespace=space, ResourceIds=[resource])["ScalableTargets"]
    for target in targets:
        dimension = target["ScalableDimension"]
        scaling.deregister_scalable_target(ServiceNamespace=space, ResourceId=resource, ScalableDimension=dimension)
    return len(names) + names.count("wake")


# --- deploy ----------------------------------------------------------------------------------------------------------
def deploy(role_arn: str) -> str:
    """Creates the endpoint, or updates it in place without downtime; what runs already is left alone. Returns its name.

    When it fails, what ran before runs on and what this run made is removed.
    """
    checks.require_all(role_arn)
    name, calls = resources.name(), resources.scaling_calls()
    before = require_endpoint()
    if before == name:
        say(f"{resources.deployment()} runs exactly this already.")
        scale(calls)
    else:
        replace(before, name, calls)
    aws.record("role", text("ROLE_ARN"))
    sample = resources.HERE.parent / "test/sample_request.json"
    file = shlex.quote(os.path.relpath(sample)) if sample.exists() else "FILE"
    ask = resources.asking(typed("upload_model.sh"), typed("deploy.py", "invoke"), file, aws.recall("target"))
    say(f"Next: {ask}, and when you are done {typed('deploy.py', 'delete')}")
    return resources.deployment()


def require_endpoint() -> str:
    """The configuration that runs, empty where none does. What is there may be this project's or nothing."""
    now, name = settle(), resources.deployment()
    if not now:
        return ""
    if not aws.is_ours(now["EndpointArn"]):
        what = f"There is an endpoint {name} in {text('AWS_REGION')} that this project did not make."
        raise Failure(what, "Name another in ENDPOINT_NAME.")
    if now["EndpointStatus"] != "InService":
        say(f"{name} is {now['EndpointStatus']}, which cannot be updated: removing it first.")
        remove_endpoint()
        return ""
    return str(now["EndpointConfigName"])


def replace(before: str, name: str, calls: list[tuple[str, str, Json]]) -> None:
    """Makes all that `name` names and moves the endpoint to it, or leaves everything as it was before."""
    say(
        f"Cost: {resources.cost()} until you run {typed('deploy.py', 'delete')}. Prices:"
        " https://aws.amazon.com/sagemaker/pricing/; what you paid: https://console.aws.amazon.com/costmanagement/"
    )
    made: list[str] = []
    try:
        make(name, made)
        put_endpoint(before, name, made, keep_scale=bool(calls))
        scale(calls)
    except BaseException as error:
        code = aws.explain(error)
        take_back(before, name, made)
        sys.exit(code)
    try:
        if before:  # and nothing else, for another run may be making its own now
            aws.client("sagemaker").delete_endpoint_config(EndpointConfigName=before)
            aws.client("sagemaker").delete_model(ModelName=before)
    except aws.REFUSALS as error:
        say(f"What ran before is not all removed, which delete does: {error}")


def make(name: str, made: list[str]) -> None:
    """The model and the configuration, where they are not there; `made` gets what was made."""
    sagemaker = aws.client("sagemaker")
    if not aws.ask(sagemaker.describe_model, ModelName=name):
        sagemaker.create_model(**resources.model())
        made.append("model")
    if not aws.ask(sagemaker.describe_endpoint_config, EndpointConfigName=name):
        sagemaker.create_endpoint_config(**resources.endpoint_config())
        made.append("configuration")


def put_endpoint(before: str, name: str, made: list[str], keep_scale: bool) -> None:
    """Moves the endpoint to `name`; `made` gets it as soon as it is this run that changes it."""
    began = time.time() - 60  # AWS's clock and this one may differ by a minute
    if before:
        if instance_type(before) != resources.variant().get("InstanceType"):
            unscale()  # SageMaker does not change the instance type of what is scaled
        request_update(name, keep_scale)
    else:
        aws.client("sagemaker").create_endpoint(**resources.endpoint())
    made.append("endpoint")
    now = settle()
    if now.get("EndpointStatus") == "InService" and now["EndpointConfigName"] == name:
        return
    group = f"/aws/sagemaker/Endpoints/{resources.deployment()}"
    aws.show_log(group, since=began, orderBy="LastEventTime", descending=True)
    if before and now.get("EndpointStatus") == "InService":
        say("What ran before runs on, unchanged.")
    what = f"{resources.deployment()} was not deployed: {now.get('FailureReason', 'SageMaker gives no reason.')}"
    raise Failure(what, f"Remedy that and run {typed('deploy.py', 'deploy')} again.")


def instance_type(config: str) -> str | None:
    """That of a configuration; none where it is serverless."""
    found = aws.client("sagemaker").describe_endpoint_config(EndpointConfigName=config)
    kind: str | None = found["ProductionVariants"][0].get("InstanceType")
    return kind


def take_back(before: str, name: str, made: list[str]) -> None:
    """What was there before comes back, and what was made goes; an endpoint that still changes cannot be touched."""
    now, sagemaker = look(), aws.client("sagemaker")
    own = "endpoint" in made
    if own and aws.CHANGING.search(now.get("EndpointStatus", "")):
        goes_on, removes = (typed("deploy.py", command) for command in ("deploy", "delete"))
        say(f"{resources.deployment()} is still {now['EndpointStatus']}: {goes_on} goes on, {removes} removes it.")
        return
    if own and now.get("EndpointConfigName") == name and before:
        say("Going back to what ran before.")
        request_update(before)
        now = settle()
    elif own and now.get("EndpointConfigName") == name:
        remove_endpoint()
        now = {}
    if now.get("EndpointConfigName") == name:
        return
    if "configuration" in made:
        sagemaker.delete_endpoint_config(EndpointConfigName=name)
    if "model" in made:
        sagemaker.delete_model(ModelName=name)
    say("What this run made is removed.")


# --- delete ----------------------------------------------------------------------------------------------------------
def delete() -> str:
    """Removes the endpoint and all that was made for it, as far as this project made it; how many things that were."""
    name, removed = resources.deployment(), 0
    if now := settle():
        if not aws.is_ours(now["EndpointArn"]):
            say(f"The endpoint {name} is not this project's own: it stays.")
            return "0"
        removed += remove_endpoint()
    removed += aws.remove_made("EndpointConfig") + aws.remove_made("Model")
    say(f"Removed {removed}. Of what was deployed for {text('PROJECT_NAME')} in {text('AWS_REGION')} nothing is left.")
    return str(removed)


if __name__ == "__main__":
    aws.main(__doc__, deploy, invoke, delete, OPTIONS)
