"""The web server: gunicorn behind nginx, with one event loop per worker process. Predictions run in separate threads.

nginx shields the workers from slow clients. If it is not installed, gunicorn opens the port itself.

SageMaker's routes are handled here, directly on WSGI: endpoints get no other requests, and a web framework would take
longer than a small model. All other routes are Flask's.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from http import HTTPStatus
from pathlib import Path
from signal import SIGQUIT
from typing import Any, BinaryIO

import gevent
from gevent.hub import Waiter
from gevent.threadpool import ThreadPool

from serving import metrics_page, metrics_server, openapi
from serving.errors import BadRequest, RouteError, ServingError, TooLarge
from serving.invocation import Invoker, execution_parameters, refuse
from serving.logs import write_requests
from serving.models import Model
from serving.processes import Child, Supervisor, open_port
from serving.request import Request, Response, Stream, read_request
from serving.server import BACKLOG, Gunicorn
from serving.settings import MAX_BODY_MB, Settings
from serving.stages import write_stages

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Methods = Mapping[str, Callable[[Environ], Response]]

STATUSES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
NGINX_CONF = Path(__file__).parents[1] / "nginx.conf"


def run(settings: Settings, load: Callable[[], Model]) -> int:
    """Open the port and serve until SIGTERM. `load` returns the model, in each worker.

    Returns the exit status. Raises StartError if the port is taken.
    """
    return run_app(settings, lambda: App(settings, load()))


def run_app(settings: Settings, create_app: Callable[[], object], *others: Child) -> int:
    """Run nginx, gunicorn with the application in each worker, and other processes, which are stopped last."""
    open_port(settings.port, BACKLOG).close()  # a clear error now, whether nginx or gunicorn opens it later

    def gunicorn(bind: str) -> Child:  # it restarts its workers itself
        return Child("gunicorn", Gunicorn(create_app, settings, bind).run, restart=False)

    if not shutil.which("nginx"):
        return Supervisor([[gunicorn(f"0.0.0.0:{settings.port}")], others]).run()
    with tempfile.TemporaryDirectory(prefix="serving-") as folder:
        os.chmod(folder, 0o755)  # nginx, if started as root, switches to another user
        return Supervisor([[nginx(settings, Path(folder))], [gunicorn(f"unix:{folder}/serving.sock")], others]).run()


@cache
def other_routes() -> Any:
    """Routes beyond SageMaker's: add yours here. Flask is imported on the first request to one of them."""
    from flask import Flask, Response
    from werkzeug.exceptions import HTTPException

    app = Flask(__name__, static_folder=None)

    @app.errorhandler(HTTPException)
    def no_route(error: HTTPException) -> Response:
        response = refuse(RouteError(error.code or 500))
        return Response(response.body, response.status, content_type=response.media_type)

    return app


