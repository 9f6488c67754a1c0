"""train/run_local.sh, with this interpreter instead of the virtual environment that it would create."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import TEMPLATES, lock_nothing, write_sample


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    shutil.copytree(TEMPLATES / "training/train", folder / "train")
    template = (TEMPLATES / "frameworks/sklearn/train/train.py.ejs").read_text()
    (folder / "train/train.py").write_text(template.replace("<%= project.format.name %>", '"joblib"'))
    (folder / "model").mkdir()
    lock_nothing(folder, ".", "train")
    return folder


def train(project: Path, *arguments: object) -> "subprocess.CompletedProcess[str]":
    script = project / "train/run_local.sh"
    environ = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(
        [script, *map(str, arguments)], env=environ, cwd=project.parent, capture_output=True, text=True
    )


def test_a_model_trained_on_a_csv_file_is_written_to_the_model_folder(project: Path) -> None:
    (project.parent / "prices.csv").write_text("price,rooms,size\n1,2,30\n2,4,50\n3,5,70\n")
    done = train(project, "prices.csv", "--hyperparameter", "alpha=0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{project}/model\n"
    metadata = json.loads((project / "model/metadata.json").read_text())
    assert (metadata["features"], metadata["hyperparameters"]["alpha"]) == (2, 0.5)
    request = json.loads((project / "test/sample_request.json").read_text())
    assert request == {"instances": [[2, 30], [4, 50]]}


def test_an_existing_model_is_replaced_only_with_force(project: Path) -> None:
    write_sample(project, "joblib")
    (project / "model/mine.joblib").write_text("mine")
    done = train(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--force replaces it" in done.stderr
    done = train(project, "--force")
    assert done.returncode == 0, done.stderr
    assert "validation:rmse=" in done.stderr
    assert sorted(path.name for path in (project / "model").iterdir()) == ["metadata.json", "model.joblib"]


def test_a_failure_leaves_the_model_folder_unchanged(project: Path) -> None:
    (project / "bad.csv").write_text("1,2\n3,x\n")
    done = train(project, project / "bad.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ERROR: train/bad.csv, line 2: column 2 is 'x', not a number." in done.stderr
    assert "There is no training data" in train(project).stderr
    assert "There is no file or folder nowhere.csv" in train(project, "nowhere.csv").stderr
    assert train(project, "--fast").returncode == 2
    assert train(project, "--help").stdout.startswith("Usage: train/run_local.sh")
    assert list((project / "model").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fast"], "unrecognized arguments: --fast"),
        (["nowhere.csv"], "There is no file or folder nowhere.csv"),
        ([], "There is no training data"),
    ],
)
def test_arguments_are_checked_before_anything_is_installed(project: Path, arguments: list[str], message: str) -> None:
    shutil.rmtree(project / "train/.venv")
    done = train(project, *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert not (project / "train/.venv").exists()


def test_the_first_run_installs_the_requirements(project: Path) -> None:
    (project.parent / "prices.csv").write_text("price,rooms\n1,2\n")
    (project / "train/.venv/installed.txt").unlink()
    done = train(project, "prices.csv")  # which fails: there are no requirements, so NumPy is missing
    assert "Installing train/requirements.txt" in done.stderr
    assert "BrokenPipeError" not in done.stderr
    assert (project / "train/.venv/installed.txt").read_text().endswith("# nothing to install\n")


EXITS = """
import sys
from dataclasses import dataclass
from job import run

@dataclass(frozen=True)
class Hyperparameters:
    pass

run(lambda job, given: sys.exit(0), Hyperparameters, {})
"""


def test_training_code_that_exits_is_a_failure(project: Path) -> None:
    (project / "train/train.py").write_text(EXITS)
    (project.parent / "prices.csv").write_text("1,2\n2,4\n")
    done = train(project, "prices.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ERROR: train() ended the process: 0\n" in done.stderr
