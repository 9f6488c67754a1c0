"""The templates' Python, shell and configuration, checked by the tools of each; and the pinned requirements."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import TEMPLATES, assemble

CONFIG = Path(__file__).with_name("pyproject.toml")
BIN = Path(sys.executable).parent
# But for the parts of deploy/resources.py, which test/generate checks when they are one file.
PYTHON = [
    str(path)
    for path in TEMPLATES.rglob("*")
    if path.is_file() and (path.suffix == ".py" or path.name == "serve") and path.parent.name != "resources"
]


def check(*command: object, cwd: Path | None = None) -> None:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_ruff_is_content(arguments: list[str], samples: dict[str, Path], tmp_path: Path) -> None:
    """Run in an empty folder: ruff sorts a module as our own where a folder beside it has its name."""
    files = [*PYTHON, samples["joblib"] / "sample_model/train.py", Path(__file__).parents[1]]
    check(BIN / "ruff", *arguments, "--no-cache", "--config", CONFIG, *files, cwd=tmp_path)


@pytest.mark.parametrize(("variant", "name"), [("fastapi", "joblib"), ("flask", "skops")])
def test_mypy_is_content(variant: str, name: str, samples: dict[str, Path], tmp_path: Path) -> None:
    folder = assemble(tmp_path / "project", variant, samples[name], multi_model=True)
    mypy = [sys.executable, "-m", "mypy", "--config-file", CONFIG, "--cache-dir", tmp_path / "mypy"]
    others = [samples[name] / "sample_model/train.py", TEMPLATES / "test/test/local_server.py"]
    others += sorted(
        path for tool in ("describe", "convert") for path in (TEMPLATES / "tools" / tool / "tools").glob("*.py")
    )
    check(*mypy, ".", "serve", *others, cwd=folder / "code")


def test_shellcheck_is_content() -> None:
    check(BIN / "shellcheck", TEMPLATES / "test/test/run_local.sh", TEMPLATES / "project/lock.sh")


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_takes_its_configuration_as_it_stands() -> None:
    check("nginx", "-t", "-c", TEMPLATES / "servers/flask/code/nginx.conf")


def test_files_that_are_run_are_executable() -> None:
    for name in ("container/code/serve", "project/lock.sh", "test/test/run_local.sh"):
        assert (TEMPLATES / name).stat().st_mode & 0o111, name


@pytest.mark.parametrize("file", sorted((TEMPLATES / "requirements").glob("*.txt")), ids=lambda file: file.stem)
def test_a_set_of_requirements_pins_all_and_says_what_needs_it(file: Path) -> None:
    lines = file.read_text().splitlines()
    names = {line.partition("==")[0] for line in lines}
    assert lines == sorted(lines, key=lambda line: line.partition("=")[0])
    for line in lines:
        pin, _, via = line.partition("  # via ")
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; \w+ [!=]= \"\w+\")?", pin), pin
        assert {name.partition("[")[0] for name in via.split(", ") if name} <= names, line


def test_files_are_short_enough_to_be_read() -> None:
    for path in PYTHON:
        most = 750 if path.endswith("/check_contract.py") else 250  # a whole program in one file, to be copied alone
        assert len(Path(path).read_text().splitlines()) <= most, path
