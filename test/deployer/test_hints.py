"""The hints on what to type next and the messages for failures, with the commands that a project has."""

import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError
from conftest import ARCHIVE, COMMON, INSTANCE, Read, Realtime, make

from deployer import hints, settings, state
from deployer.aws import Failure
from deployer.project import COMMANDS

SCRIPTS = ("build_and_push.sh", "upload_model.sh", "deploy.sh", "invoke.sh", "delete.sh", "iam/create_role.sh")
ALL = tuple(f"deploy/{name}" for name in SCRIPTS)


@pytest.fixture
def known(read: Read) -> Realtime:
    """The settings of a project without a role and without a model."""
    return read(Realtime, **INSTANCE, ROLE_ARN="")


# --- quoting ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["plain-1.csv", "a b", "it's", 'say "so"', "$HOME", "a\\b", "größe", "*", "a;b&c"])
def test_words_are_quoted_for_the_shell(word: str) -> None:
    done = subprocess.run(["bash", "-c", f"printf %s {hints.quote(word)}"], capture_output=True, text=True)
    assert done.stdout == word


@pytest.mark.parametrize(("word", "quoted"), [("plain.csv", "plain.csv"), ("a b", '"a b"'), ("it's", "it's")])
def test_words_are_quoted_for_windows(monkeypatch: pytest.MonkeyPatch, word: str, quoted: str) -> None:
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.quote(word) == quoted


# --- paths -----------------------------------------------------------------------------------------------------------
def test_a_path_is_relative_to_the_current_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project, *ALL)
    assert hints.command_line("deploy/invoke.sh", "a b") == "deploy/invoke.sh 'a b'"
    monkeypatch.chdir(project / "deploy")
    assert hints.command_line("deploy/invoke.sh") == "./invoke.sh"
    monkeypatch.chdir(project.parent)
    assert hints.command_line("deploy/invoke.sh") == "project/deploy/invoke.sh"


