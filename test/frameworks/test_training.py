"""train/train.py of every framework and format, as a process with SageMaker's folders."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from project import Server, wait_for

HOUSES, FEATURES = 300, 4


class Traits(NamedTuple):
    """Traits that differ by framework."""

    rounds: str = ""  # the hyperparameter for their number; empty: the fit is one step, which cannot be stopped
    many: int = 0  # a number of rounds that takes some seconds
    classifies: bool = True
    accepts_missing: bool = False
    bad: str = "seed=x"  # an invalid hyperparameter


TRAITS = {
    "sklearn": Traits(bad="max_iter=x"),
    "xgboost": Traits("num_round", 500, accepts_missing=True),
    "lightgbm": Traits("num_iterations", 500, accepts_missing=True),
    "catboost": Traits("iterations", 2000, accepts_missing=True),
    "tensorflow": Traits("epochs", 100),
    "pytorch": Traits("epochs", 100),
    "onnx": Traits(classifies=False, bad="alpha=x"),
    "custom": Traits(classifies=False, bad="cutoff=x"),
}
CLASSIFYING = [name for name, each in TRAITS.items() if each.classifies]
IN_ROUNDS = [name for name, each in TRAITS.items() if each.rounds]
IN_ONE_STEP = [name for name, each in TRAITS.items() if not each.rounds]


@pytest.fixture(scope="session")
def traits(request: pytest.FixtureRequest) -> Traits:
    return TRAITS[request.config.getoption("framework")]


class Job:
    """The folders and the process of a job."""

    def __init__(self, project: Path, root: Path, **hyperparameters: object) -> None:
        self.project, self.root = project, root
        self.add_channel("train", *make_houses(1))
        self.configure("hyperparameters", {name: str(value) for name, value in hyperparameters.items()})
        self.configure("resourceconfig", {"current_host": "algo-1", "hosts": ["algo-1"]})

    def configure(self, name: str, content: object) -> None:
        (self.root / "input/config").mkdir(parents=True, exist_ok=True)
        (self.root / f"input/config/{name}.json").write_text(json.dumps(content))

    def add_channel(self, name: str, x: Any, y: Any) -> Path:
        folder = self.root / "input/data" / name
        folder.mkdir(parents=True, exist_ok=True)
        np.savetxt(folder / "houses.csv", np.column_stack([y, x]), "%.6g", ",")
        channels = sorted(path.name for path in folder.parent.iterdir())
        self.configure("inputdataconfig", {each: {"ContentType": "text/csv"} for each in channels})
        return folder / "houses.csv"

    def start(self, *through: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *through, self.project / "train/train.py", "train"],
            env={**os.environ, "SAGEMAKER_BASE_DIR": str(self.root)},
            stdout=(self.root / "log").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> int:
        return self.start().wait()

    def log(self) -> str:
        return (self.root / "log").read_text()

    def failure(self) -> str:
        return (self.root / "output/failure").read_text()

    def model(self) -> list[str]:
        return sorted(path.name for path in (self.root / "model").iterdir())

    def metadata(self) -> Any:
        return json.loads((self.root / "model/metadata.json").read_text())

    def epochs(self) -> list[int]:
        return [int(epoch) for epoch in re.findall(r"epoch=(\d+)$", self.log(), re.MULTILINE)]


def make_houses(seed: int, classes: int = 0) -> tuple[Any, Any]:
    random = np.random.default_rng(seed)
    x = random.uniform(0, 10, (HOUSES, FEATURES))
    y = 100 + x @ [10, 5, 2, 0] + random.normal(0, 2, HOUSES)
    return x, np.digitize(y, np.linspace(120, 230, classes + 1)[1:-1]) if classes else y


def ask(job: Job, records: Any, folder: Path) -> Any:
    """Return the predictions of the project's own server with the job's model."""
    project = folder / "project"
    shutil.copytree(job.project, project, ignore=shutil.ignore_patterns("model", "train"))
    shutil.copytree(job.root / "model", project / "model")
    with Server(project, "fastapi", SM_LOG_LEVEL="WARNING") as server:
        reply = server.wait_until_ready().invoke({"instances": np.asarray(records).tolist()})
    assert reply.status == 200, reply.body
    return np.array(reply.json()["predictions"], float)


def test_a_trained_model_has_metrics_and_metadata_and_is_served(one: Path, tmp_path: Path) -> None:
    job = Job(one, tmp_path / "ml", sagemaker_job_name="x")
    x, y = make_houses(2)
    job.add_channel("validation", x, y)
    assert job.run() == 0, job.log()
    assert not (job.root / "output/failure").exists()
    metrics = job.metadata()["metrics"]
    assert set(metrics) == {"train:rmse", "validation:rmse"}
    for name, value in metrics.items():  # parsed like the MetricDefinitions in deployer/requests/training.py
        assert float(re.findall(f"{name}=([0-9.eE+-]+)", job.log())[-1]) == pytest.approx(value, rel=1e-4)
    assert metrics["validation:rmse"] < y.std() / 2
    about = job.metadata()
    assert (about["task"], about["features"]) == ("regression", FEATURES)
    assert one.name.split("-")[1] in (about["format"], "own")
    assert re.match(r"\d+\.\d+", about["version"])
    loss = np.sqrt(np.mean(np.square(ask(job, x, tmp_path).ravel() - y)))
    assert loss == pytest.approx(metrics["validation:rmse"], rel=1e-3)


@pytest.mark.only_for(CLASSIFYING)
def test_classes_are_learned(first: Path, tmp_path: Path) -> None:
    job = Job(first, tmp_path / "ml", task='"classification"')
    x, y = make_houses(1, classes=3)
    job.add_channel("train", x, y)
    job.add_channel("validation", *make_houses(2, classes=3))
    assert job.run() == 0, job.log()
    assert set(job.metadata()["metrics"]) == {"train:logloss", "validation:logloss"}
    predictions = ask(job, x, tmp_path)
    found = predictions.argmax(axis=1) if predictions.ndim == 2 else predictions
    assert (found == y).mean() > 0.8


@pytest.mark.only_for(CLASSIFYING)
def test_two_classes_are_learned(first: Path, tmp_path: Path) -> None:
    job = Job(first, tmp_path / "ml", task="classification")
    job.add_channel("train", *make_houses(1, classes=2))
    assert job.run() == 0, job.log()
    assert job.metadata()["metrics"]["train:logloss"] < 0.4


def test_missing_values_are_supported_or_reported(first: Path, traits: Traits, tmp_path: Path) -> None:
    job = Job(first, tmp_path / "ml")
    path = job.root / "input/data/train/houses.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, "120,1,,3,4"]))
    assert job.run() == (0 if traits.accepts_missing else 1), job.log()
    if not traits.accepts_missing:
        assert job.failure() == f"train/houses.csv, line {HOUSES + 1}: column 3 is missing."


@pytest.mark.only_for(IN_ROUNDS)
def test_a_stopped_job_saves_a_checkpoint_and_resumes_from_it(first: Path, traits: Traits, tmp_path: Path) -> None:
    job = Job(first, tmp_path / "ml", **{traits.rounds: traits.many})
    checkpoints = job.root / "checkpoints"
    checkpoints.mkdir()
    process = job.start()
    wait_for(lambda: len(job.epochs()) >= 3, "three rounds", 120)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, job.log()
    stopped = job.epochs()[-1]
    assert stopped < traits.many
    assert "metadata.json" in job.model()
    [checkpoint] = checkpoints.iterdir()
    assert checkpoint.stem.endswith(f"-{stopped:06}")

    shutil.rmtree(job.root / "model")
    assert job.run() == 0, job.log()
    assert f"Resuming after epoch {stopped} from checkpoint {checkpoint.name}" in job.log()
    assert job.epochs() == list(range(stopped + 1, traits.many + 1))
    assert count_rounds(job.root / "model") in (None, traits.many)

    # With other hyperparameters, the checkpoint is not used.
    shutil.rmtree(job.root / "model")
    job.configure("hyperparameters", {traits.rounds: "2"})
    assert job.run() == 0, job.log()
    assert job.epochs() == [1, 2]

    # A job that resumes after its last round only saves the model.
    shutil.rmtree(job.root / "model")
    job.configure("hyperparameters", {traits.rounds: str(traits.many)})
    key, _, _ = checkpoint.name.partition("-")
    [checkpoint] = checkpoints.glob(f"{key}-*")
    checkpoint.rename(checkpoint.with_stem(f"{key}-{traits.many:06}"))
    assert job.run() == 0, job.log()
    assert "metadata.json" in job.model()


def count_rounds(model_dir: Path) -> int | None:
    """Return the number of rounds in a model, if it records them."""
    if (path := model_dir / "model.txt").exists():
        import lightgbm

        return int(lightgbm.Booster(model_file=path).num_trees())
    if (path := model_dir / "model.cbm").exists():
        import catboost

        return int(catboost.CatBoost().load_model(path).tree_count_)
    if (path := model_dir / "model.json").exists():
        import xgboost

        return int(xgboost.Booster(model_file=path).num_boosted_rounds())
    return None


@pytest.mark.only_for(IN_ONE_STEP)
def test_a_job_whose_fit_is_one_step_stops_immediately_without_a_model(first: Path, tmp_path: Path) -> None:
    job = Job(first, tmp_path / "ml")
    path = job.root / "input/data/train/houses.csv"
    path.write_text(path.read_text() * 5000)  # takes some seconds to read
    process = job.start()
    wait_for(lambda: "Hyperparameters:" in job.log(), "the job", 60)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert "no model is written" in job.log()
    assert not list((job.root / "model").glob("*"))


SIGTERM_DURING_MKDIR = """
import os, runpy, signal, sys
make = os.mkdir
def mkdir(path, *more):
    make(path, *more)
    if os.path.basename(path).startswith("."):
        os.kill(os.getpid(), signal.SIGTERM)
