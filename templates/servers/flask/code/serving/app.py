"""The web server: Flask in gunicorn's worker processes, behind nginx on a unix socket.

nginx takes slow clients off the workers' hands. Where it is not installed, gunicorn opens the port itself.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGQUIT
from threading import BoundedSemaphore

from flask import Flask, Response, request
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker
from werkzeug.exceptions import HTTPException

from serving.errors import BadRequest, Overloaded, RouteError, ServingError, TooLarge
from serving.invocation import Answer, invoke, refuse
from serving.models import Model
from serving.processes import GRACE, Child, Restarts, Supervisor, open_port
from serving.settings import Settings

BACKLOG = 2048
KEEP_ALIVE = 75  # seconds; longer than nginx keeps an idle connection, so that nginx closes it first
SPARE_THREADS = 8  # for /ping and refusals while all others predict or wait
NGINX_CONF = Path(__file__).parents[1] / "nginx.conf"


def run(settings: Settings, model: Model) -> int:
    """Opens the port and serves until SIGTERM. Returns the exit status. Raises StartError if the port is taken."""
    open_port(settings.port, BACKLOG).close()  # one clear error now, whichever of the two opens it later
    app = create_app(settings, model)
    if not shutil.which("nginx"):
        return Supervisor([[gunicorn(app, settings, f"0.0.0.0:{settings.port}")]]).run()
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        os.chmod(folder, 0o755)  # nginx as root drops to an ordinary user
        front, back = nginx(settings, Path(folder)), gunicorn(app, settings, f"unix:{folder}/serving.sock")
        return Supervisor([[front], [back]]).run()


def create_app(settings: Settings, model: Model) -> Flask:
    """The routes."""
    app = Flask(__name__, static_folder=None)
    limit = Limit(settings)

    @app.get("/ping")
    def ping() -> Response:
        return Response()  # the model was loaded before the port was opened

    @app.post("/invocations")
    def invocations() -> Response:
        body = read_body(settings.max_body)
        with limit.turn():
            return respond(invoke(model, settings, body, request.headers))

    @app.errorhandler(ServingError)
    def refused(error: ServingError) -> Response:
        return respond(refuse(error))

    @app.errorhandler(HTTPException)
    def no_route(error: HTTPException) -> Response:
        return refused(RouteError(error.code or 500))

    return app


def read_body(limit: int) -> bytes:
    """The whole body, chunked or not. Raises TooLarge over the limit (bytes), BadRequest if it breaks off."""
    stream = request.environ["wsgi.input"]
    try:
        body: bytes = stream.read(limit + 1)
        if len(body) <= limit:
            return body
        for _ in range(64):  # a client reads its answer only once it has sent its body: up to 64 MB more
            if not stream.read(2**20):
                break
    except OSError:
        raise BadRequest("The body did not arrive whole.") from None
    raise TooLarge(limit)


class Limit:
    """Runs `settings.threads` predictions at a time, and lets only so many requests wait for their turn."""

    def __init__(self, settings: Settings) -> None:
        self.running = BoundedSemaphore(settings.threads)
        self.present = BoundedSemaphore(settings.threads + settings.waiting)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for this request's turn. Raises Overloaded at once if too many wait already."""
        if not self.present.acquire(blocking=False):
            raise Overloaded
        try:
            with self.running:
                yield
        finally:
            self.present.release()


def respond(answer: Answer) -> Response:
    """An answer as Flask sends it."""
    return Response(answer.body, answer.status, answer.headers, content_type=answer.media_type)


def nginx(settings: Settings, folder: Path) -> Child:
    """nginx with code/nginx.conf, its port and its paths in /tmp replaced by those of this run."""
    conf = NGINX_CONF.read_text().replace("listen 8080", f"listen {settings.port}")
    path = folder / "nginx.conf"
    path.write_text(conf.replace("/tmp/serving", f"{folder}/serving"))

    def run() -> None:
        while not (folder / "serving.sock").exists():  # no port before gunicorn can answer
            time.sleep(0.01)
        os.execvp("nginx", ["nginx", "-e", "stderr", "-c", str(path)])

    return Child("nginx", run, stop=SIGQUIT, restart=False)


def gunicorn(app: Flask, settings: Settings, bind: str) -> Child:
    """gunicorn on a port or a unix socket; it replaces dead workers itself."""
    return Child("gunicorn", Gunicorn(app, settings, bind).run, restart=False)


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """gunicorn without its command line."""

    def __init__(self, app: Flask, settings: Settings, bind: str) -> None:
        self.app = app
        self.options = {
            "bind": bind,
            "backlog": BACKLOG,
            "workers": settings.workers,
            "worker_class": "gthread",
            "threads": settings.threads + settings.waiting + SPARE_THREADS,
            "keepalive": KEEP_ALIVE,
            "timeout": 0,  # a long prediction is no reason to kill a worker; /ping tells whether it lives
            "graceful_timeout": int(GRACE),
            "logger_class": GunicornLog,
            "control_socket_disable": True,
            "pre_fork": stop_dying(settings.workers),
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self.app


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's lines, from warnings up, through the log of this server."""

    def setup(self, cfg: object) -> None:
        self.error_log.propagate = True
        self.error_log.setLevel(max(logging.WARNING, logging.getLogger().level))


def stop_dying(workers: int) -> object:
    """A hook for gunicorn that ends it when workers die again and again."""
    restarts = Restarts()

    def pre_fork(_: Arbiter, worker: Worker) -> None:
        if worker.age > workers and restarts.too_many():
            raise HaltServer("Workers die again and again.", 1)

    return pre_fork
