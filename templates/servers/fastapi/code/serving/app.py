"""The web server: FastAPI on uvicorn, one event loop in each worker process. Predictions run in threads beside it."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from serving.errors import Overloaded, RouteError, ServingError, TooLarge
from serving.invocation import Answer, invoke, refuse
from serving.models import Model
from serving.processes import Child, Supervisor, open_port
from serving.settings import Settings

BACKLOG = 2048
KEEP_ALIVE = 75  # seconds; longer than clients keep an idle connection, so that they close it first


def run(settings: Settings, model: Model) -> int:
    """Opens the port and serves until SIGTERM. Returns the exit status. Raises StartError if the port is taken."""
    listener = open_port(settings.port, BACKLOG)
    config = uvicorn.Config(
        create_app(settings, model),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    worker = Child("worker", lambda: uvicorn.Server(config).run(sockets=[listener]))
    return Supervisor([[worker] * settings.workers], on_stop=listener.close).run()


def create_app(settings: Settings, model: Model) -> FastAPI:
    """The routes."""
    app = FastAPI(openapi_url=None)
    predict = limit_predictions(settings, model)

    @app.get("/ping")
    async def ping() -> Response:
        return Response()  # the model was loaded before the port was opened

    @app.post("/invocations")
    async def invocations(request: Request) -> Response:
        try:
            return respond(await predict(request))
        except ServingError as error:
            return respond(refuse(error))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it

    @app.exception_handler(HTTPException)
    async def no_route(_: Request, error: HTTPException) -> Response:
        return respond(refuse(RouteError(error.status_code)))

    return app


def limit_predictions(settings: Settings, model: Model) -> Callable[[Request], Awaitable[Answer]]:
    """Runs `settings.threads` predictions at a time; beyond those that may wait it raises Overloaded."""
    threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="prediction")
    most = settings.threads + settings.waiting
    pending = 0

    async def predict(request: Request) -> Answer:
        nonlocal pending
        body = await read_body(request, settings.max_body)
        if pending >= most:
            raise Overloaded
        pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(threads, invoke, model, settings, body, request.headers)
        finally:
            pending -= 1

    return predict


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge as soon as it is known to be over the limit, in bytes."""
    if int(request.headers.get("Content-Length", 0)) > limit:
        raise TooLarge(limit)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge(limit)
    return bytes(body)


def respond(answer: Answer) -> Response:
    """An answer as FastAPI sends it."""
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)
