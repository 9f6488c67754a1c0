"""The help of the commands, which works without boto3."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DEPLOY, make

from deployer import __main__
from deployer.project import COMMANDS


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the deployer with the standard library only."""
    python = [sys.executable, "-I", "-S", "-B"]
    return subprocess.run([*python, str(DEPLOY / "deployer"), *arguments], capture_output=True, text=True)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_a_command_prints_its_help_without_boto3(name: str, flag: str) -> None:
    done = run(name, "x", flag)
    assert (done.returncode, done.stderr) == (0, "")
    script = "deploy/iam/create_role.sh" if name == "create_role" else f"deploy/{name}.sh"
    assert done.stdout.startswith(f"Usage: {script}")


def test_the_commands_are_listed_without_boto3() -> None:
    for arguments in [(), ("--help",)]:
        assert run(*arguments).stdout.endswith("".join(f"\n  {name}" for name in COMMANDS) + "\n")
    unknown = run("deplyo")
    assert (unknown.returncode, unknown.stderr.splitlines()[0]) == (2, "ERROR: invalid choice: 'deplyo'")


@pytest.mark.parametrize("name", COMMANDS)
def test_running_a_command_without_boto3_says_in_one_line_what_to_type(name: str) -> None:
    done = run(name)
    assert done.returncode == 2
    assert done.stderr == "ERROR: boto3 is missing. Run: python3 -m pip install boto3\n"


def test_help_names_deploy_py_if_that_was_called(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project, "deploy/deploy.py")
    monkeypatch.setattr(sys, "argv", ["deploy/deploy.py", "create_role"])
    for name in COMMANDS:
        assert __main__.help_of(name).startswith(f"Usage: deploy/deploy.py {name}")
        assert not re.search(r"deploy/\S*\.sh", __main__.help_of(name))


def test_every_module_with_a_command_has_a_help_text() -> None:
    for file in (DEPLOY / "deployer").glob("*.py"):
        tree = ast.parse(file.read_text())
        is_command = any(isinstance(node, ast.FunctionDef) and node.name == "arguments" for node in tree.body)
        assert not is_command or file.stem == "checks" or (ast.get_docstring(tree) or "").startswith("Usage: "), file