os.mkdir = mkdir
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.only_for(IN_ONE_STEP)
def test_a_job_that_is_stopped_during_its_start_leaves_no_files(first: Path, tmp_path: Path) -> None:
    job = Job(first, tmp_path / "ml")
    assert job.start("-c", SIGTERM_DURING_MKDIR).wait(60) == 143, job.log()
    assert list((job.root / "model").iterdir()) == []


FAILURES = {
    "no channel": (
        lambda job: job.configure("inputdataconfig", {"test": {}}),
        "The job has no channel named train. .* test",
    ),
    "no data": (
        lambda job: (job.root / "input/data/train/houses.csv").unlink(),
        "There are no records in channel train",
    ),
    "a broken line": (
        lambda job: (job.root / "input/data/train/houses.csv").write_text("1,2,3\n1,2,x\n"),
        "^train/houses.csv, line 2: column 3 is 'x', not a number.$",
    ),
    "another content type": (
        lambda job: job.configure("inputdataconfig", {"train": {"ContentType": "application/x-parquet"}}),
        "application/x-parquet, but must be text/csv",
    ),
    "a pipe": (
        lambda job: job.configure("inputdataconfig", {"train": {"TrainingInputMode": "Pipe"}}),
        "use File or FastFile",
    ),
    "other features to validate": (
        lambda job: job.add_channel("validation", np.zeros((2, 7)), np.zeros(2)),
        "validation has 7 features, but channel train has 4",
    ),
    "two machines": (lambda job: job.configure("resourceConfig", {"hosts": ["a", "b"]}), "set its instance count to 1"),
    "no write permission": (lambda job: (job.root / "model").symlink_to("/proc"), "model cannot be written to .*model"),
}


def test_the_failure_names_an_invalid_hyperparameter(first: Path, traits: Traits, tmp_path: Path) -> None:
    name, _, value = traits.bad.partition("=")
    job = Job(first, tmp_path / "ml", **{name: value})
    assert job.run() == 1, job.log()
    assert re.search(f"{name} must be a .*number.*'{value}'", job.failure())
    assert not (job.root / "model").exists()


@pytest.mark.only_for(["custom"])  # it starts fastest, and the code is the same for all
def test_a_failure_has_a_reason_and_leaves_no_model(first: Path, tmp_path: Path) -> None:
    wrong = []
    for name, (damage, message) in FAILURES.items():
        job = Job(first, tmp_path / name)
        (job.root / "input/config/resourceconfig.json").unlink()
        damage(job)
        status = job.run()
        text = job.failure()
        if status != 1 or not re.search(message, text) or f"ERROR: {text}\n" not in job.log():
            wrong.append(f"{name}: exit status {status}: {text}")
        if list(job.root.rglob("metadata.json")):
            wrong.append(f"{name}: left a model")
    assert not wrong, "\n".join(wrong)