class App:
    """The WSGI application of one worker."""

    def __init__(self, settings: Settings, model: Model) -> None:
        self.settings = settings
        self.invoker = Invoker(model, settings, deliver)
        self.describe = cache(partial(openapi.describe, model, settings))
        self.threads = ThreadPool(1)  # for GET /metrics
        self.routes: dict[str, Methods] = {
            "/ping": {"GET": self.ping},
            "/invocations": {"POST": self.invoke},
            "/execution-parameters": {"GET": self.execution_parameters},
            "/metrics": {"GET": self.metrics},
            "/openapi.json": {"GET": self.openapi_json},
            **({"/docs": {"GET": self.docs}} if settings.docs else {}),
        }

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        methods = self.find(environ["PATH_INFO"])
        if methods is None:
            return other_routes()(environ, start_response)  # type: ignore[no-any-return]
        respond = methods.get(environ["REQUEST_METHOD"])
        response = respond(environ) if respond else refuse(RouteError(405))
        headers = [("Content-Type", response.media_type), *response.headers.items()]
        if isinstance(response.body, Stream):
            # This header turns off buffering in nginx, too.
            start_response(STATUSES[response.status], [*headers, ("X-Accel-Buffering", "no")])
            return read_pieces(response.body)
        start_response(STATUSES[response.status], [*headers, ("Content-Length", str(len(response.body)))])
        return [response.body]

    def find(self, path: str) -> Methods | None:
        """Return the handlers of a path, by method."""
        return self.routes.get(path)

    def ping(self, environ: Environ) -> Response:
        return Response(200, b"{}")  # the model is loaded before the port opens

    def execution_parameters(self, environ: Environ) -> Response:
        return execution_parameters(self.settings)

    def metrics(self, environ: Environ) -> Response:
        return self.threads.apply(metrics_page.show)  # type: ignore[no-any-return]

    def openapi_json(self, environ: Environ) -> Response:
        return self.describe()

    def docs(self, environ: Environ) -> Response:
        return openapi.show_docs()

    def invoke(self, environ: Environ) -> Response:
        return self.predict(self.invoker.submit, environ)

    def predict(self, submit: Callable[[Request], object], environ: Environ) -> Response:
        """Submit a request and wait for its response."""
        request = read_request(b"", lambda name: environ.get(environ_key(name)))
        try:
            request.body = read_body(environ["wsgi.input"], self.settings.max_body)
            request.waiter = Waiter()
            submit(request)
            request.waiter.get()
        except ServingError as error:
            request.response = refuse(error)
            metrics_server.count_responses([request])
            write_requests([request])
        assert request.response
        return request.response


def read_body(stream: BinaryIO, limit: int) -> bytes:
    """Read the whole body, chunked or not. Raises TooLarge over the limit (bytes), BadRequest if it is truncated."""
    try:
        body = stream.read(limit + 1)
        if len(body) <= limit:
            return body
        for _ in range(64):  # clients read the response only after sending the body: discard up to 64 MB
            if not stream.read(2**20):
                break
    except OSError:
        raise BadRequest("The body is incomplete.") from None
    raise TooLarge(limit)


@cache
def environ_key(header: str) -> str:
    """Return the WSGI key of a header: "content-type" is CONTENT_TYPE, "accept" is HTTP_ACCEPT."""
    name = header.upper().replace("-", "_")
    return name if name.startswith("CONTENT_") else f"HTTP_{name}"


def deliver(requests: list[Request]) -> None:
    """Pass answered requests to the event loop, all at once."""
    requests[0].waiter.hub.loop.run_callback_threadsafe(resolve, requests)


def resolve(requests: list[Request]) -> None:
    """Wake the greenlet that waits for each request."""
    for request in requests:
        request.waiter.switch(None)
    if requests[0].marks is not None:  # the responses have been written
        write_stages(requests)


def read_pieces(stream: Stream) -> Iterator[bytes]:
    """Yield the pieces of a stream. The handler runs in a thread, so as not to block the event loop."""
    in_thread = gevent.get_hub().threadpool.apply
    try:
        while (piece := in_thread(next, (stream, None))) is not None:
            yield piece
    finally:
        in_thread(stream.close)


def nginx(settings: Settings, folder: Path) -> Child:
    """nginx with code/nginx.conf, in which the port, the body limit and the paths in /tmp are replaced."""
    conf = NGINX_CONF.read_text().replace("listen 8080", f"listen {settings.port}")
    for unit in ("m", " MB"):
        conf = conf.replace(f"{MAX_BODY_MB}{unit}", f"{settings.max_body // 2**20}{unit}")
    path = folder / "nginx.conf"
    path.write_text(conf.replace("/tmp/serving", f"{folder}/serving"))

    def run() -> None:
        while not (folder / "serving.sock").exists():  # open the port only when gunicorn is ready
            time.sleep(0.01)
        os.execvp("nginx", ["nginx", "-e", "stderr", "-c", str(path)])

    return Child("nginx", run, stop=SIGQUIT, restart=False)
