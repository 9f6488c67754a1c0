"""Many models as objects of one process: in_one_process.py PROJECT COUNT

Loads a project's model COUNT times, as its container does, and uses each once; then deletes them. Prints as JSON how
many MB they used and how many of those the process still holds.
"""

import ctypes
import gc
import json
import logging
import os
import sys
from pathlib import Path

project, count = Path(sys.argv[1]), int(sys.argv[2])
sys.path.insert(0, str(project / "code"))
logging.basicConfig(level="ERROR")
from serving import settings  # noqa: E402

settings.limit_math_threads(settings.read({"SM_WORKERS": "1024"}), {}, os.environ)
from serving import content, models  # noqa: E402

body = (project / "test/sample_request.json").read_bytes()
handler = models.import_handler()


def load() -> models.Model:
    """Load a model and use it once."""
    model = models.load_model(handler, project / "model")
    records, _ = content.decode(body, "application/json", model.decoders)
    model.encode(model.predict(model.decode(records)))
    return model


def used_memory() -> float:
    """Return the MB that the process holds after freeing all it can."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return settings.read_used_memory() / 1e6


loaded = [load()]  # the first one includes what the library allocates once
before = used_memory()
loaded += [load() for _ in range(count)]
full = used_memory()
del loaded[1:]
print(json.dumps({"taken": full - before, "left": used_memory() - before}))
