"""What the commands have written down of their results, so that the next one needs no question."""

from __future__ import annotations

import shutil
from pathlib import Path

from deployer.settings import DEPLOY, Settings


def folder_of(settings: Settings) -> Path:
    """One for each account and region."""
    return DEPLOY / ".state" / f"{settings.account}-{settings.aws_region}"


def recall(settings: Settings, name: str) -> str:
    """A result; empty where there is none."""
    file = folder_of(settings) / name
    return file.read_text(errors="replace").strip() if file.is_file() else ""


def record(settings: Settings, name: str, result: str) -> None:
    """Writes down a result."""
    file = folder_of(settings) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{result}\n")


def forget(settings: Settings) -> None:
    """Removes all of them."""
    shutil.rmtree(folder_of(settings), ignore_errors=True)