def test_a_path_is_absolute_if_that_is_shorter(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr/share")
    monkeypatch.setattr(hints, "PROJECT", Path("/p"))
    assert hints.command_line("deploy/invoke.sh") == "/p/deploy/invoke.sh"


def test_a_path_with_special_characters_is_quoted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "it's a $project"
    folder.mkdir()
    monkeypatch.setattr(hints, "PROJECT", folder)
    assert hints.command_line("deploy/invoke.sh") == """'it'"'"'s a $project/deploy/invoke.sh'"""


def test_a_python_file_is_run_with_python(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hints.command_line("train/fit.py", "TRAIN.csv") == "python3 train/fit.py TRAIN.csv"
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.command_line("train/fit.py") == "python train/fit.py"


# --- scripts or deploy.py --------------------------------------------------------------------------------------------
def test_hints_name_the_scripts(project: Path) -> None:
    make(project, *ALL, "deploy/deploy.py")
    assert hints.command("deploy", "ROLE") == "deploy/deploy.sh ROLE"
    assert hints.command("create_role") == "deploy/iam/create_role.sh"
    assert hints.command("fit", "TRAIN.csv") == "python3 deploy/deploy.py fit TRAIN.csv"  # there is no train/fit.py


def test_hints_name_deploy_py_if_that_was_called(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project, *ALL, "deploy/deploy.py")
    monkeypatch.setattr(sys, "argv", ["deploy/deploy.py", "deploy"])
    assert hints.command("deploy", "ROLE") == "python3 deploy/deploy.py deploy ROLE"
    assert hints.command("create_role") == "python3 deploy/deploy.py create_role"


def test_hints_name_deploy_py_on_windows(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project, *ALL, "deploy/deploy.py")
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.command("delete", "--all") == "python deploy/deploy.py delete --all"


def test_hints_name_deploy_py_if_there_is_no_script(project: Path) -> None:
    make(project, *(name for name in ALL if name != "deploy/deploy.sh"), "deploy/deploy.py")
    assert hints.command("deploy") == "python3 deploy/deploy.py deploy"
    assert hints.command("delete") == "deploy/delete.sh"


# --- next steps ------------------------------------------------------------------------------------------------------
def test_deploying_without_a_role_begins_with_creating_one(project: Path, known: Realtime, read: Read) -> None:
    make(project, *ALL)
    assert hints.deploy_command(known) == "deploy/iam/create_role.sh && deploy/deploy.sh"
    assert hints.deploy_command(read(Realtime)) == "deploy/deploy.sh"
    state.record(known, "role", "arn:role")
    assert hints.deploy_command(known) == "deploy/deploy.sh"


def test_a_project_with_only_cdk_is_deployed_with_cdk(project: Path, known: Realtime) -> None:
    make(project, "deploy/build_and_push.sh", "deploy/cdk/app.py")
    assert hints.deploy_command(known) == "(cd deploy/cdk && cdk deploy)"


def test_after_the_build_comes_the_upload_and_then_the_deployment(project: Path, known: Realtime, read: Read) -> None:
    make(project, *ALL)
    assert hints.after_build(known, "new") == "deploy/upload_model.sh"
    pushed = COMMON["IMAGE_URI"]
    assert hints.after_build(read(Realtime, **ARCHIVE), pushed) == "deploy/deploy.sh"
    assert hints.after_build(read(Realtime, **ARCHIVE), "new") == "IMAGE_URI=new deploy/deploy.sh"
    state.record(known, "model", "s3://bucket/model.tar.gz")
    with_role = "deploy/iam/create_role.sh && deploy/deploy.sh"
    assert hints.after_build(known, known.image_uri) == with_role


def test_values_that_the_settings_lack_are_passed_as_variables(project: Path, read: Read) -> None:
    make(project, *ALL)
    known = read(Realtime, **ARCHIVE, ROLE_ARN="")
    line = "deploy/iam/create_role.sh && MODEL_DATA='s3://b/my new.tar.gz' deploy/deploy.sh"
    assert hints.deploy_command(known, MODEL_DATA="s3://b/my new.tar.gz") == line
    assert hints.deploy_command(read(Realtime), MODEL_DATA="s3://b/new.tar.gz") == "deploy/deploy.sh"


def test_variables_are_set_for_powershell_on_windows(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.with_variable("A", "b", "python x") == "$env:A = 'b'; python x"


def test_the_build_command_names_the_instance_type(project: Path, known: Realtime) -> None:
    make(project, *ALL)
    assert hints.build_command(known) == "INSTANCE_TYPE=ml.m6g.large deploy/build_and_push.sh"


def test_the_build_command_is_codebuilds_if_the_project_uses_it(
    project: Path, known: Realtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "submit_build", "build_remotely")
    make(project, *ALL, "deploy/submit_build.sh")
    assert hints.build_command(known) == "INSTANCE_TYPE=ml.m6g.large deploy/submit_build.sh"
    assert hints.training_build_command() == "deploy/submit_build.sh train"


def test_the_invoke_command_sends_the_sample_request_if_it_exists(project: Path, known: Realtime) -> None:
    make(project, *ALL)
    assert hints.invoke_command(known) == "deploy/invoke.sh FILE"
    make(project, "test/sample_request.json")
    assert hints.invoke_command(known) == "deploy/invoke.sh test/sample_request.json"


# --- recorded results ------------------------------------------------------------------------------------------------
def test_results_are_recorded_by_account_and_region(project: Path, known: Realtime, read: Read) -> None:
    elsewhere = read(Realtime, AWS_REGION="eu-west-1")
    state.record(known, "role", "arn:role")
    assert (state.recall(known, "role"), state.recall(known, "model"), state.recall(elsewhere, "role")) == (
        "arn:role",
        "",
        "",
    )
    state.forget(known)
    state.forget(known)
    assert state.recall(known, "role") == ""


# --- failures --------------------------------------------------------------------------------------------------------
def client_error(text: str, operation: str = "CreateModel") -> ClientError:
    """Return an error from AWS."""
    return ClientError({"Error": {"Code": "ValidationException", "Message": text}}, operation)


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (KeyboardInterrupt(), 130, []),
        (SystemExit(143), 143, []),
        (SystemExit("words"), 1, []),
        (Failure("What it was.", "What to do."), 1, ["ERROR: What it was.", "What to do."]),
        (settings.SettingError("A\nB"), 1, ["ERROR: A", "B"]),
        (FileNotFoundError(2, "No such file", "x.csv"), 1, ["ERROR: [Errno 2] No such file: 'x.csv'"]),
        (
            EndpointConnectionError(endpoint_url="http://x"),
            1,
            ['ERROR: Could not connect to the endpoint URL: "http://x"'],
        ),
        (
            client_error("no"),
            1,
            [
                "ERROR: An error occurred (ValidationException) when calling the CreateModel operation: no",
                "Region: us-east-1",
            ],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_is_one_line_and_what_to_do(
    known: Realtime, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, lines: list[str]
) -> None:
    assert hints.explain(known, error) == code
    assert capsys.readouterr().err.splitlines() == lines


def test_a_bug_prints_a_traceback(known: Realtime, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise KeyError("a bug")
    except KeyError as error:
        assert hints.explain(known, error) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "operation", "advice"),
    [
        ("User x is not authorized to perform y", "CreateModel", "deploy/iam/create_role.sh --print deployer"),
        ("AccessDenied", "CreateTrainingJob", "deploy/iam/create_role.sh --print deployer-training"),
        ("ResourceLimitExceeded", "CreateEndpoint", "Service Quotas (Amazon SageMaker), or set another INSTANCE_TYPE."),
        ("ResourceLimitExceeded", "CreateTrainingJob", "or set another TRAIN_INSTANCE_TYPE."),
        ("Could not find model data at s3://x", "CreateModel", "deploy/upload_model.sh uploads it."),
        (
            "at 'instanceType' failed: Member must satisfy enum value set: [ml.a, ml.b]",
            "CreateEndpointConfig",
            "Set INSTANCE_TYPE to a type that SageMaker has in us-east-1.",
        ),
    ],
)
def test_an_error_from_aws_comes_with_advice(
    project: Path,
    known: Realtime,
    capsys: pytest.CaptureFixture[str],
    text: str,
    operation: str,
    advice: str,
) -> None:
    make(project, *ALL)
    assert hints.explain(known, client_error(text, operation)) == 1
    printed = capsys.readouterr().err
    assert advice in printed
    assert "ml.a" not in printed  # the real list has hundreds of types


def test_a_boto3_too_old_for_a_setting_is_reported(known: Realtime, capsys: pytest.CaptureFixture[str]) -> None:
    error = ParamValidationError(report='Unknown parameter in input: "MetricsConfig", must be one of: Tags')
    hints.explain(known, error)
    assert "pip install --upgrade boto3" in capsys.readouterr().err
