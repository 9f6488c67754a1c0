"""AWS CodeBuild: a CodeBuild project with this project's name, and its builds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import OWNER, Json

BUILDSPEC = "deploy/buildspec.yml"
# For each platform, the machine that builds it natively, and CodeBuild's image with Docker.
MACHINES = {
    "linux/amd64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
    "linux/arm64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
}


@dataclass(frozen=True)
class Settings(base.Settings):
    """The build machine and its role."""

    build_compute: str = base.text("BUILD_GENERAL1_SMALL")
    build_role_arn: str = base.text()


def project(settings: Settings, platform: str, source: str) -> Json:
    """Return the request of CreateProject and UpdateProject, for a platform and a first source (BUCKET/KEY)."""
    name = settings.project_name
    machine, image = MACHINES[platform]
    tags = {**settings.tags, f"{OWNER}:project": name}
    return {
        "name": name,
        "description": f"Builds the image of {name} and pushes it to Amazon ECR.",
        "source": {"type": "S3", "location": source, "buildspec": BUILDSPEC},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {
            "type": machine,
            "image": image,
            "computeType": settings.build_compute,
            "privilegedMode": True,  # required to run Docker in the build container
        },
        "serviceRole": settings.build_role_arn,
        "timeoutInMinutes": 60,
        "logsConfig": {"cloudWatchLogs": {"status": "ENABLED", "groupName": f"/aws/codebuild/{name}"}},
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }


def build(settings: Settings, source: str, variables: Mapping[str, str]) -> Json:
    """Return the request of StartBuild, for a source and its environment variables."""
    known = [{"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items() if value]
    return {
        "projectName": settings.project_name,
        "sourceTypeOverride": "S3",
        "sourceLocationOverride": source,
        "environmentVariablesOverride": known,
    }


def differs(found: object, wanted: object) -> bool:
    """Whether `wanted` has anything that `found` lacks. The source location is ignored: each build sets its own."""
    if isinstance(wanted, dict):
        known = found if isinstance(found, dict) else {}
        return any(differs(known.get(key), value) for key, value in wanted.items() if key != "location")
    if isinstance(wanted, list) and isinstance(found, list):
        return sorted(map(json.dumps, wanted)) != sorted(map(json.dumps, found))
    return found != wanted
