"""GET /metrics, with all that it needs imported when it is first asked for: at the start that would take 0.1 s."""

import logging

import orjson

from serving.metrics_memory import MEMORY
from serving.request import Answer

log = logging.getLogger(__name__)


def show() -> Answer:
    """The page: 503 with the reason, where there is none."""
    fault = MEMORY.fault
    if not fault:
        try:
            from serving import metrics

            return metrics.show()
        except Exception:
            log.exception("GET /metrics failed.")
            fault = "The metrics cannot be shown. The reason is in the log."
    return Answer(503, orjson.dumps({"error": fault}))
