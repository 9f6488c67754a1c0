"""Usage: deploy/deploy.sh [ROLE_ARN]

Puts the image that build_and_push.sh pushed, and the model that upload_model.sh uploaded, behind a SageMaker endpoint
and waits until it answers. An endpoint that is there is updated in place, without downtime; where nothing has
changed nothing is done. When it fails, what ran before runs on and what this run made is removed.

  ROLE_ARN   the role that SageMaker assumes; without it, the one of deploy/settings.env or of deploy/iam/create_role.sh

Prints the endpoint's name. It bills until deploy/delete.sh. Settings: deploy/settings.env.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from deployer import checks, hints
from deployer.aws import (
    CHANGING,
    REFUSALS,
    Failure,
    ask,
    client,
    is_ours,
    make,
    noted,
    remove_made,
    say,
    show_log,
    sign_in,
    wait,
)
from deployer.project import Settings, target
from deployer.requests import endpoint as requests
from deployer.requests.common import Json
from deployer.requests.scaling import POLICY_ARN, resource_of
from deployer.state import record

arguments = checks.arguments


def run(settings: Settings, given: argparse.Namespace) -> str:
    """Creates the endpoint, or updates it in place; what runs already is left alone. Returns its name."""
    settings = checks.require_all(sign_in(settings), given.role_arn)
    name, before = requests.name(settings), require_endpoint(settings)
    if before == name:
        say(f"{settings.deployment} is already up to date.")
        scale(settings)
    else:
        roll_out(settings, before, name)
    record(settings, "role", settings.role_arn)
    say(f"Next: {hints.invoking(settings)}, and when you are done {hints.command('delete')}")
    return settings.deployment


# --- the endpoint ----------------------------------------------------------------------------------------------------
def look(settings: Settings) -> Json:
    """The endpoint; empty where there is none."""
    return ask(client("sagemaker").describe_endpoint, EndpointName=settings.deployment)


def settled(settings: Settings) -> Json:
    """The endpoint once it has stopped changing."""
    return wait(settings, settings.deployment, "EndpointStatus", lambda: look(settings))


def require_endpoint(settings: Settings) -> str:
    """The configuration that runs, empty where none does. What is there may be this project's or nothing."""
    now, name = settled(settings), settings.deployment
    if not now:
        return ""
    if not is_ours(settings, now["EndpointArn"]):
        what = f"There is an endpoint {name} in {settings.aws_region} that this project did not make."
        raise Failure(what, "Name another in ENDPOINT_NAME.")
    if now["EndpointStatus"] != "InService":
        say(f"{name} is {now['EndpointStatus']}, which cannot be updated: removing it first.")
        remove_endpoint(settings)
        return ""
    return str(now["EndpointConfigName"])


def update(settings: Settings, config: str, keep_scale: bool = False) -> None:
    """Has the endpoint move to a configuration."""
    request = {"EndpointName": settings.deployment, "EndpointConfigName": config}
    client("sagemaker").update_endpoint(**request, RetainAllVariantProperties=keep_scale)


def remove_endpoint(settings: Settings) -> int:
    """Removes it with what scales it; how many things that were."""
    name, removed = settings.deployment, unscale(settings)
    say(f"Removing the endpoint {name}")
    client("sagemaker").delete_endpoint(EndpointName=name)
    if left := settled(settings):
        what = f"{name} is {left['EndpointStatus']} after it was deleted: {left.get('FailureReason')}"
        raise Failure(what, "Try again.")
    return removed + 1


def remove(settings: Settings) -> int:
    """Removes the endpoint and all that was made for it, as far as this project made it; how many things that were."""
    removed = 0
    if now := settled(settings):
        if not is_ours(settings, now["EndpointArn"]):
            say(f"The endpoint {settings.deployment} is not this project's own: it stays.")
            return 0
        removed += remove_endpoint(settings)
    return removed + remove_made(settings, "EndpointConfig") + remove_made(settings, "Model")


