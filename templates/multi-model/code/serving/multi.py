"""Serves many models, which are loaded on demand. SageMaker requests this with SAGEMAKER_MULTI_MODEL=true.

One process handles HTTP and forwards requests (multi_app, registry, link). Each model has its own process (host),
forked by another one (spawner).
"""

import logging
import resource
import socket
from collections.abc import Mapping

from serving import memory, multi_app, settings, spawner
from serving.models import import_handler

MB = 2**20


def run(chosen: settings.Settings, given: Mapping[str, str]) -> int:
    """Serve until SIGTERM and return the exit status. Raises StartError if the handler or the port is unusable."""
    handler = import_handler()
    chosen = settings.fit_handler(chosen, given, preload=False, thread_safe=getattr(handler, "THREAD_SAFE", True))
    _, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max_files, max_files))  # one per model and connection
    message = "Starting on port %d: one process per model with %d threads, %d MB of memory for models."
    logging.info(message, chosen.port, chosen.threads, memory.read_free() // MB)
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    return multi_app.run(chosen, ours, lambda: spawner.run(theirs, chosen, handler))
