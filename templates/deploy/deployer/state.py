"""Results of earlier commands, kept in deploy/.state so that the next command finds them."""

from __future__ import annotations

import shutil
from pathlib import Path

from deployer.settings import DEPLOY, Settings


def folder_of(settings: Settings) -> Path:
    """Return the folder of this account and region."""
    return DEPLOY / ".state" / f"{settings.account}-{settings.aws_region}"


def recall(settings: Settings, name: str) -> str:
    """Return a recorded result, or an empty string."""
    file = folder_of(settings) / name
    return file.read_text(errors="replace").strip() if file.is_file() else ""


def record(settings: Settings, name: str, result: str) -> None:
    """Record a result."""
    file = folder_of(settings) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{result}\n")


def forget(settings: Settings) -> None:
    """Remove all recorded results."""
    shutil.rmtree(folder_of(settings), ignore_errors=True)
