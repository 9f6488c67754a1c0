"""Run a command: python3 deploy/deployer COMMAND. The scripts in deploy/ call this."""

from __future__ import annotations

import argparse
import ast
import os
import re
import signal
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import NoReturn

DEPLOY = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[0] = str(DEPLOY)


def require_python() -> None:
    """Exit with 2 if this Python is too old."""
    if sys.version_info < (3, 9):  # noqa: UP036  deploy.py and fit.py run on whatever python3 is found
        print("ERROR: python3 must be Python 3.9 or newer.", file=sys.stderr)
        sys.exit(2)


def require_boto3() -> None:
    """Exit with 2 unless boto3 can be imported; if only the project's .venv has it, re-run with that Python."""
    if util.find_spec("boto3"):
        return
    folder = DEPLOY.parent / ".venv"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    elsewhere = python.exists() and Path(sys.prefix).resolve() != folder.resolve()
    if elsewhere and not subprocess.run([python, "-c", "import boto3"], capture_output=True).returncode:
        command = [str(python), *sys.argv]
        if os.name == "nt":  # on Windows execv() ends this program at once, with status 0
            sys.exit(subprocess.run(command).returncode)
        os.execv(python, command)
    print("ERROR: boto3 is missing. Run: python3 -m pip install boto3", file=sys.stderr)
    sys.exit(2)


class Parser(argparse.ArgumentParser):
    """Argument parser whose errors say how to get help."""

    def error(self, message: str) -> NoReturn:
        """Say how to get help and exit with 2."""
        self.exit(2, f"ERROR: {message}\nTry: {self.prog} --help\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and print its result as the last line of standard output. Return the exit status."""
    try:
        return run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # while modules are being imported
        return 130


def run(arguments: list[str]) -> int:
    """Run a command line."""
    require_python()
    from deployer.project import COMMANDS

    name, *given = arguments or ["--help"]
    if name not in COMMANDS:
        return list_commands(name)
    if {"--help", "-h"} & set(given):
        sys.stdout.write(f"{help_of(name)}\n")
        return 0
    require_boto3()
    from deployer import hints, settings
    from deployer.project import Settings, command_module

    module = command_module(name)
    parser = Parser(prog=hints.command(name), add_help=False, allow_abbrev=False)
    getattr(module, "arguments", lambda _: None)(parser)
    values = parser.parse_args(given)
    signals = ("SIGTERM", "SIGHUP")  # handled like Ctrl-C: the command cleans up what it created
    for each in (getattr(signal, word) for word in signals if hasattr(signal, word)):
        if signal.getsignal(each) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(each, lambda number, _: sys.exit(128 + number))
    try:
        known = settings.read(Settings)
    except (settings.SettingError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    try:
        show(module.run(known, values))
    except BaseException as error:
        return hints.explain(known, error)
    return 0


def help_of(name: str) -> str:
    """Return the docstring of a command's module, without importing it: help works without boto3."""
    from deployer.hints import suggest_deploy_py
    from deployer.project import COMMANDS

    source = (DEPLOY / "deployer" / f"{COMMANDS[name]}.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    if "fit" not in COMMANDS:  # there is no training image that submit_build could build
        text = re.sub(r" \[train\]|, or the training image,", "", text)
    return re.sub(r"\bdeploy/(?:iam/)?(\w+)\.sh", r"deploy/deploy.py \1", text) if suggest_deploy_py() else text


def list_commands(given: str) -> int:
    """List the commands. Return the exit status."""
    from deployer.hints import suggest_deploy_py
    from deployer.project import COMMANDS

    wrong = given not in ("--help", "-h")
    reason = f"ERROR: invalid choice: {given!r}\n" if wrong else ""
    names = "\n".join(f"  {name}" for name in COMMANDS)
    program = "deploy/deploy.py" if suggest_deploy_py() else "deploy/deployer/run"
    usage = f"Usage: {program} COMMAND\n\nCommands (see COMMAND --help):\n\n{names}"
    print(f"{reason}{usage}", file=sys.stderr if wrong else sys.stdout)
    return 2 if wrong else 0


def show(result: str | bytes) -> None:
    """Print a result, ending in a newline."""
    from deployer.aws import exit_on_closed_pipe

    exit_on_closed_pipe()
    data = result.encode() if isinstance(result, str) else result
    sys.stdout.buffer.write(data if data.endswith(b"\n") else data + b"\n")


if __name__ == "__main__":
    sys.exit(main())
