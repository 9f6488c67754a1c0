"""What several requests have in common: tags, names, places in S3."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from deployer.settings import Settings

OWNER = "ml-container-creator"
Json = dict[str, Any]


def own_tags(settings: Settings) -> dict[str, str]:
    """By these everything that is made is known: nothing else is changed or removed."""
    return {f"{OWNER}:project": settings.project_name, f"{OWNER}:endpoint": settings.deployment}


def tags(settings: Settings) -> list[dict[str, str]]:
    """The tags of everything that is made: those of the settings, and our own."""
    return [{"Key": key, "Value": value} for key, value in {**settings.tags, **own_tags(settings)}.items()]


def name_by_content(settings: Settings, *content: object) -> str:
    """A name of at most 63 characters that is another for other content."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{settings.deployment[:52]}-{digest[:10]}"


def folder(settings: Settings, place: str, default: str) -> str:
    """A place in S3 without a slash at its end; where it is empty, this folder of the project in its bucket."""
    return (place or f"s3://{settings.s3_bucket}/{settings.project_name}/{default}").rstrip("/")


def key_of(settings: Settings) -> Json:
    """KmsKeyId, where there is one."""
    return {"KmsKeyId": settings.kms_key_id} if settings.kms_key_id else {}


def network(settings: Settings) -> Json:
    """What a model or a training job is told of networks."""
    request: Json = {}
    if settings.vpc_subnets:
        groups = list(settings.vpc_security_groups)
        request["VpcConfig"] = {"Subnets": list(settings.vpc_subnets), "SecurityGroupIds": groups}
    if settings.network_isolation:
        request["EnableNetworkIsolation"] = True
    return request
