#!/usr/bin/env python3
"""Convert a model to ONNX and compare it with the original. Run it where the model was trained, with its libraries:

    python tools/convert.py model.joblib rows.csv

It says which packages to install there. The converted model predicts all rows, and 1,000 more that are mixed from them.
If any prediction differs from the original, nothing is written. Otherwise it writes model/model.onnx and the files of
tools/describe_model.py: model/signature.json, model/expected.json with the original's predictions, and sample requests.
Needs Python 3.8 or newer. To run it on another machine, copy tools/ there, then copy model/ and test/ back.
"""

from __future__ import annotations  # for Python 3.8

import importlib.util
import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from convert_check import Predict, accepts_missing, compare, make_predictor, make_session, mix, time_call
from convert_models import to_onnx
from convert_skl2onnx import install_hint
from convert_steps import HINT
from describe_json import to_json, to_records
from describe_model import (
    Described,
    check_folder,
    find_library,
    inspect_model,
    make_files,
    make_parser,
    report,
    run,
)
from describe_rows import Problem, progress, write

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

TOLERANCE = 1e-6
ABOUT = (
    f"the largest difference allowed, relative for numbers and absolute for probabilities (default: {TOLERANCE}). "
    "Labels must be equal. Rounding the sums of trees to float32 causes up to 1e-7; a difference of more than 1e-6 "
    "means that the model decides differently"
)
SHOWN = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. If the model does not convert, the exit status is 2 and nothing is written."""
    parser = make_parser("convert.py", __doc__)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help=ABOUT)

    def act(options: Namespace, model: Any, rows: Any, *others: Any) -> None:
        folder, types, outputs = others
        convert(model, rows, folder, types, outputs, options.tolerance)

    return run(parser, arguments, act)


def convert(
    model: Any,
    rows: Any,
    folder: Any = None,
    types: dict[str, str] | None = None,
    outputs: Sequence[str] = (),
    tolerance: float = TOLERANCE,
) -> None:
    """Write a model as ONNX, with its description, to a project's folder. Raises Problem.

    Scripts and notebooks can call it, like describe() in describe_model.py.
    """
    folder = check_folder(folder)
    require_packages()
    described = inspect_model(model, rows, types or {}, outputs)
    with progress("converting and comparing"):
        proto, described, largest = convert_model(described, tolerance)
    more = {"tolerance": tolerance} if tolerance > TOLERANCE else {}
    texts = make_files(described, **more)
    write(
        {
            folder / "model/model.onnx": proto.SerializeToString(),
            **{folder / name: text for name, text in texts.items()},
        }
    )
    print(f"The converted model agrees on all rows; the largest difference is {largest:.1g}.")
    report(described, folder)


def require_packages() -> None:
    """Raise Problem with the command to type if a package is missing."""
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise Problem(f"packages are missing here. {install_hint(*missing)}")


def convert_model(described: Described, tolerance: float) -> tuple[Any, Described, float]:
    """Return the model as ONNX, its description with the values to reject, and the largest difference."""
    rows, columns = described.rows, described.columns
    if any(column["type"] == "datetime" for column in columns) or (not columns and isinstance(rows[0], str)):
        raise Problem(f"dates and free texts cannot be converted. {HINT}")
    original = make_original_predictor(described)
    example = {kind: np.asarray(values) for kind, values in original(rows[:2]).items()}
    proto, closed = to_onnx(described, example)
    if closed and not columns:
        raise Problem(
            "an encoder that rejects unknown values cannot be converted in a model without column names: train it on a "
            "DataFrame, or with handle_unknown='ignore'"
        )
    try:
        converted = make_predictor(make_session(proto))
        largest = check(original, converted, described, closed, tolerance)
    except Problem:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise Problem(f"the comparison failed ({reason}). {HINT}") from None
    places = [column["name"] for column in columns] or list(range(len(rows[0])))
    missing = [accepts_missing(original, converted, rows[:20], place, tolerance) for place in places]
    write_facts(proto, described, len(places), all(missing))
    for count in (1, 100):
        before, after = (1e3 * time_call(partial(predict, rows[:count])) for predict in (original, converted))
        print(f"{count} record{'s' * (count > 1)}: {before:.3g} ms before, {after:.3g} ms as ONNX")
    return proto, described._replace(columns=restrict(columns, missing, closed)), largest


def restrict(columns: Any, missing: Sequence[bool], closed: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return the columns of the signature, restricted to what the original accepts: known and non-missing values."""
    restricted = []
    for column, accepted in zip(columns, missing):
        name, kept = column["name"], {key: value for key, value in column.items() if key != "missing"}
        values = {"values": to_json(closed[name])} if name in closed else {}
        restricted.append({**kept, "required": column["required"] or not accepted, **values})
    return restricted


def write_facts(proto: Any, described: Described, width: int, missing: bool) -> None:
    """Write the metadata for code/model_handler.py to the model."""
    model = described.model
    facts = {
        "width": width,
        "names": [column["name"] for column in described.columns],
        "closed": type(model).__module__.startswith("xgboost."),
        "missing": missing,
        "classes": to_json(getattr(model, "classes_", None)) or None,
    }
    entry = proto.metadata_props.add()
    entry.key, entry.value = "serving", json.dumps(facts)


def make_original_predictor(described: Described) -> Predict:
    """Return a function that predicts rows with the original model."""
    library = find_library()

    def predict(rows: Any) -> dict[str, Any]:
        if not library.FRAMES and hasattr(rows, "columns"):
            rows = [list(record.values()) for record in to_records(rows, described.columns)]
        return dict(library.predict(described.model, rows))

    return predict


def check(original: Predict, converted: Predict, described: Described, closed: Any, tolerance: float) -> float:
    """Return the largest difference. Raises Problem if it exceeds the tolerance."""
    found = compare(original, converted, described.rows)
    mixed = mix(described.rows, closed)
    more = compare(original, converted, mixed, ties=tolerance)
    for differences, rows, which in ((found, described.rows, "row"), (more, mixed, "mixed row")):
        wrong = [each for each in differences if each.size > tolerance]
        if wrong:
            records = to_records(rows, described.columns)
            shown = [
                f"{which} {each.row}, {json.dumps(records[each.row - 1], ensure_ascii=False)}: {each.kind} were "
                f"{to_json(each.expected)} and are {to_json(each.found)}"
                for each in wrong[:SHOWN]
            ]
            raise Problem(
                f"the converted model differs in {len({each.row for each in wrong})} of {len(rows)} {which}s, by up to "
                f"{wrong[0].size:.2g}: {'; '.join(shown)}. {HINT}, or allow it: --tolerance"
            )
    return float(max(found[0].size, more[0].size))


if __name__ == "__main__":
    sys.exit(main())
