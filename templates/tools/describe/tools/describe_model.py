#!/usr/bin/env python3
"""Writes down what a model takes and what it answers. Run it where the model was trained, with the libraries of then:

    python tools/describe_model.py model.joblib rows.csv

From the rows it learns the columns and their types (model/signature.json), and it keeps 20 of them with what the model
predicts for them there (model/expected.json): the server starts only if it predicts the same. test/sample_request.json
and .csv are requests that fit. It needs Python 3.8 and what the model needs. To run it on another machine, copy the
folder tools/ there, then model/ and test/ back. With tools/ in sys.path, a script or notebook can call it, too:

    from describe_model import describe
    describe(model, rows, folder="path/of/the/project")     # rows: a DataFrame, or an array
"""

from __future__ import annotations  # for Python 3.8

import argparse
import importlib
import pickle
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from describe_json import name_outputs, to_csv, to_json, to_records, to_text
from describe_rows import TYPES, Problem, choose, keep, name_columns, prepare, progress, read, read_type, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHOWN = 2  # rows in a sample request
HINT = "Are their types those of the training? --type COLUMN=string says what csv does not"
PROJECT = Path(__file__).resolve().parents[1]
# The libraries that answers depend on: the module's name -> the package's.
LIBRARIES = {"sklearn": "scikit-learn", "torch": "torch", "onnxruntime": "onnxruntime", "tensorflow": "tensorflow"}
LIBRARIES.update({name: name for name in ("numpy", "scipy", "pandas", "xgboost", "lightgbm", "catboost", "keras")})


class Described(NamedTuple):
    """What a model takes and answers."""

    model: Any
    rows: Any  # all of them, as the model takes them: a DataFrame, or lists
    columns: list[dict[str, Any]]  # of the signature; none where requests are lists
    records: list[Any]  # some of the rows as JSON
    answers: dict[str, list[Any]]  # for the records


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. The exit status is 2 for what was given wrong, and nothing is written then."""
    return run(make_parser("describe_model.py", __doc__), arguments, lambda _, *given: describe(*given))


def make_parser(program: str, about: str | None) -> argparse.ArgumentParser:
    """What the command line takes."""
    parser = argparse.ArgumentParser(program, description=str(about).partition(".")[0])
    parser.add_argument("model", type=Path, help="the model's file or folder, such as model.joblib")
    parser.add_argument("rows", type=Path, help="rows to predict: csv with a header, parquet, json, jsonl or npy")
    parser.add_argument("--no-header", action="store_true", help="the csv has none: the model takes arrays")
    parser.add_argument("--type", action="append", default=[], metavar="COLUMN=TYPE", help=f"one of {', '.join(TYPES)}")
    parser.add_argument("--outputs", default="", metavar="NAMES", help="names of several outputs, such as price,risk")
    parser.add_argument("--folder", type=Path, help="the project's folder (default: the one that this is in)")
    return parser


def run(parser: argparse.ArgumentParser, arguments: Sequence[str] | None, act: Callable[..., None]) -> int:
    """Reads the command line and its files, and acts on them; the exit status."""
    given = parser.parse_args(arguments)
    folder = find_folder(given.folder)
    sys.path[:0] = [str(Path.cwd()), str(folder / "code")]  # where modules of the model's own are
    try:
        types = dict(read_type(each) for each in given.type)
        with progress(f"reading {given.rows}"):
            rows = read(given.rows, given.no_header, types)
        with progress(f"loading {given.model}"):
            model = load(given.model, folder / "code")
        act(given, model, rows, folder, types, [name for name in given.outputs.split(",") if name])
    except Problem as problem:
        print(f"{parser.prog}: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: cancelled, nothing was written", file=sys.stderr)
        return 130
    return 0


def find_folder(given: Path | None) -> Path:
    """The project's folder; the current one for a copy of tools/ on another machine."""
    return given or (PROJECT if (PROJECT / "code").is_dir() else Path())


def find_library() -> Any:
    """What is particular to the library of the model."""
    try:
        return importlib.import_module("describe_library")
    except ImportError as error:
        raise Problem(f"{error}. Run this with the Python that trained the model, and with all of tools/") from None


def load(path: Path, code: Path) -> Any:
    """The model in a file or folder: in the library's own format by its ending, or else a pickle."""
    if not path.exists():
        raise Problem(f"there is no file {path}")
    reader = find_library().READERS.get("/" if path.is_dir() else path.suffix.lower())
    if not reader and path.is_dir():
        raise Problem(f"{path} is a folder: give the model's file")
    try:
        return reader(path) if reader else load_pickle(path, code)
    except Problem:
        raise
    except (Exception, SystemExit) as error:
        raise Problem(
            f"{path} does not load here ({type(error).__name__}: {error}). Run this where the model was trained, or "
            "call describe(model, rows) from the script or notebook that trained it"
        ) from None


