"""Usage: deploy/deploy.sh [ROLE_ARN]

Deploys the image pushed last and the model uploaded last to a SageMaker endpoint and waits until it is in service. An
existing endpoint is updated in place, without downtime; if nothing changed, it stays as it is. If the update fails, the
previous deployment keeps running and everything this run created is removed.

  ROLE_ARN   the role that SageMaker assumes; default: from deploy/settings.env, or created by deploy/iam/create_role.sh

Prints the endpoint's name. It is billed until deploy/delete.sh removes it. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Collection
from typing import Any

from deployer import checks, hints
from deployer.aws import (
    AWS_ERRORS,
    CHANGING,
    Failure,
    client,
    create,
    if_exists,
    is_ours,
    remove_ours,
    say,
    show_log,
    sign_in,
    track_creation,
    wait,
)
from deployer.project import Settings, target
from deployer.requests import endpoint as requests
from deployer.requests.common import Json
from deployer.requests.scaling import POLICY_ARN, resource_id
from deployer.state import record

arguments = checks.arguments


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Create the endpoint, or update it in place unless it is up to date. Return its name."""
    settings = checks.require_all(sign_in(settings), given.role_arn)
    name, before = requests.name(settings), require_endpoint(settings)
    if before == name:
        say(f"{settings.deployment} is already up to date.")
        apply_scaling(settings)
    else:
        roll_out(settings, before, name)
    record(settings, "role", settings.role_arn)
    say(f"Next: {hints.invoke_command(settings)}, and when you are done {hints.command('delete')}")
    return settings.deployment


# --- the endpoint ----------------------------------------------------------------------------------------------------
def describe(settings: Settings) -> Json:
    """Return the endpoint's description; empty if it does not exist."""
    return if_exists(client("sagemaker").describe_endpoint, EndpointName=settings.deployment)


def wait_until_stable(settings: Settings) -> Json:
    """Wait until the endpoint has stopped changing. Return its description."""
    return wait(settings, settings.deployment, "EndpointStatus", lambda: describe(settings))


def require_endpoint(settings: Settings) -> str:
    """Return the name of the running configuration, or an empty string. Remove an endpoint that cannot be updated.

    Raise Failure if the endpoint is not ours.
    """
    now, name = wait_until_stable(settings), settings.deployment
    if not now:
        return ""
    if not is_ours(settings, now["EndpointArn"]):
        what = f"An endpoint {name} already exists in {settings.aws_region} that this project did not create."
        raise Failure(what, "Set ENDPOINT_NAME to another name.")
    if now["EndpointStatus"] != "InService":
        say(f"{name} is {now['EndpointStatus']} and cannot be updated: removing it first.")
        remove_endpoint(settings)
        return ""
    return str(now["EndpointConfigName"])


def update(settings: Settings, config: str, keep_scale: bool = False) -> None:
    """Update the endpoint to a configuration."""
    request = {"EndpointName": settings.deployment, "EndpointConfigName": config}
    client("sagemaker").update_endpoint(**request, RetainAllVariantProperties=keep_scale)


def remove_endpoint(settings: Settings) -> int:
    """Remove the endpoint and its auto scaling. Return the number of resources removed."""
    name, removed = settings.deployment, remove_scaling(settings)
    say(f"Removing the endpoint {name}")
    client("sagemaker").delete_endpoint(EndpointName=name)
    if left := wait_until_stable(settings):
        what = f"{name} is {left['EndpointStatus']} after it was deleted: {left.get('FailureReason')}"
        raise Failure(what, "Try again.")
    return removed + 1


def remove(settings: Settings) -> int:
    """Remove the endpoint and everything created for it. Return the number of resources removed."""
    removed = 0
    if now := wait_until_stable(settings):
        if not is_ours(settings, now["EndpointArn"]):
            say(f"The endpoint {settings.deployment} was not created by this project and is kept.")
            return 0
        removed += remove_endpoint(settings)
    return removed + remove_ours(settings, "EndpointConfig") + remove_ours(settings, "Model")


# --- auto scaling ----------------------------------------------------------------------------------------------------
def apply_scaling(settings: Settings) -> None:
    """Set up auto scaling as in the settings; remove it if it is no longer enabled."""
    calls, arn = requests.scaling_calls(settings), ""
    if not calls:
        remove_scaling(settings)
    for service, method, request in calls:
        complete = json.loads(json.dumps(request).replace(POLICY_ARN, arn))
        arn = getattr(client(service), method)(**complete).get("PolicyARN", "")


