"""Serves many models, as SageMaker starts it with SAGEMAKER_MULTI_MODEL=true: they are loaded when they are asked for.

One process answers SageMaker and passes requests on (multi_app, registry, link). Each model has a process of its own
(host), which another one has forked (spawner).
"""

import logging
import resource
import socket
from collections.abc import Mapping

from serving import memory, multi_app, settings, spawner
from serving.models import import_handler

MB = 2**20


def run(chosen: settings.Settings, given: Mapping[str, str]) -> int:
    """Serves until SIGTERM; the exit status. Raises StartError if model_handler.py or the port cannot be used."""
    handler = import_handler()
    chosen = settings.fit_handler(chosen, given, preload=False, thread_safe=getattr(handler, "THREAD_SAFE", True))
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # each model is one, each connection another
    form = "Starting on port %d: a process for each model, threads in each %d, memory for models %d MB."
    logging.info(form, chosen.port, chosen.threads, memory.read_free() // MB)
    ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
    return multi_app.run(chosen, ours, lambda: spawner.run(theirs, chosen, handler))
