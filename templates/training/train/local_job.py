"""Run a training job on this machine, with SageMaker's folder layout. Called by run_local.sh; see its --help.

--check only checks the arguments, with the standard library alone: requirements.txt may not be installed yet.
"""

import argparse
import json
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
MODEL = PROJECT / "model"
REQUEST = PROJECT / "test/sample_request.json"
SAMPLE = PROJECT / "sample_model/sample.py"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="train/run_local.sh")
    parser.add_argument("train", nargs="?", type=Path)
    parser.add_argument("--validation", type=Path)
    parser.add_argument("--hyperparameter", action="append", default=[])
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    before = [path for path in MODEL.glob("*") if not path.name.startswith(".")]
    check(given, before)
    if given.check:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        prepare(root, given)
        environ = {**os.environ, "SAGEMAKER_BASE_DIR": folder}
        done = subprocess.run([sys.executable, PROJECT / "train/train.py"], env=environ, stdout=sys.stderr)
        if done.returncode:
            sys.exit(done.returncode)
        for path in before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(root / "model", MODEL, dirs_exist_ok=True)
        write_request(root / "input/data/train")
    test = PROJECT / "test/run_local.sh"
    say(f"Next: {os.path.relpath(test) if test.exists() else 'SM_MODEL_DIR=model code/serve'}")
    print(MODEL)


def check(given: argparse.Namespace, before: list[Path]) -> None:
    """Exit if the data does not exist, or if there is already a model and --force was not given."""
    for path in (given.train, given.validation):
        if path and not path.exists():
            sys.exit(f"ERROR: There is no file or folder {path}.")
    if not given.train and not SAMPLE.exists():
        sys.exit("ERROR: There is no training data.\nPass a CSV file: train/run_local.sh TRAIN.csv")
    if before and not given.force:
        sys.exit(f"ERROR: There is already a model in {MODEL}.\n--force replaces it.")


def prepare(root: Path, given: argparse.Namespace) -> None:
    """Write input/data and input/config, as SageMaker does."""
    data, config = root / "input/data", root / "input/config"
    config.mkdir(parents=True)
    channels = {name: path for name, path in (("train", given.train), ("validation", given.validation)) if path}
    for name, path in channels.items():
        if path.is_dir():
            shutil.copytree(path, data / name)
        else:
            (data / name).mkdir(parents=True)
            shutil.copy(path, data / name)
    content = {
        "hyperparameters": dict(pair.partition("=")[::2] for pair in given.hyperparameter),
        "inputdataconfig": {name: {"ContentType": "text/csv"} for name in channels or write_sample_data(data)},
        "resourceconfig": {"current_host": "algo-1", "hosts": ["algo-1"]},
    }
    for name, each in content.items():
        (config / f"{name}.json").write_text(json.dumps(each))


def write_sample_data(data: Path) -> list[str]:
    """Write the sample's data as CSV. Return the channels."""
    import numpy as np

    train_x, train_y, test_x, test_y = runpy.run_path(str(SAMPLE))["make_data"]()
    channels = {"train": (train_y, train_x), "validation": (test_y, test_x)}
    for name, columns in channels.items():
        (data / name).mkdir(parents=True)
        np.savetxt(data / name / "houses.csv", np.column_stack(columns), "%.6g", ",")
    return list(channels)


def write_request(channel: Path) -> None:
    """Write a sample request with two of the records, unless there is one."""
    import numpy as np
    from inputs import read_channel

    if not REQUEST.exists():
        with redirect_stdout(None):  # the job already printed these messages
            records = np.nan_to_num(read_channel(channel, takes_missing=True).x[:2])
        REQUEST.parent.mkdir(exist_ok=True)
        REQUEST.write_text(json.dumps({"instances": records.tolist()}) + "\n")


if __name__ == "__main__":
    main()
