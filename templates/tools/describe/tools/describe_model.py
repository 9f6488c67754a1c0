#!/usr/bin/env python3
"""Describe a model's inputs and predictions. Run it where the model was trained, with the same library versions:

    python tools/describe_model.py model.joblib rows.csv

It infers the columns and their types from the rows (model/signature.json), and saves up to 20 rows with their
predictions (model/expected.json): the server starts only if it makes the same predictions. It also writes sample
requests, test/sample_request.json and .csv. Needs Python 3.8 or newer and the model's libraries. To run it on another
machine, copy tools/ there, then copy model/ and test/ back. With tools/ in sys.path, scripts and notebooks can call it:

    from describe_model import describe
    describe(model, rows, folder="path/to/project")     # rows: a DataFrame or an array
"""

from __future__ import annotations  # for Python 3.8

import argparse
import importlib
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from describe_json import name_outputs, to_csv, to_json, to_records, to_text
from describe_rows import TYPES, Problem, choose, name_columns, prepare, progress, read, read_type, sample, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHOWN = 2  # rows in a sample request
HINT = "Check that the types match the training data; CSV needs --type COLUMN=string for strings of digits"
PROJECT = Path(__file__).resolve().parents[1]
# Libraries that affect predictions: module -> package.
LIBRARIES = {"sklearn": "scikit-learn", "torch": "torch", "onnxruntime": "onnxruntime", "tensorflow": "tensorflow"}
LIBRARIES.update({name: name for name in ("numpy", "scipy", "pandas", "xgboost", "lightgbm", "catboost", "keras")})


class Described(NamedTuple):
    """A model with its rows and predictions."""

    model: Any
    rows: Any  # all rows in the form that the model takes: a DataFrame or lists
    columns: list[dict[str, Any]]  # of the signature; empty if requests are lists
    records: list[Any]  # some of the rows as JSON
    results: dict[str, list[Any]]  # predictions, and probabilities if any, for the records


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. If the input is invalid, the exit status is 2 and nothing is written."""
    return run(make_parser("describe_model.py", __doc__), arguments, lambda _, *inputs: describe(*inputs))


def make_parser(program: str, about: str | None) -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(program, description=str(about).partition(".")[0])
    parser.add_argument("model", type=Path, help="the model's file or folder, such as model.joblib")
    parser.add_argument("rows", type=Path, help="rows to predict: CSV with a header, Parquet, JSON, JSON Lines or .npy")
    parser.add_argument("--no-header", action="store_true", help="the CSV file has no header: the model takes arrays")
    parser.add_argument("--type", action="append", default=[], metavar="COLUMN=TYPE", help=f"one of {', '.join(TYPES)}")
    parser.add_argument("--outputs", default="", metavar="NAMES", help="names of multiple outputs, such as price,risk")
    parser.add_argument("--folder", type=Path, help="the project's folder (default: the one that contains this file)")
    return parser


def run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, act: Callable[..., None]) -> int:
    """Parse the command line, load its files and pass them to `act`. Returns the exit status."""
    options = parser.parse_args(arguments)
    folder = find_folder(options.folder)
    sys.path[:0] = [str(Path.cwd()), str(folder / "code")]  # the model's own modules
    try:
        types = dict(read_type(each) for each in options.type)
        with progress(f"reading {options.rows}"):
            rows = read(options.rows, options.no_header, types)
        with progress(f"loading {options.model}"):
            model = load(options.model, folder / "code")
        act(options, model, rows, folder, types, [name for name in options.outputs.split(",") if name])
    except Problem as problem:
        print(f"{parser.prog}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: cancelled, nothing was written", file=sys.stderr)
        return 130
    return 0


def find_folder(given: Path | None) -> Path:
    """Return the project's folder, or the current one if tools/ was copied to another machine."""
    return given or (PROJECT if (PROJECT / "code").is_dir() else Path())


def find_library() -> Any:
    """Import the module for the model's library."""
    try:
        return importlib.import_module("describe_library")
    except ImportError as error:
        raise Problem(
            f"{error}. Run this with the Python that trained the model, and keep all files of tools/ together"
        ) from None


def load(path: Path, code: Path) -> Any:
    """Load the model: in the library's own format if the extension is known, otherwise as a pickle."""
    if not path.exists():
        raise Problem(f"file not found: {path}")
    reader = find_library().READERS.get("/" if path.is_dir() else path.suffix.lower())
    if not reader and path.is_dir():
        raise Problem(f"{path} is a folder: give the path of the model's file")
    try:
        return reader(path) if reader else load_pickle(path, code)
    except Problem:
        raise
    except (Exception, SystemExit) as error:
        raise Problem(
            f"{path} cannot be loaded here ({type(error).__name__}: {error}). Run this where the model was trained, or "
            "call describe(model, rows) from the script or notebook that trained it"
        ) from None


