"""What to type next: the commands this project has, as its user calls them. Imported without boto3, for help."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from deployer.project import COMMANDS, command_module
from deployer.settings import DEPLOY, PROJECT, SettingError, Settings
from deployer.state import recall

POSIX = os.name == "posix"
DEPLOY_PY = DEPLOY / "deploy.py"
# Scripts outside deploy/.
ELSEWHERE = {
    "create_role": "deploy/iam/create_role.sh",
    "build_training": "train/build_and_push.sh",
    "fit": "train/fit.py",
}


def quote(*words: str) -> str:
    """Quote words for the shell."""
    return shlex.join(words) if POSIX else subprocess.list2cmdline(words)


def command_line(file: str, *arguments: str) -> str:
    """Return the command line that runs or names a file of the project from the current folder."""
    path = str(PROJECT / file)
    with suppress(ValueError):  # the project is on another drive
        path = min(os.path.relpath(path), path, key=len)
    if not os.path.dirname(path):  # a shell would search PATH for it
        path = os.path.join(".", path)
    python = ["python3" if POSIX else "python"] if file.endswith(".py") else []
    return quote(*python, path, *arguments)


def suggest_deploy_py() -> bool:
    """Whether to suggest deploy.py: it is what was called, or the shell scripts do not run (Windows)."""
    return DEPLOY_PY.exists() and (Path(sys.argv[0]).name == DEPLOY_PY.name or not POSIX)


def command(name: str, *arguments: str) -> str:
    """Return the command line that runs a command of this project from the current folder."""
    script = ELSEWHERE.get(name, f"deploy/{name}.sh")
    if suggest_deploy_py() or (not (PROJECT / script).exists() and DEPLOY_PY.exists()):
        return command_line("deploy/deploy.py", name, *arguments)
    return command_line(script, *arguments)


def with_variable(name: str, value: str, line: str) -> str:
    """Prefix a command line with a variable, unless it is empty. On Windows, for PowerShell."""
    if not value:
        return line
    return f"{name}={shlex.quote(value)} {line}" if POSIX else f"$env:{name} = '{value}'; {line}"


def build_command(settings: Settings) -> str:
    """Return the command that builds an image for this instance type."""
    build = command("submit_build" if "submit_build" in COMMANDS else "build_and_push")
    return with_variable("INSTANCE_TYPE", getattr(settings, "instance_type", ""), build)


def deploy_command(settings: Settings, **variables: str) -> str:
    """Return the command that deploys, preceded by the one that creates a role if there is none.

    `variables` are passed if the settings have other values.
    """
    if not (DEPLOY / "deploy.sh").exists() and not DEPLOY_PY.exists():
        line = f"(cd {command_line('deploy/cdk')} && cdk deploy)"
    else:
        line = command("deploy")
    for name, value in variables.items():
        named = getattr(settings, name.lower())
        line = with_variable(name, value if named not in ("", value) else "", line)
    role = settings.role_arn or recall(settings, "role") or "cdk deploy" in line
    return line if role else f"{command('create_role')} && {line}"


def upload_command(settings: Settings) -> str:
    """Return the command that uploads a model; empty if one was uploaded."""
    return str(command_module("upload_model").upload_command(settings))


def after_build(settings: Settings, image: str) -> str:
    """Return the next command after this image is pushed."""
    return upload_command(settings) or deploy_command(settings, IMAGE_URI=image)


def invoke_command(settings: Settings) -> str:
    """Return the command that sends a request."""
    return str(command_module("upload_model").invoke_command(settings, sample_request()))


def sample_request() -> str:
    """Return the path of the sample request from the current folder, or FILE."""
    sample = "test/sample_request.json"
    return command_line(sample) if (PROJECT / sample).exists() else "FILE"


def cost_notice(what: str, until: str, service: str = "sagemaker") -> str:
    """Return a line that says what is billed, until when, and where to find prices."""
    return (
        f"Cost: {what} until {until}. Prices: https://aws.amazon.com/{service}/pricing/;"
        " your costs: https://console.aws.amazon.com/costmanagement/"
    )


def training_build_command() -> str:
    """Return the command that builds the training image."""
    return command("submit_build", "train") if "submit_build" in COMMANDS else command("build_training")


def training_command(settings: Settings) -> str:
    """Return the command that trains, preceded by the one that creates a role if there is none."""
    fit = f"{command('fit', 'TRAIN.csv')}"
    return fit if settings.role_arn or recall(settings, "role") else f"{command('create_role')} && {fit}"


# --- failures --------------------------------------------------------------------------------------------------------
def explain(settings: Settings, error: BaseException) -> int:
    """Print what went wrong and what to do. Return the exit status."""
    from botocore.exceptions import ClientError, ParamValidationError

    from deployer.aws import AWS_ERRORS, Failure, say

    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):  # already explained, or a signal
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, (ClientError, ParamValidationError)):
        short = re.sub("satisfy enum value set: .*", "be one that it supports", str(error))
        say(f"ERROR: {short}\n{advise(settings, str(error))}")
    elif isinstance(error, Failure):
        say("ERROR: " + "\n".join(error.args))
    elif isinstance(error, (SettingError, OSError, *AWS_ERRORS)):
        say(f"ERROR: {error}")
    else:
        traceback.print_exc()
    return 1


def advise(settings: Settings, refusal: str) -> str:
    """Return what to do about an error from AWS."""
    region, training = settings.aws_region, "TrainingJob" in refusal
    setting, document = ("TRAIN_INSTANCE_TYPE", "deployer-training") if training else ("INSTANCE_TYPE", "deployer")
    remedies = {
        "nstanceType.*enum value set": f"Set {setting} to a type that SageMaker has in {region}.",
        'Unknown parameter in (MetricsConfig|input: "MetricsConfig")': "This boto3 is too old for METRICS. Upgrade it: "
        "pip install --upgrade boto3. Or set METRICS=false.",
        " model data": f"Check that the model exists; {command('upload_model')} uploads it.",
        "ResourceLimitExceeded": f"Request an increase in Service Quotas (Amazon SageMaker), or set another {setting}.",
        "AccessDenied|not authorized": "Attach a policy that allows this to your user or role. To print one, run "
        f"{command('create_role', '--print', document)}",
    }
    found = (advice for pattern, advice in remedies.items() if re.search(pattern, refusal))
    return next(found, f"Region: {region}")
