"""Decides whether predictions run on a GPU, and logs it."""

import logging
from pathlib import Path

log = logging.getLogger(__name__)


def has_gpu() -> bool:
    """Return whether this container has an NVIDIA GPU. This does not start CUDA, which would not survive a fork."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def choose_device(built: bool, found: bool) -> str:
    """Return "cuda" if the library is `built` for GPUs and a GPU was `found`, otherwise "cpu"."""
    if built and found:
        log.info("Predictions run on the GPU.")
        return "cuda"
    if built:
        log.warning("No GPU was found: predictions run on the CPU, although the installed library supports GPUs.")
    return "cpu"