# --- auto scaling ----------------------------------------------------------------------------------------------------
def scale(settings: Settings) -> None:
    """As the settings say; what scaled it before and is not asked for any more is taken away."""
    calls, arn = requests.scaling_calls(settings), ""
    if not calls:
        unscale(settings)
    for service, method, request in calls:
        complete = json.loads(json.dumps(request).replace(POLICY_ARN, arn))
        arn = getattr(client(service), method)(**complete).get("PolicyARN", "")


def unscale(settings: Settings) -> int:
    """Removes the scaling policies, their alarm, and what they scaled; how many policies and alarms that were."""
    autoscaling: Any = client("application-autoscaling")
    own = {"ServiceNamespace": "sagemaker", "ResourceId": resource_of(settings)}
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
    """Makes all that `name` names and moves the endpoint to it, or leaves everything as it was before."""
    say(hints.price(target.cost(settings), f"you run {hints.command('delete')}"))
    made: list[str] = []
    try:
        make("model", requests.model(settings), made)
        make("endpoint_config", requests.endpoint_config(settings), made)
        put_endpoint(settings, before, name, made)
        scale(settings)
    except BaseException as error:
        code = hints.explain(settings, error)
        take_back(settings, before, name, made)
        raise SystemExit(code) from None
    try:
        if before:  # and nothing else, for another run may be making its own now
            sagemaker = client("sagemaker")
            sagemaker.delete_endpoint_config(EndpointConfigName=before)
            sagemaker.delete_model(ModelName=before)
    except (KeyboardInterrupt, *REFUSALS) as error:
        say(f"What ran before is not all removed; {hints.command('delete')} does it: {str(error) or 'interrupted'}")
        if isinstance(error, KeyboardInterrupt):
            raise


def put_endpoint(settings: Settings, before: str, name: str, made: list[str]) -> None:
    """Moves the endpoint to `name`; `made` has it as soon as it may be this run that changes it."""
    began, sagemaker = time.time() - 60, client("sagemaker")  # AWS's clock may be another
    if before:
        found = sagemaker.describe_endpoint_config(EndpointConfigName=before)["ProductionVariants"][0]
        if found.get("InstanceType") != target.variant(settings).get("InstanceType"):
            unscale(settings)  # SageMaker does not change the instance type of what is scaled
        with noted("endpoint", made):
            update(settings, name, keep_scale=bool(requests.scaling_calls(settings)))
    else:
        with noted("endpoint", made):
            sagemaker.create_endpoint(**requests.endpoint(settings))
    now = settled(settings)
    if now.get("EndpointStatus") == "InService" and now["EndpointConfigName"] == name:
        return
    group = f"/aws/sagemaker/Endpoints/{settings.deployment}"
    show_log(settings, group, since=began, orderBy="LastEventTime", descending=True)
    if before and now.get("EndpointStatus") == "InService":
        say("What ran before runs on, unchanged.")
    what = f"{settings.deployment} was not deployed: {now.get('FailureReason', 'SageMaker gives no reason.')}"
    raise Failure(what, f"Remedy that and run {hints.command('deploy')} again.")


def take_back(settings: Settings, before: str, name: str, made: list[str]) -> None:
    """What was there before comes back, and what was made goes; an endpoint that still changes cannot be touched."""
    now, own = look(settings), "endpoint" in made
    if own and CHANGING.search(now.get("EndpointStatus", "")):
        goes_on, removes = hints.command("deploy"), hints.command("delete")
        say(f"{settings.deployment} is still {now['EndpointStatus']}: {goes_on} continues, {removes} removes it.")
        return
    if own and now.get("EndpointConfigName") == name and before:
        say("Going back to what ran before.")
        update(settings, before)
        now = settled(settings)
    elif own and now.get("EndpointConfigName") == name:
        remove_endpoint(settings)
        now = {}
    if now.get("EndpointConfigName") == name:
        return
    sagemaker = client("sagemaker")
    if "endpoint_config" in made:
        ask(sagemaker.delete_endpoint_config, EndpointConfigName=name)
    if "model" in made:
        ask(sagemaker.delete_model, ModelName=name)
    say("What this run made is removed.")