def remove_scaling(settings: Settings) -> int:
    """Remove scaling policies, their alarm and scalable targets. Return the number removed."""
    autoscaling: Any = client("application-autoscaling")
    own = {"ServiceNamespace": "sagemaker", "ResourceId": resource_id(settings)}
    found = autoscaling.describe_scaling_policies(**own)["ScalingPolicies"]
    names = [policy["PolicyName"] for policy in found]
    for policy in found:
        which = {"PolicyName": policy["PolicyName"], "ScalableDimension": policy["ScalableDimension"]}
        autoscaling.delete_scaling_policy(**own, **which)
    if "wake" in names:
        client("cloudwatch").delete_alarms(AlarmNames=[f"{settings.deployment}-wake"])
    targets = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[own["ResourceId"]])
    for each in targets["ScalableTargets"]:
        autoscaling.deregister_scalable_target(**own, ScalableDimension=each["ScalableDimension"])
    return len(names) + names.count("wake")


# --- deploy ----------------------------------------------------------------------------------------------------------
def roll_out(settings: Settings, before: str, name: str) -> None:
    """Create model and configuration `name` and move the endpoint to it. On failure, restore what was there before."""
    say(hints.cost_notice(target.cost(settings), f"you run {hints.command('delete')}"))
    made: list[str] = []
    try:
        create("model", requests.model(settings), made)
        create("endpoint_config", requests.endpoint_config(settings), made)
        put_endpoint(settings, before, name, made)
        apply_scaling(settings)
    except BaseException as error:
        code = hints.explain(settings, error)
        roll_back(settings, before, name, made)
        raise SystemExit(code) from None
    try:
        if before:  # only this configuration: another run may be creating one
            delete_configuration(before)
    except (KeyboardInterrupt, *AWS_ERRORS) as error:
        delete = hints.command("delete")
        say(f"Parts of the previous deployment remain ({str(error) or 'interrupted'}); {delete} removes them.")
        if isinstance(error, KeyboardInterrupt):
            raise


def put_endpoint(settings: Settings, before: str, name: str, made: list[str]) -> None:
    """Move the endpoint to `name`. `made` includes it from the moment this run may be changing it."""
    began, sagemaker = time.time() - 60, client("sagemaker")  # allow for clock skew
    if before:
        found = sagemaker.describe_endpoint_config(EndpointConfigName=before)["ProductionVariants"][0]
        if found.get("InstanceType") != target.variant(settings).get("InstanceType"):
            remove_scaling(settings)  # SageMaker refuses to change the instance type while auto scaling is registered
        with track_creation("endpoint", made):
            update(settings, name, keep_scale=bool(requests.scaling_calls(settings)))
    else:
        with track_creation("endpoint", made):
            sagemaker.create_endpoint(**requests.endpoint(settings))
    now = wait_until_stable(settings)
    in_service, config = now.get("EndpointStatus") == "InService", now.get("EndpointConfigName")
    if in_service and config == name:
        return
    if in_service and config != before:
        what = f"Another deployment updated {settings.deployment} while this one ran; it now runs {config}."
        raise Failure(what, f"To replace that with this project's settings, run {hints.command('deploy')} again.")
    group = f"/aws/sagemaker/Endpoints/{settings.deployment}"
    show_log(settings, group, since=began, orderBy="LastEventTime", descending=True)
    if before and in_service:
        say("The previous deployment keeps running, unchanged.")
    what = f"{settings.deployment} was not deployed: {now.get('FailureReason', 'SageMaker gave no reason.')}"
    raise Failure(what, f"Fix that and run {hints.command('deploy')} again.")


def roll_back(settings: Settings, before: str, name: str, made: list[str]) -> None:
    """Restore what was there before and remove what this run created, unless the endpoint is still changing."""
    now, own = describe(settings), "endpoint" in made
    if own and CHANGING.search(now.get("EndpointStatus", "")):
        deploy, delete = hints.command("deploy"), hints.command("delete")
        status = f"{settings.deployment} is still {now['EndpointStatus']}."
        say(f"{status} To continue, run {deploy}; to remove it, run {delete}.")
        return
    if own and now.get("EndpointConfigName") == name and before:
        say("Rolling back to the previous deployment.")
        update(settings, before)
        now = wait_until_stable(settings)
    elif own and now.get("EndpointConfigName") == name:
        remove_endpoint(settings)
        now = {}
    if now.get("EndpointConfigName") == name:
        return
    delete_configuration(name, made)
    if own and before and now.get("EndpointConfigName") not in (None, before):
        delete_configuration(before)  # the endpoint has another run's configuration, so this one is unused
    say("Removed everything this run created.")


def delete_configuration(name: str, kinds: Collection[str] = ("endpoint_config", "model")) -> None:
    """Delete an endpoint configuration and the model of the same name, if they exist; `kinds` says which."""
    sagemaker = client("sagemaker")
    if "endpoint_config" in kinds:
        if_exists(sagemaker.delete_endpoint_config, EndpointConfigName=name)
    if "model" in kinds:
        if_exists(sagemaker.delete_model, ModelName=name)
