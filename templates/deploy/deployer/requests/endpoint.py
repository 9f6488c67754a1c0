"""CreateEndpointConfig, CreateEndpoint, and what scales it."""

from __future__ import annotations

from deployer.project import Settings, scaling, target
from deployer.requests.common import Json, name_by_content, tags
from deployer.requests.model import describe_model
from deployer.requests.scaling import VARIANT, Call


def name(settings: Settings) -> str:
    """The name of the model and of the configuration: the same content has the same name."""
    return name_by_content(settings, describe_model(settings), target.variant(settings), target.options(settings))


def model(settings: Settings) -> Json:
    """CreateModel."""
    return {"ModelName": name(settings), **describe_model(settings)}


def endpoint_config(settings: Settings) -> Json:
    """CreateEndpointConfig."""
    own = {"VariantName": VARIANT, "ModelName": name(settings), "InitialVariantWeight": 1.0}
    variants = [{**own, **target.variant(settings)}]
    options = target.options(settings)
    return {"EndpointConfigName": name(settings), "ProductionVariants": variants, **options, "Tags": tags(settings)}


def endpoint(settings: Settings) -> Json:
    """CreateEndpoint."""
    return {"EndpointName": settings.deployment, "EndpointConfigName": name(settings), "Tags": tags(settings)}


def scaling_calls(settings: Settings) -> list[Call]:
    """The calls that make it scale, in their order. None where it does not scale."""
    scalable = target.scalable_target(settings)
    if not scalable:
        return []
    return [("application-autoscaling", "register_scalable_target", scalable), *scaling.scaling_policies(settings)]
