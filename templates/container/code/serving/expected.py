"""model/expected.json: records, and the model's predictions for them in the training environment.

{"inputs": [...], "predictions": [...]} and, if the model has them, "probabilities": [...], lists of the same length.
"versions" are the library versions in training, "tolerance" is the largest difference allowed (default 1e-6). The
server starts only if the model still makes the same predictions.
"""

import json
import logging
import math
import os
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from serving.advice import describe, explain_missing
from serving.errors import BadRequest, StartError
from serving.settings import read_choice, read_fraction

log = logging.getLogger(__name__)

FILE = "expected.json"
# List -> magnitude. Differences of smaller numbers are relative to it: near 0, a relative difference is meaningless.
# Rounding alone gives 1e-17, and a float32 probability may have been computed as 1 minus the others.
KINDS = {"predictions": 1e-6, "probabilities": 1.0}
BASIC = ("numpy", "pandas", "scipy")  # their versions seldom change predictions
MAX_SHOWN = 3  # differing records shown in an error

Lists = dict[str, Any]
Answer = Callable[[dict[str, Any]], Any]  # JSON of a request -> JSON of the response


def check_predictions(model_dir: Path, answer: Answer) -> None:
    """Raise StartError if the model's predictions differ from expected.json, or if that file is broken.

    SM_EXPECTED_TOLERANCE (default: the file's tolerance, or 1e-6) is relative for numbers and absolute for
    probabilities; whole numbers and strings must be equal. SM_EXPECTED=off skips the check.
    """
    path = model_dir / FILE
    if not path.is_file() or read_choice(os.environ, "SM_EXPECTED", "on", ("on", "off")) == "off":
        return
    expected = read(path)
    tolerance = read_fraction(os.environ, "SM_EXPECTED_TOLERANCE", expected["tolerance"])
    found = predict(expected, answer)
    rows = [
        (number, kind, was, now, measure(was, now, KINDS[kind]))
        for kind, values in found.items()
        for number, (was, now) in enumerate(zip(expected[kind], values, strict=True), 1)
    ]
    count, largest = len(expected["inputs"]), max(row[-1] for row in rows)
    if largest <= tolerance:
        log.info("%d of %d predictions agree (largest difference %.1g).", count, count, largest)
        return
    wrong = [row for row in rows if row[-1] > tolerance]
    shown = [f"record {number}: expected {kind} {was!r:.200}, got {now!r:.200}" for number, kind, was, now, _ in wrong]
    raise StartError(
        f"{len({number for number, *_ in wrong})} of {count} predictions differ from {path}: "
        f"{'; '.join(shown[:MAX_SHOWN])}. {find_cause(expected)} SM_EXPECTED=off starts the server anyway."
    )


def find_cause(expected: Lists) -> str:
    """Return the likely cause of a difference, and what to do: another library version, or different inputs."""
    others = []
    for name, was in expected["versions"].items():
        with suppress(metadata.PackageNotFoundError):
            if name not in BASIC and (now := metadata.version(name)) != was:
                others.append(f"{name} was {was} and is {now}")
    if others:
        return (
            f"The file was written with other versions: {', '.join(others)}. Install those that it was written "
            "with. For the framework, run in the project's folder: ml-container-creator update "
            "--framework-version=VERSION. For other packages, edit requirements.in, then run ./lock.sh. If the model "
            "was retrained, run tools/describe_model.py again."
        )
    return (
        "The model may have been retrained, its columns may be in another order, or a preprocessing step may be "
        "missing here. Fix that, or run tools/describe_model.py again."
    )


def read(path: Path) -> Lists:
    """Read the file. NaN becomes null, as in a response. Raises StartError if the file is broken."""
    again = "Write it again where the model was trained, or delete it."
    try:
        saved = json.loads(path.read_bytes(), parse_constant=lambda _: None)
    except ValueError as error:
        raise StartError(f"{path} is not JSON: {error}. {again}") from None
    lists = saved if isinstance(saved, dict) else {}
    kinds = ["inputs", "predictions", *(["probabilities"] if "probabilities" in lists else [])]
    for kind in kinds:
        if not isinstance(lists.get(kind), list) or not lists[kind]:
            raise StartError(f"{path} has no list of {kind}. {again}")
    if len({len(lists[kind]) for kind in kinds}) > 1:
        lengths = ", ".join(f"{len(lists[kind])} {kind}" for kind in kinds)
        raise StartError(f"The lists in {path} differ in length: {lengths}. {again}")
    versions, tolerance = lists.get("versions"), lists.get("tolerance", 1e-6)
    facts = {"versions": versions if isinstance(versions, dict) else {}, "tolerance": tolerance}
    return {**facts, **{kind: lists[kind] for kind in kinds}}


def predict(expected: Lists, answer: Answer) -> Lists:
    """Predict the inputs, with probabilities if they are expected and the handler supports them.

    Raises StartError if the handler fails, or does not return one prediction per input.
    """
    request, wanted = {"inputs": expected["inputs"]}, [kind for kind in KINDS if kind in expected]
    try:
        try:
            found = answer({**request, "parameters": dict.fromkeys(wanted[1:], True)})
        except BadRequest:  # the handler does not accept the parameter, or the inputs
            found = answer(request)
    except (Exception, SystemExit) as error:
        log.exception("The model failed on the inputs of %s.", FILE)
        advice = explain_missing(error) or "Fix the inputs, or predict() in code/model_handler.py."
        raise StartError(
            f"The model fails on the inputs of {FILE}: {describe(error)}. {advice} SM_EXPECTED=off starts the server "
            "anyway."
        ) from None
    lists = found if isinstance(found, dict) else {}
    for kind in wanted[1:]:
        if kind not in lists:
            log.warning("The %s in %s are not compared: code/model_handler.py returns none.", kind, FILE)
            wanted.remove(kind)
    for kind in wanted:
        if not isinstance(lists.get(kind), list) or len(lists[kind]) != len(expected[kind]):
            raise StartError(
                f"The response to the {len(expected['inputs'])} inputs of {FILE} must have a list of {kind}, one per "
                "input, to be compared. Delete the file, or set SM_EXPECTED=off."
            )
    return {kind: lists[kind] for kind in wanted}


def measure(expected: Any, found: Any, smallest: float) -> float:
    """Return the largest difference between two values, relative to their magnitude, which is at least `smallest`.

    Infinity if they differ in structure, type, whole numbers, or values other than numbers.
    """
    if is_number(expected) and is_number(found):
        if expected == found:
            return 0.0
        exact = isinstance(expected, int) and isinstance(found, int)
        return math.inf if exact else abs(expected - found) / max(abs(expected), abs(found), smallest)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return max((measure(*pair, smallest) for pair in zip(expected, found, strict=True)), default=0.0)
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        return max((measure(expected[name], found[name], smallest) for name in expected), default=0.0)
    return 0.0 if expected == found and type(expected) is type(found) else math.inf


def is_number(value: Any) -> bool:
    """Return whether `value` is a JSON number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
