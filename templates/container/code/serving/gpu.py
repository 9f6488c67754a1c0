"""Whether predictions run on a GPU, and the line in the log that says so."""

import logging
from pathlib import Path

log = logging.getLogger(__name__)


def has_gpu() -> bool:
    """Whether this container has an NVIDIA GPU. It does not start CUDA, which would not survive a fork."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def choose_device(built: bool, found: bool) -> str:
    """ "cuda" or "cpu": a GPU is used if the library is `built` for one and has `found` one."""
    if built and found:
        log.info("Predictions run on the GPU.")
        return "cuda"
    if built:
        log.warning("No GPU was found: predictions run on the CPU, though what is installed is built for a GPU.")
    return "cpu"
