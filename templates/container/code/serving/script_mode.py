"""Script mode: SageMaker's own functions, in a Python file beside model_handler.py, answer the requests.

They are `model_fn`, `input_fn`, `predict_fn`, `output_fn`, or `transform_fn` in place of the last three. They are
called as AWS's SageMaker Inference Toolkit calls them (PyPI: sagemaker-inference), and their answer is sent as it is.
Defaults stand in for those that are missing (toolkit.py): without a model_fn the model is what load() in
model_handler.py returns.
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
from serving.advice import CORRECT, describe, look_up
from serving.errors import StartError
from serving.media_types import JSON
from serving.request import CURRENT, Answer, Request
from serving.toolkit import Context

log = logging.getLogger(__name__)

FUNCTIONS = {  # name -> what it is called with, and then perhaps with the context
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
    switches: dict[str, bool]  # those of SWITCHES that it sets


def find_script(folder: Path) -> Script | None:
    """The script of a folder, if there is one. Raises StartError if there are several."""
    found = [script for path in sorted(folder.glob("*.py")) if (script := read_script(path)).functions]
    named = [script for script in found if script.path.name == Path(os.environ.get(PROGRAM, "")).name]
    if len(found) > 1 and len(named) != 1:
        names = " and ".join(script.path.name for script in found)
        raise StartError(
            f"Which file answers the requests: {names}? Each of them has functions of SageMaker's script mode. Leave "
            f"them in one only, or set {PROGRAM} to its name."
        )
    return next(iter(named or found), None)


def read_script(path: Path) -> Script:
    """What a file defines, without running it. One that is not Python shows its error when it is imported."""
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
    """A handler whose requests the script answers. The script is imported where the model is loaded, right before that.

    If it has a model_fn, each process loads a model of its own, as with the toolkit, unless the script says
    PRELOAD = True: threads and CUDA, which it may start, do not survive a fork.
    """
    log.info("Script mode: %s answers the requests, with its %s.", script.path.name, ", ".join(script.functions))
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
    """Imports the script: its functions, and the defaults, all of them with a context at the end.

    Raises StartError if it cannot be imported or used.
    """
    try:
        module = importlib.import_module(script.path.stem)
    except (Exception, SystemExit) as error:
        log.exception("%s failed.", script.path.name)
        advice = look_up(error) or CORRECT
        raise StartError(f"{script.path.name} does not import: {describe(error)}. {advice}") from None
    user_code.modules[module.__name__] = module
    found = {
        name: take_context(script, name, getattr(module, name), arguments)
        for name, arguments in {**FUNCTIONS, **MORE}.items()
        if callable(getattr(module, name, None))
    }
    others = {"input_fn", "predict_fn", "output_fn"} & found.keys()
    if "transform_fn" in found and others:
        raise StartError(
            f"{script.path.name} has transform_fn and {', '.join(sorted(others))}. transform_fn replaces them: delete "
            "one or the other."
        )
    return {**toolkit.make_defaults(handler, own_model="model_fn" in found), **found}


def take_context(script: Script, name: str, function: Function, arguments: str) -> Function:
    """The function, called with a context at the end whether it takes one or not."""
    given, taken = len(arguments.split(", ")), len(inspect.signature(function).parameters)
    if taken == given + 1:
        return function
    if taken == given:
        return lambda *values: function(*values[:given])
    raise StartError(
        f"{name} in {script.path.name} takes {taken} arguments. It is called with ({arguments}), or with "
        f"({arguments}, context)."
    )


def load(read: Callable[[], Mapping[str, Function]], model_dir: Path) -> Any:
    """The model, as model_fn or load() in model_handler.py returns it. Its folder is in SM_MODEL_DIR, too."""
    context, folder = Context(model_dir), str(model_dir)
    os.environ.setdefault("SM_MODEL_DIR", folder)
    functions = read()
    if prepare := functions.get("pre_model_fn"):
        prepare(folder, context)
    model = functions["model_fn"](folder, context)
    if warm_up := functions.get("model_warmup_fn"):
        warm_up(folder, model, context)
    return model


def transform(functions: Mapping[str, Function], model: Any, model_dir: Path, request: Request) -> Answer:
    """The answer to a request. Raises ServingError, and what the functions raise."""
    context = Context(model_dir, request)
    accept = toolkit.read_accept(request)
    body = toolkit.read_body(request)
    try:
        if answer := functions.get("transform_fn"):
            result = answer(model, body, request.content_type, accept, context)
        else:
            data = functions["input_fn"](body, request.content_type, context)
            result = functions["output_fn"](functions["predict_fn"](data, model, context), accept, context)
    except Exception as error:
        raise toolkit.find_refusal(error) or error from None
    written, media_type = (result[0], result[1]) if isinstance(result, tuple) else (result, accept)
    return Answer(context.status, toolkit.to_bytes(written), str(media_type), context.headers)


def ask(transform: Callable[[Request], Answer], body: Any) -> Any:
    """The JSON that the model answers to the records of a request, as {"predictions": ...}, for the trial at the start.

    What input_fn reads is not known: the records are sent as an array, then in the forms of a request for this server.
    Raises what the first of them raised if none has an answer.
    """
    records = content.as_records(content.open_envelope(body))
    errors = []
    for form in (records, {"instances": records}, {"inputs": records}):
        try:
            request = Request(orjson.dumps(form), JSON, JSON)
            CURRENT.set(request)
            written = transform(request).body
            answer = json.loads(str(written, "utf-8"), parse_constant=lambda _: None)  # type: ignore[arg-type]
        except (Exception, SystemExit) as error:
            errors.append(error)
        else:
            return answer if isinstance(answer, dict) else {"predictions": answer}
    raise errors[0]
