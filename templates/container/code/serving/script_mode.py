"""Script mode: a Python file next to model_handler.py answers requests with SageMaker's own functions.

They are `model_fn`, `input_fn`, `predict_fn`, `output_fn`, or `transform_fn` in place of the last three. They are
called as AWS's SageMaker Inference Toolkit calls them (PyPI: sagemaker-inference), and the response is sent unchanged.
Missing ones have defaults (toolkit.py): without a model_fn, the model is loaded by load() in model_handler.py.
"""

import ast
import importlib
import inspect
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import orjson

from serving import content, toolkit, user_code
from serving.advice import FIX_IT, describe, look_up
from serving.errors import StartError
from serving.media_types import JSON
from serving.request import CURRENT, Request, Response
from serving.toolkit import Context

log = logging.getLogger(__name__)

FUNCTIONS = {  # name -> arguments, which an optional context can follow
    "model_fn": "model_dir",
    "input_fn": "body, content_type",
    "predict_fn": "data, model",
    "output_fn": "prediction, accept",
    "transform_fn": "model, body, content_type, accept",
}
MORE = {"pre_model_fn": "model_dir", "model_warmup_fn": "model_dir, model"}  # called before and after model_fn
MENTION = re.compile(rb"^(?:async )?def (?:model|input|predict|output|transform)_fn\b", re.MULTILINE)
SWITCHES = ("PRELOAD", "THREAD_SAFE")
PROGRAM = "SAGEMAKER_PROGRAM"

Function = Callable[..., Any]


class Script(NamedTuple):
    """A file with some of FUNCTIONS."""

    path: Path
    functions: list[str]
    switches: dict[str, bool]  # the SWITCHES that it sets


def find_script(folder: Path) -> Script | None:
    """Return the script in a folder, if there is one. Raises StartError if there are several."""
    found = [script for path in sorted(folder.glob("*.py")) if (script := read_script(path)).functions]
    named = [script for script in found if script.path.name == Path(os.environ.get(PROGRAM, "")).name]
    if len(found) > 1 and len(named) != 1:
        names = " and ".join(script.path.name for script in found)
        raise StartError(
            f"Several files have functions of SageMaker's script mode: {names}. Keep them in only one file, or set "
            f"{PROGRAM} to the name of the file that answers requests."
        )
    return next(iter(named or found), None)


def read_script(path: Path) -> Script:
    """Read what a file defines, without running it. A syntax error is reported later, on import."""
    source = path.read_bytes()
    if path.name == "model_handler.py" or b"_fn" not in source:
        return Script(path, [], {})
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return Script(path, ["model_fn"] if MENTION.search(source) else [], {})
    names = {each.name for each in body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))}
    assigned = [(target, each.value) for each in body if isinstance(each, ast.Assign) for target in each.targets]
    values = {target.id: getattr(value, "value", None) for target, value in assigned if isinstance(target, ast.Name)}
    switches = {name: bool(values[name]) for name in SWITCHES if isinstance(values.get(name), bool)}
    return Script(path, [name for name in FUNCTIONS if name in {*names, *values}], switches)


def make_handler(script: Script, handler: ModuleType) -> ModuleType:
    """Create a handler that answers requests with the script, which is imported right before the model is loaded.

    If the script has a model_fn, each worker loads its own model, as with the toolkit, unless the script sets
    PRELOAD = True: threads and CUDA, which it may start, do not survive a fork.
    """
    log.info("Script mode: requests are answered by %s in %s.", ", ".join(script.functions), script.path.name)
    functions = cache(partial(read_functions, script, handler))
    preload = getattr(handler, "PRELOAD", True) and "model_fn" not in script.functions
    served = ModuleType(handler.__name__)
    vars(served).update(
        {
            **vars(handler),
            "BATCHING": False,
            "PRELOAD": preload,
            **script.switches,
            "load": partial(load, functions),
            "TRANSFORM": lambda model, model_dir, request: transform(functions(), model, model_dir, request),
        }
    )
    return served


