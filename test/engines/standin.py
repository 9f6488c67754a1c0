"""A stand-in for an engine's server, with routes, errors and streams like vLLM's.

GET /seen returns the last request; the prompt "command" returns the command that started it.
"""

import asyncio
import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

app = FastAPI()
COMMAND: list[str] = []
seen: list[dict[str, Any]] = []
WORDS = ["Once", " upon", " a", " time…"]


def error(status: int, message: str) -> JSONResponse:
    content = {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}
    return JSONResponse(content, status)


def record(request: dict[str, Any]) -> dict[str, Any]:
    seen.append({**request, "finished": False})
    return seen[-1]


@app.middleware("http")
async def reject_unknown_models(request: Request, proceed: Any) -> Response:
    """Reject unknown models on all routes, as engines do."""
    body = await request.body()
    if b'"nobody"' in body and json.loads(body).get("model") == "nobody":
        return error(404, "The model `nobody` does not exist.")
    return await proceed(request)  # type: ignore[no-any-return]


@app.get("/ping")
def ping() -> Response:
    return Response()


@app.get("/metrics")
def show_metrics() -> Response:
    return Response("vllm:num_requests_waiting 0.0\n", media_type="text/plain; version=0.0.4; charset=utf-8")


@app.get("/seen")
def show_seen() -> list[dict[str, Any]]:
    return seen[-1:]


@app.post("/v1/completions")
async def complete(request: Request) -> Response:
    body = await request.json()
    entry = record({"path": "/v1/completions", **body})
    if body.get("temperature", 0) > 2:
        return error(400, "temperature must be\n in [0, 2]")
    if body["prompt"] == "fail":
        return error(500, "CUDA error in /usr/lib/python3/secret.py")
    if body["prompt"] == "busy":
        return error(503, "The engine is overloaded")
    prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
    count = len(prompts) * body.get("n", 1)

    async def events() -> Any:
        try:
            for word in WORDS:
                for at in range(count):
                    choice = {"index": at, "text": word, "finish_reason": None}
                    yield f"data: {json.dumps({'choices': [choice]})}\n\n"
                await asyncio.sleep(1 if body["prompt"] == "slowly" else 0)
                if body["prompt"] == "break":
                    yield f"data: {json.dumps({'error': {'message': 'The request was aborted'}})}\n\n"
            yield "data: [DONE]\n\n"
            entry["finished"] = True
        except asyncio.CancelledError:
            entry["cancelled"] = True
            raise

    if body.get("stream"):
        return StreamingResponse(events(), media_type="text/event-stream")
    if body["prompt"] == "command":
        return JSONResponse({"choices": [{"index": 0, "text": json.dumps(COMMAND)}]})
    choices = [{"index": at, "text": "".join(WORDS)} for at in reversed(range(count))]
    return JSONResponse({"object": "text_completion", "choices": choices})


@app.post("/v1/chat/completions")
async def chat(request: Request) -> Response:
    body = await request.json()
    record({"path": "/v1/chat/completions", **body})
    return JSONResponse({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris"}}]})


@app.post("/v1/embeddings")
async def embed(request: Request) -> Response:
    body = await request.json()
    record({"path": "/v1/embeddings", **body})
    texts = body["input"]
    texts = [texts] if isinstance(texts, str) else texts
    return JSONResponse({"data": [{"index": at, "embedding": [at, 0.5]} for at in reversed(range(len(texts)))]})


@app.post("/classify")
async def classify(request: Request) -> Response:
    await request.json()
    return JSONResponse({"data": [{"index": 0, "label": "good", "probs": [0.1, 0.9], "num_classes": 2}]})


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    body = await request.body()
    record({"path": "/invocations", "body": body.decode()})
    return JSONResponse({"asked": json.loads(body)})