def load_pickle(path: Path, code: Path) -> Any:
    """Load a pickle, with joblib if it is installed. Classes of `__main__` come from the project's code."""
    try:
        reader = importlib.import_module("joblib").load
    except ImportError:
        reader = pickle.load
    try:
        with path.open("rb") as file:
            return reader(file)
    except AttributeError as error:
        if sys.version_info < (3, 10) or not (code / "serving").is_dir() or "__main__" not in str(error):
            raise
    importlib.import_module("serving.user_code").install(code)
    with path.open("rb") as file:
        return reader(file)


def describe(
    model: Any,
    rows: Any,
    folder: Any = None,
    types: dict[str, str] | None = None,
    outputs: Sequence[str] = (),
) -> None:
    """Write signature.json, expected.json and sample requests for a model to a project's folder.

    `types` overrides the types of columns, `outputs` names several outputs. Raises Problem.
    """
    folder = check_folder(folder)
    described = inspect_model(model, rows, types or {}, outputs)
    write({folder / name: text for name, text in make_files(described).items()})
    report(described, folder)


def check_folder(given: Any) -> Path:
    """Return the project's folder. Raises Problem if it does not exist."""
    folder = find_folder(given and Path(given))
    if not folder.is_dir():
        raise Problem(f"folder not found: {folder}")
    return folder


def inspect_model(model: Any, rows: Any, types: dict[str, str], outputs: Sequence[str]) -> Described:
    """Infer the columns of a model and predict some of the rows."""
    library = find_library()
    model = library.unwrap(model)
    rows = select(model, prepare(rows))
    columns = name_columns(rows, types) if hasattr(rows, "columns") else []
    if outputs and not columns:
        raise Problem("--outputs needs a model that takes named columns, and rows with a header")
    kept = sample(rows)
    records = to_records(kept, columns)
    inputs = kept if library.FRAMES else [[*each.values()] if isinstance(each, dict) else each for each in records]
    with progress("predicting"):
        results = predict(model, inputs, outputs)
    if len(results["predictions"]) != len(records):
        raise Problem(f"the model returns {len(results['predictions'])} predictions for {len(records)} rows")
    return Described(model, rows, columns, records, results)


def make_files(described: Described, **more: Any) -> dict[str, str | None]:
    """Return the texts of the files by name; None for files to remove. `more` is added to expected.json."""
    _, _, columns, records, results = described
    signature = {"inputs": columns, "outputs": name_outputs(results["predictions"])}
    return {
        "model/signature.json": to_text(signature) if columns else None,
        "model/expected.json": to_text({"inputs": records, **results, "versions": find_versions(), **more}),
        "test/sample_request.json": to_text({"instances": records[:SHOWN]}),
        "test/sample_request.csv": to_csv(records[:SHOWN]),
    }


def report(described: Described, folder: Path) -> None:
    """Print what was written and what to type next."""
    print(f"Wrote {len(described.records)} rows with the model's predictions to {folder / 'model/expected.json'}.")
    if (folder / "test/run_local.sh").exists():
        print("Next: test/run_local.sh, in the project's folder")


def select(model: Any, rows: Any) -> Any:
    """Select the columns of the model, or return lists if its requests are lists."""
    if not hasattr(rows, "columns"):
        return rows
    library = find_library()
    rows = choose(rows, library.find_names(model))
    rows = library.prepare(model, rows) if hasattr(library, "prepare") else rows
    if library.takes_columns(model, rows):
        return rows
    print("The model has no column names: requests are lists in this order:", ", ".join(rows.columns))
    rows = rows.astype({name: int for name in rows.columns if rows[name].dtype == bool})  # like the numbers in CSV
    return [list(record.values()) for record in to_records(rows, [])]


def predict(model: Any, rows: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """Return the predictions, and probabilities if the model has them, as JSON."""
    try:
        results = find_library().predict(model, rows)
    except Problem:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Problem(f"the model cannot predict these rows ({reason}). {HINT}") from None
    found = {kind: to_json(values) for kind, values in results.items()}
    if len(names) > 1:
        if any(not isinstance(each, (list, dict)) or len(each) != len(names) for each in found["predictions"]):
            raise Problem(
                f"--outputs has {len(names)} names, but a prediction has another number of values: "
                f"{found['predictions'][0]}"
            )
        values = (list(each.values()) if isinstance(each, dict) else each for each in found["predictions"])
        found["predictions"] = [dict(zip(names, each)) for each in values]  # noqa: B905
    return found


def find_versions() -> dict[str, str]:
    """Return the versions of the libraries in use."""
    found = {name: sys.modules[module] for module, name in LIBRARIES.items() if module in sys.modules}
    return {name: str(module.__version__) for name, module in sorted(found.items()) if hasattr(module, "__version__")}


if __name__ == "__main__":
    sys.exit(main())