def load_pickle(path: Path, code: Path) -> Any:
    """The model of a pickle, by joblib where it is installed. Classes of `__main__` come from the project's code."""
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
    """Writes what a model takes and answers into a project's folder: signature.json, expected.json, sample requests.

    `types` are types of columns that the rows do not tell, `outputs` the names of several outputs. Raises Problem.
    """
    folder = check_folder(folder)
    described = look(model, rows, types or {}, outputs)
    write({folder / name: text for name, text in make_files(described).items()})
    report(described, folder)


def check_folder(given: Any) -> Path:
    """The project's folder, which exists."""
    folder = find_folder(given and Path(given))
    if not folder.is_dir():
        raise Problem(f"there is no folder {folder}")
    return folder


def look(model: Any, rows: Any, types: dict[str, str], outputs: Sequence[str]) -> Described:
    """What a model takes, and what it answers for some of the rows."""
    library = find_library()
    model = library.unwrap(model)
    rows = select(model, prepare(rows))
    columns = name_columns(rows, types) if hasattr(rows, "columns") else []
    if outputs and not columns:
        raise Problem("--outputs needs a model that takes columns by name, and rows with a header")
    kept = keep(rows)
    records = to_records(kept, columns)
    given = kept if library.FRAMES else [[*each.values()] if isinstance(each, dict) else each for each in records]
    with progress("predicting"):
        answers = predict(model, given, outputs)
    if len(answers["predictions"]) != len(records):
        raise Problem(f"the model gives {len(answers['predictions'])} predictions for {len(records)} rows")
    return Described(model, rows, columns, records, answers)


def make_files(described: Described, **more: Any) -> dict[str, str | None]:
    """The texts of the files by name; None for one that such a model does not have. `more` goes to expected.json."""
    _, _, columns, records, answers = described
    signature = {"inputs": columns, "outputs": name_outputs(answers["predictions"])}
    return {
        "model/signature.json": to_text(signature) if columns else None,
        "model/expected.json": to_text({"inputs": records, **answers, "versions": find_versions(), **more}),
        "test/sample_request.json": to_text({"instances": records[:SHOWN]}),
        "test/sample_request.csv": to_csv(records[:SHOWN]),
    }


def report(described: Described, folder: Path) -> None:
    """Says what was written, and what to type next."""
    print(
        f"{len(described.records)} rows and what the model predicts for them are in {folder / 'model/expected.json'}."
    )
    if (folder / "test/run_local.sh").exists():
        print("Next, in the project: test/run_local.sh")


def select(model: Any, rows: Any) -> Any:
    """The columns that the model takes, as lists where its requests are."""
    if not hasattr(rows, "columns"):
        return rows
    library = find_library()
    rows = choose(rows, library.find_names(model))
    rows = library.prepare(model, rows) if hasattr(library, "prepare") else rows
    if library.takes_columns(model, rows):
        return rows
    print("The model knows no names of columns: requests are lists, in this order:", ", ".join(rows.columns))
    rows = rows.astype({name: int for name in rows.columns if rows[name].dtype == bool})  # as csv has numbers only
    return [list(record.values()) for record in to_records(rows, [])]


def predict(model: Any, rows: Any, names: Sequence[str]) -> dict[str, list[Any]]:
    """What the model answers, as JSON: predictions, and probabilities where it has them."""
    try:
        answers = find_library().predict(model, rows)
    except Problem:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise Problem(f"the model does not predict these rows ({reason}). {HINT}") from None
    found = {kind: to_json(values) for kind, values in answers.items()}
    if len(names) > 1:
        if any(not isinstance(each, (list, dict)) or len(each) != len(names) for each in found["predictions"]):
            raise Problem(f"--outputs has {len(names)} names, and a prediction is {found['predictions'][0]}")
        values = (list(each.values()) if isinstance(each, dict) else each for each in found["predictions"])
        found["predictions"] = [dict(zip(names, each)) for each in values]  # noqa: B905
    return found


def find_versions() -> dict[str, str]:
    """The versions of the libraries in use."""
    found = {name: sys.modules[module] for module, name in LIBRARIES.items() if module in sys.modules}
    return {name: str(module.__version__) for name, module in sorted(found.items()) if hasattr(module, "__version__")}


if __name__ == "__main__":
    sys.exit(main())
