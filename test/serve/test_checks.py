"""Checks the templates' Python, shell and configuration files with their linters, and the pinned requirements."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import TEMPLATES, assemble

CONFIG = Path(__file__).with_name("pyproject.toml")
BIN = Path(sys.executable).parent
PYTHON = [
    str(path) for path in TEMPLATES.rglob("*") if path.is_file() and (path.suffix == ".py" or path.name == "serve")
]
DEPLOY = TEMPLATES / "deploy"
DEPLOYER = sorted((DEPLOY / "deployer").rglob("*.py"))
SHELL = [*sorted(TEMPLATES.rglob("*.sh")), DEPLOY / "deployer/run"]
# Not available on Windows.
POSIX_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "crypt", "syslog"}
POSIX_NAMES = {"fork", "forkpty", "getuid", "geteuid", "getpgid", "setsid", "killpg", "mkfifo", "wait4", "alarm"}


def check(*command: object, cwd: Path | None = None) -> None:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_ruff_passes(arguments: list[str], samples: dict[str, Path], tmp_path: Path) -> None:
    """Run ruff in an empty folder: it treats modules as first-party if there is a folder of the same name."""
    files = [*PYTHON, samples["joblib"] / "sample_model/train.py", Path(__file__).parents[1]]
    check(BIN / "ruff", *arguments, "--no-cache", "--config", CONFIG, *files, cwd=tmp_path)


@pytest.mark.parametrize(("variant", "name"), [("fastapi", "joblib"), ("flask", "skops")])
def test_mypy_passes(variant: str, name: str, samples: dict[str, Path], tmp_path: Path) -> None:
    folder = assemble(tmp_path / "project", variant, samples[name], multi_model=True)
    mypy = [sys.executable, "-m", "mypy", "--config-file", CONFIG, "--cache-dir", tmp_path / "mypy"]
    others = [samples[name] / "sample_model/train.py", TEMPLATES / "test/test/local_server.py"]
    others += sorted(
        path for tool in ("describe", "convert") for path in (TEMPLATES / "tools" / tool / "tools").glob("*.py")
    )
    check(*mypy, ".", "serve", *others, cwd=folder / "code")


def test_mypy_passes_for_the_deployer_of_a_default_project(tmp_path: Path) -> None:
    check(sys.executable, "-m", "mypy", "--config-file", CONFIG, "--cache-dir", tmp_path, "-p", "deployer", cwd=DEPLOY)


@pytest.mark.parametrize("file", DEPLOYER, ids=lambda file: file.relative_to(DEPLOY).as_posix())
def test_the_deployer_supports_python_3_9_and_windows(file: Path) -> None:
    tree = ast.parse(file.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert POSIX_MODULES.isdisjoint(alias.name.partition(".")[0] for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in POSIX_MODULES
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "signal"):
            assert POSIX_NAMES.isdisjoint(alias.name for alias in node.names)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "signal"):
            assert node.attr not in POSIX_NAMES


WITHOUT_POSIX = """
import importlib, os, pkgutil, signal, sys
missing, names = sys.argv[1].split(), sys.argv[2].split()
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in missing: raise ModuleNotFoundError(f"No module named {name!r}, as on Windows", name=name)
sys.meta_path.insert(0, Finder())
import boto3, multiprocessing, subprocess, tempfile, zipfile  # these detect what is available
for name in missing: sys.modules.pop(name, None)
for module in (os, signal):
    for name in [*names, "SIGHUP", "SIGPIPE"]:
        if hasattr(module, name): delattr(module, name)
import deployer
for each in pkgutil.walk_packages(deployer.__path__, "deployer."):
    print(importlib.import_module(each.name).__name__)
"""


def test_the_deployer_can_be_imported_without_posix_modules() -> None:
    command = [sys.executable, "-B", "-c", WITHOUT_POSIX, " ".join(POSIX_MODULES - {"posix"}), " ".join(POSIX_NAMES)]
    done = subprocess.run(command, cwd=DEPLOY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 20


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_accepts_its_configuration() -> None:
    check("nginx", "-t", "-c", TEMPLATES / "servers/flask/code/nginx.conf")


def test_scripts_are_executable() -> None:
    for file in [*SHELL, TEMPLATES / "container/code/serve", DEPLOY / "deploy.py"]:
        assert file.stat().st_mode & 0o111, file


@pytest.mark.parametrize("file", sorted((TEMPLATES / "requirements").glob("*.txt")), ids=lambda file: file.stem)
def test_requirements_are_pinned_and_say_what_needs_them(file: Path) -> None:
    lines = file.read_text().splitlines()
    names = {line.partition("==")[0] for line in lines}
    assert lines == sorted(lines, key=lambda line: line.partition("=")[0])
    for line in lines:
        pin, _, via = line.partition("  # via ")
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; \w+ [!=]= \"\w+\")?", pin), pin
        assert {name.partition("[")[0] for name in via.split(", ") if name} <= names, line


def test_files_are_short() -> None:
    for path in PYTHON:
        max_lines = 750 if path.endswith("/check_contract.py") else 250  # a standalone program in one file
        assert len(Path(path).read_text().splitlines()) <= max_lines, path
