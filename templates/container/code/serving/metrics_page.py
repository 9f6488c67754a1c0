"""GET /metrics. Its dependencies are imported on the first request, which saves 0.1 s at startup."""

import logging

import orjson

from serving.metrics_memory import MEMORY
from serving.request import Response

log = logging.getLogger(__name__)


def show() -> Response:
    """Answer GET /metrics: the page, or 503 with the reason if it is unavailable."""
    fault = MEMORY.fault
    if not fault:
        try:
            from serving import metrics

            return metrics.show()
        except Exception:
            log.exception("GET /metrics failed.")
            fault = "The metrics cannot be shown. Details are in the log."
    return Response(503, orjson.dumps({"error": fault}))
