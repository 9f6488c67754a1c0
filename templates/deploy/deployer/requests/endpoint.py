"""CreateEndpointConfig, CreateEndpoint, and auto scaling."""

from __future__ import annotations

from deployer.project import Settings, scaling, target
from deployer.requests.common import Json, name_by_content, tags
from deployer.requests.model import describe_model
from deployer.requests.scaling import VARIANT, Call


def name(settings: Settings) -> str:
    """Return the name of the model and of the endpoint configuration. The same content gives the same name."""
    return name_by_content(settings, describe_model(settings), target.variant(settings), target.options(settings))


def model(settings: Settings) -> Json:
    """Return the request of CreateModel."""
    return {"ModelName": name(settings), **describe_model(settings)}


def endpoint_config(settings: Settings) -> Json:
    """Return the request of CreateEndpointConfig."""
    own = {"VariantName": VARIANT, "ModelName": name(settings), "InitialVariantWeight": 1.0}
    variants = [{**own, **target.variant(settings)}]
    options = target.options(settings)
    return {"EndpointConfigName": name(settings), "ProductionVariants": variants, **options, "Tags": tags(settings)}


def endpoint(settings: Settings) -> Json:
    """Return the request of CreateEndpoint."""
    return {"EndpointName": settings.deployment, "EndpointConfigName": name(settings), "Tags": tags(settings)}


def scaling_calls(settings: Settings) -> list[Call]:
    """Return the calls that set up auto scaling, in order; an empty list if it is disabled."""
    scalable = target.scalable_target(settings)
    if not scalable:
        return []
    return [("application-autoscaling", "register_scalable_target", scalable), *scaling.scaling_policies(settings)]