def read_functions(script: Script, handler: ModuleType) -> Mapping[str, Function]:
    """Import the script. Return its functions, and defaults for missing ones; each takes a context as last argument.

    Raises StartError if the script cannot be imported or used.
    """
    try:
        module = importlib.import_module(script.path.stem)
    except (Exception, SystemExit) as error:
        log.exception("%s failed.", script.path.name)
        advice = look_up(error) or FIX_IT
        raise StartError(f"{script.path.name} could not be imported: {describe(error)}. {advice}") from None
    user_code.modules[module.__name__] = module
    found = {
        name: take_context(script, name, getattr(module, name), arguments)
        for name, arguments in {**FUNCTIONS, **MORE}.items()
        if callable(getattr(module, name, None))
    }
    others = {"input_fn", "predict_fn", "output_fn"} & found.keys()
    if "transform_fn" in found and others:
        raise StartError(
            f"{script.path.name} has transform_fn and {', '.join(sorted(others))}. transform_fn replaces the others: "
            "delete either transform_fn or the others."
        )
    return {**toolkit.make_defaults(handler, own_model="model_fn" in found), **found}


def take_context(script: Script, name: str, function: Function, arguments: str) -> Function:
    """Wrap a function so that it can be called with a context, whether it takes one or not."""
    given, taken = len(arguments.split(", ")), len(inspect.signature(function).parameters)
    if taken == given + 1:
        return function
    if taken == given:
        return lambda *values: function(*values[:given])
    raise StartError(
        f"{name} in {script.path.name} takes {taken} arguments. It must take ({arguments}) or ({arguments}, context)."
    )


def load(read: Callable[[], Mapping[str, Function]], model_dir: Path) -> Any:
    """Load the model with model_fn, or load() in model_handler.py. SM_MODEL_DIR is set to its folder."""
    context, folder = Context(model_dir), str(model_dir)
    os.environ.setdefault("SM_MODEL_DIR", folder)
    functions = read()
    if prepare := functions.get("pre_model_fn"):
        prepare(folder, context)
    model = functions["model_fn"](folder, context)
    if warm_up := functions.get("model_warmup_fn"):
        warm_up(folder, model, context)
    return model


def transform(functions: Mapping[str, Function], model: Any, model_dir: Path, request: Request) -> Response:
    """Answer a request. Raises ServingError, and what the functions raise."""
    context = Context(model_dir, request)
    accept = toolkit.read_accept(request)
    body = toolkit.read_body(request)
    try:
        if transform_fn := functions.get("transform_fn"):
            result = transform_fn(model, body, request.content_type, accept, context)
        else:
            data = functions["input_fn"](body, request.content_type, context)
            result = functions["output_fn"](functions["predict_fn"](data, model, context), accept, context)
    except Exception as error:
        raise toolkit.find_refusal(error) or error from None
    written, media_type = (result[0], result[1]) if isinstance(result, tuple) else (result, accept)
    return Response(context.status, toolkit.to_bytes(written), str(media_type), context.headers)


def answer_json(transform: Callable[[Request], Response], body: Any) -> Any:
    """Return the JSON response to the records of a request as {"predictions": ...}, for the check at startup.

    The format that input_fn reads is unknown: try an array first, then this server's own request forms. If all fail,
    raise the first error.
    """
    records = content.as_records(content.open_envelope(body))
    errors = []
    for form in (records, {"instances": records}, {"inputs": records}):
        try:
            request = Request(orjson.dumps(form), JSON, JSON)
            CURRENT.set(request)
            written = transform(request).body
            response = json.loads(str(written, "utf-8"), parse_constant=lambda _: None)  # type: ignore[arg-type]
        except (Exception, SystemExit) as error:
            errors.append(error)
        else:
            return response if isinstance(response, dict) else {"predictions": response}
    raise errors[0]
