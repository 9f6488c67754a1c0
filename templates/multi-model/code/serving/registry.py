"""The registry of loaded models: SageMaker's multi-model API, independent of the web server.

Each load and unload waits for the model's process in its own thread, so that nothing else is blocked.
"""

import logging
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from serving import memory
from serving.errors import BadRequest, ServingError
from serving.host import ForkRequest
from serving.invocation import refuse
from serving.link import Link
from serving.loading import Entry, ModelNotFound, NotLoaded, OutOfMemory, kill, wait_until_loaded
from serving.processes import GRACE
from serving.request import Request, Response
from serving.spawner import request_fork

log = logging.getLogger(__name__)

MODELS = "/models"
INVOKE = "/invoke"
MAX_MODULES = 1000  # names that fit in one fork request
MAX_SIZES = 10_000  # models whose sizes are kept
MB = 2**20


class AlreadyLoaded(ServingError):
    """A model of this name is already loaded or loading."""

    status, key = 409, "message"

    def __init__(self, name: str) -> None:
        super().__init__(f"Model {name} is already registered.")


class Registry:
    """The models by name, each with its own process."""

    def __init__(self, control: socket.socket, connect: Callable[[socket.socket, Callable[[], object]], Link]) -> None:
        """`control` leads to the spawner; `connect` creates the web server's end of a connection to a process."""
        self.control = control
        self.connect = connect
        self.entries: dict[str, Entry] = {}
        self.changing = threading.Lock()
        self.sizes: dict[tuple[str, str], int] = {}  # of models that were loaded before, in bytes
        self.modules: list[str] = []  # imported by models, not yet by the spawner

    def submit(self, name: str, request: Request) -> None:
        """Send a request to a model. Raises ModelNotFound, or Overloaded if its process is being replaced."""
        self.find(name)[1].submit(request)

    def load(self, body: bytes, label: str | None) -> Response:
        """POST /models. Raises AlreadyLoaded, ModelNotFound, OutOfMemory, NotLoaded or BadRequest."""
        name, url = read_load_request(body)
        entry = Entry(name, url, label or name)
        with self.changing:
            if name in self.entries:
                raise AlreadyLoaded(name)
            if not Path(url).is_dir():
                raise ModelNotFound(name)
            self.entries[name] = entry
        try:
            self.start(entry)
        except BaseException:
            self.forget(entry)
            raise
        finally:
            entry.load_ended.set()
        return Response(200, orjson.dumps({"status": "Workers scaled"}))

    def unload(self, name: str) -> Response:
        """DELETE /models/NAME. Returns once its memory is free. Raises ModelNotFound."""
        with self.changing:
            entry = self.entries.pop(name, None)
            if entry is None:
                raise ModelNotFound(name)
            entry.wanted = False
        entry.load_ended.wait(GRACE)
        if entry.link and not entry.link.closed.is_set():
            entry.link.stop()
            if not entry.link.closed.wait(GRACE):
                log.error("Killed model %s: its requests did not finish in time.", entry.label)
                kill(entry)
                entry.link.closed.wait()
        log.info("Model %s is unloaded.", entry.label)
        return Response(200, orjson.dumps({"status": f'Model "{name}" unregistered'}))

    def show(self, name: str) -> Response:
        """GET /models/NAME. Raises ModelNotFound."""
        return Response(200, orjson.dumps(describe(self.find(name)[0])))

    def list_models(self, limit: str, after: str) -> Response:
        """GET /models: all, or up to `limit` names after `after`. `nextPageToken` is the last name if more follow."""
        names = sorted(name for name, entry in list(self.entries.items()) if entry.link and name > after)
        shown = names[: max(1, int(limit))] if limit.isdecimal() else names
        response: dict[str, Any] = {"models": [describe(self.entries[name]) for name in shown if name in self.entries]}
        if len(shown) < len(names):
            response["nextPageToken"] = shown[-1]
        return Response(200, orjson.dumps(response))

    def find(self, name: str) -> tuple[Entry, Link]:
        """Return a loaded model. Raises ModelNotFound."""
        entry = self.entries.get(name)
        if entry is None or entry.link is None:
            raise ModelNotFound(name)
        return entry, entry.link

    def start(self, entry: Entry) -> None:
        """Load the model in a new process. Raises OutOfMemory, NotLoaded, or ModelNotFound if it was unloaded."""
        key = entry.name, entry.url
        if memory.read_free() < self.sizes.get(key, 0):
            raise OutOfMemory(entry.name)
        ours, theirs = socket.socketpair()
        try:
            known, self.modules = self.modules[:MAX_MODULES], self.modules[MAX_MODULES:]
            with theirs:
                request_fork(self.control, ForkRequest(entry.url, entry.label, known), theirs)
            size, modules = wait_until_loaded(entry, ours)
        except BaseException:
            ours.close()
            raise
        if len(self.sizes) >= MAX_SIZES:
            self.sizes.clear()
        self.sizes[key] = size
        self.modules += modules
        link = self.connect(ours, lambda: self.replace(entry))
        with self.changing:
            entry.link = link
        if not entry.wanted:
            link.stop()
            raise ModelNotFound(entry.name)
        log.info("Model %s is loaded: %d MB.", entry.label, size // MB)

    def replace(self, entry: Entry) -> None:
        """Start a new process, in a new thread, for a model whose process ended unexpectedly."""
        entry.pid = None
        entry.load_ended.clear()
        threading.Thread(target=self.restart, args=(entry,), name="restart", daemon=True).start()

    def restart(self, entry: Entry) -> None:
        """Load a model again, or unload it if that fails."""
        try:
            if not entry.wanted:
                return
            log.error("The process of model %s ended unexpectedly. Starting another.", entry.label)
            if entry.restarts.too_many():
                raise NotLoaded(entry.name)
            self.start(entry)
        except ServingError as error:
            self.forget(entry)
            log.critical("Unloaded model %s after its process ended: %s", entry.label, error)
        finally:
            entry.load_ended.set()

    def forget(self, entry: Entry) -> None:
        """Remove a model, if it is still registered."""
        with self.changing:
            if self.entries.get(entry.name) is entry:
                del self.entries[entry.name]


def find_route(app: Any, path: str) -> Any:
    """Return the functions for a path by method: those for one model, or those in `app.routes`."""
    name = path.removeprefix(f"{MODELS}/")
    if name == path:
        return app.routes.get(path)
    if name.endswith(INVOKE):
        return {"POST": partial(app.predict, partial(app.registry.submit, name.removesuffix(INVOKE)))}
    return {"GET": partial(app.show, name), "DELETE": partial(app.unload, name)}


def respond(action: Callable[..., Response], *arguments: object) -> Response:
    """Call a function of the API and return its response, or the response for its error."""
    try:
        return action(*arguments)
    except ServingError as error:
        log.warning("%s", error)
        return refuse(error)


def describe(entry: Entry) -> dict[str, str]:
    """Return a model in the API's format."""
    return {"modelName": entry.name, "modelUrl": entry.url}


def read_load_request(body: bytes) -> tuple[str, str]:
    """Return the name and folder of the model to load. Raises BadRequest."""
    try:
        fields = orjson.loads(body)
        name, url = fields["model_name"], fields["url"]
    except (ValueError, TypeError, KeyError):
        name = url = None
    if not (isinstance(name, str) and name and isinstance(url, str) and url):
        raise BadRequest('Send {"model_name": "NAME", "url": "/opt/ml/models/NAME/model"}.')
    return name, url
