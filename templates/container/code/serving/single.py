"""Serves one model, which is loaded before the port opens."""

import gc
import logging
import os
from collections.abc import Mapping

from serving import app, models, settings


def run(chosen: settings.Settings, given: Mapping[str, str]) -> int:
    """Serve until SIGTERM. Return the exit status. Raises StartError if the model does not load or the port is busy."""
    loader = models.Loader(models.import_handler(), chosen.model_dir)
    chosen = settings.fit_handler(chosen, given, loader.preloads, loader.thread_safe)
    settings.limit_math_threads(chosen, given, os.environ)
    if loader.preloads:
        loader.preload()
        used, limit = settings.read_used_memory(), settings.read_memory_limit()
        chosen = settings.limit_workers(chosen, given, used, limit)
        gc.freeze()  # keep the collector from touching the model, which would copy its shared pages in every worker
    message = "Starting on port %d: workers %d, threads %d, CPUs %d."
    logging.info(message, chosen.port, chosen.workers, chosen.threads, chosen.cpus)
    status = app.run(chosen, loader)
    loader.check()
    return status
