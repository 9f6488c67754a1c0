"""The modules of this project, chosen by its target, its model and its build."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from deployer.requests import by_invocations as scaling
from deployer.requests import model_archive as source
from deployer.requests import realtime as target

__all__ = ["COMMANDS", "Settings", "command_module", "scaling", "source", "target"]

COMMANDS = {
    "build_and_push": "image",
    "upload_model": "upload_archive",
    "deploy": "endpoint",
    "invoke": "invoke",
    "delete": "delete",
    "create_role": "role",
}


@dataclass(frozen=True)
class Settings(source.Settings, target.Settings, scaling.Settings):
    """All settings of this project."""


def command_module(command: str) -> Any:
    """Return the module of a command, such as `deploy`."""
    return import_module(f"deployer.{COMMANDS[command]}")
