"""CreateModel."""

from __future__ import annotations

from deployer.project import source, target
from deployer.requests.common import Json, network, tags
from deployer.settings import Settings


def describe_model(settings: Settings) -> Json:
    """Return the request of CreateModel without the name, which is a hash of it."""
    environment = {**target.ENVIRONMENT, **source.environment(settings), **settings.container_env}
    container: Json = {"Image": settings.image_uri, "Environment": environment, **source.container(settings)}
    request = {"ExecutionRoleArn": settings.role_arn, "PrimaryContainer": container, "Tags": tags(settings)}
    return {**request, **network(settings)}
