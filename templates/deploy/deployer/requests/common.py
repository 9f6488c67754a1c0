"""Shared by several requests: tags, names, S3 URIs."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from deployer.settings import Settings

OWNER = "ml-container-creator"
Json = dict[str, Any]


def own_tags(settings: Settings) -> dict[str, str]:
    """Return the tags that mark a resource as ours. Resources without them are never changed or removed."""
    return {f"{OWNER}:project": settings.project_name, f"{OWNER}:endpoint": settings.deployment}


def tags(settings: Settings) -> list[dict[str, str]]:
    """Return the tags of SageMaker resources and of alarms: TAGS and our own."""
    return [{"Key": key, "Value": value} for key, value in {**settings.tags, **own_tags(settings)}.items()]


def name_by_content(settings: Settings, *content: object) -> str:
    """Return a name of at most 63 characters that changes with the content."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{settings.deployment[:52]}-{digest[:10]}"


def folder(settings: Settings, uri: str, default: str) -> str:
    """Return an S3 URI without a trailing slash; if it is empty, a folder of the project in its bucket."""
    return (uri or f"s3://{settings.s3_bucket}/{settings.project_name}/{default}").rstrip("/")


def kms_key(settings: Settings) -> Json:
    """Return KmsKeyId, if KMS_KEY_ID is set."""
    return {"KmsKeyId": settings.kms_key_id} if settings.kms_key_id else {}


def network(settings: Settings) -> Json:
    """Return the network configuration of a model or a training job."""
    request: Json = {}
    if settings.vpc_subnets:
        groups = list(settings.vpc_security_groups)
        request["VpcConfig"] = {"Subnets": list(settings.vpc_subnets), "SecurityGroupIds": groups}
    if settings.network_isolation:
        request["EnableNetworkIsolation"] = True
    return request
