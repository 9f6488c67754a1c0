"""What is typed next, and what is said of failures: for the commands that a project has, as its user can type them."""

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
def test_a_word_is_quoted_so_that_a_shell_takes_it_as_it_is(word: str) -> None:
    done = subprocess.run(["bash", "-c", f"printf %s {hints.quote(word)}"], capture_output=True, text=True)
    assert done.stdout == word


@pytest.mark.parametrize(("word", "quoted"), [("plain.csv", "plain.csv"), ("a b", '"a b"'), ("it's", "it's")])
def test_on_windows_words_are_quoted_as_its_programs_read_them(
    monkeypatch: pytest.MonkeyPatch, word: str, quoted: str
) -> None:
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.quote(word) == quoted


# --- paths -----------------------------------------------------------------------------------------------------------
def test_a_file_is_named_from_the_current_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project, *ALL)
    assert hints.typed("deploy/invoke.sh", "a b") == "deploy/invoke.sh 'a b'"
    monkeypatch.chdir(project / "deploy")
    assert hints.typed("deploy/invoke.sh") == "./invoke.sh"
    monkeypatch.chdir(project.parent)
    assert hints.typed("deploy/invoke.sh") == "project/deploy/invoke.sh"


def test_a_file_far_away_is_named_by_its_whole_path(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr/share")
    monkeypatch.setattr(hints, "PROJECT", Path("/p"))
    assert hints.typed("deploy/invoke.sh") == "/p/deploy/invoke.sh"


def test_a_folder_with_odd_characters_is_quoted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project / "it's a $project"
    folder.mkdir()
    monkeypatch.setattr(hints, "PROJECT", folder)
    assert hints.typed("deploy/invoke.sh") == """'it'"'"'s a $project/deploy/invoke.sh'"""


def test_a_program_of_python_is_run_by_python(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hints.typed("train/fit.py", "TRAIN.csv") == "python3 train/fit.py TRAIN.csv"
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.typed("train/fit.py") == "python train/fit.py"


# --- which front -----------------------------------------------------------------------------------------------------
def test_commands_are_the_scripts(project: Path) -> None:
    make(project, *ALL, "deploy/deploy.py")
    assert hints.command("deploy", "ROLE") == "deploy/deploy.sh ROLE"
    assert hints.command("create_role") == "deploy/iam/create_role.sh"
    assert hints.command("fit", "TRAIN.csv") == "python3 deploy/deploy.py fit TRAIN.csv"  # there is no train/fit.py


def test_commands_are_those_of_deploy_py_where_that_was_called(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project, *ALL, "deploy/deploy.py")
    monkeypatch.setattr(sys, "argv", ["deploy/deploy.py", "deploy"])
    assert hints.command("deploy", "ROLE") == "python3 deploy/deploy.py deploy ROLE"
    assert hints.command("create_role") == "python3 deploy/deploy.py create_role"


def test_commands_are_those_of_deploy_py_on_windows(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(project, *ALL, "deploy/deploy.py")
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.command("delete", "--all") == "python deploy/deploy.py delete --all"


def test_a_command_without_a_script_is_that_of_deploy_py(project: Path) -> None:
    make(project, *(name for name in ALL if name != "deploy/deploy.sh"), "deploy/deploy.py")
    assert hints.command("deploy") == "python3 deploy/deploy.py deploy"
    assert hints.command("delete") == "deploy/delete.sh"


# --- next steps ------------------------------------------------------------------------------------------------------
def test_a_deployment_begins_with_a_role_where_there_is_none(project: Path, known: Realtime, read: Read) -> None:
    make(project, *ALL)
    assert hints.deploying(known) == "deploy/iam/create_role.sh && deploy/deploy.sh"
    assert hints.deploying(read(Realtime)) == "deploy/deploy.sh"
    state.record(known, "role", "arn:role")
    assert hints.deploying(known) == "deploy/deploy.sh"


def test_a_project_with_only_the_cdk_is_deployed_by_it(project: Path, known: Realtime) -> None:
    make(project, "deploy/build_and_push.sh", "deploy/cdk/app.py")
    assert hints.deploying(known) == "(cd deploy/cdk && cdk deploy)"


def test_after_a_build_comes_the_model_and_then_the_deployment(project: Path, known: Realtime, read: Read) -> None:
    make(project, *ALL)
    assert hints.after_build(known, "new") == "deploy/upload_model.sh"
    pushed = COMMON["IMAGE_URI"]
    assert hints.after_build(read(Realtime, **ARCHIVE), pushed) == "deploy/deploy.sh"
    assert hints.after_build(read(Realtime, **ARCHIVE), "new") == "IMAGE_URI=new deploy/deploy.sh"
    state.record(known, "model", "s3://bucket/model.tar.gz")
    with_role = "deploy/iam/create_role.sh && deploy/deploy.sh"
    assert hints.after_build(known, known.image_uri) == with_role


def test_what_the_settings_do_not_name_is_given_to_the_deployment(project: Path, read: Read) -> None:
    make(project, *ALL)
    known = read(Realtime, **ARCHIVE, ROLE_ARN="")
    line = "deploy/iam/create_role.sh && MODEL_DATA='s3://b/my new.tar.gz' deploy/deploy.sh"
    assert hints.deploying(known, MODEL_DATA="s3://b/my new.tar.gz") == line
    assert hints.deploying(read(Realtime), MODEL_DATA="s3://b/new.tar.gz") == "deploy/deploy.sh"


def test_a_variable_of_one_run_is_set_as_powershell_does_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "POSIX", False)
    assert hints.with_variable("A", "b", "python x") == "$env:A = 'b'; python x"


def test_an_image_is_built_for_the_type_of_the_settings(project: Path, known: Realtime) -> None:
    make(project, *ALL)
    assert hints.building(known) == "INSTANCE_TYPE=ml.m6g.large deploy/build_and_push.sh"


def test_an_image_is_built_in_codebuild_where_the_project_has_that(
    project: Path, known: Realtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "submit_build", "build_remotely")
    make(project, *ALL, "deploy/submit_build.sh")
    assert hints.building(known) == "INSTANCE_TYPE=ml.m6g.large deploy/submit_build.sh"
    assert hints.build_training() == "deploy/submit_build.sh train"


def test_the_sample_is_invoked_with_where_there_is_one(project: Path, known: Realtime) -> None:
    make(project, *ALL)
    assert hints.invoking(known) == "deploy/invoke.sh FILE"
    make(project, "test/sample_request.json")
    assert hints.invoking(known) == "deploy/invoke.sh test/sample_request.json"


# --- what was written down -------------------------------------------------------------------------------------------
def test_results_are_kept_for_each_account_and_region(project: Path, known: Realtime, read: Read) -> None:
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
def refusal(text: str, operation: str = "CreateModel") -> ClientError:
    """An error of AWS."""
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
            refusal("no"),
            1,
            [
                "ERROR: An error occurred (ValidationException) when calling the CreateModel operation: no",
                "The region is us-east-1.",
            ],
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_is_said_in_a_line_with_what_to_do(
    known: Realtime, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, lines: list[str]
) -> None:
    assert hints.explain(known, error) == code
    assert capsys.readouterr().err.splitlines() == lines


def test_a_bug_shows_where_it_is(known: Realtime, capsys: pytest.CaptureFixture[str]) -> None:
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
        ("Could not find model data at s3://x", "CreateModel", "deploy/upload_model.sh uploads one."),
        (
            "at 'instanceType' failed: Member must satisfy enum value set: [ml.a, ml.b]",
            "CreateEndpointConfig",
            "Set INSTANCE_TYPE to a type that SageMaker has in us-east-1.",
        ),
    ],
)
def test_a_refusal_of_aws_comes_with_a_remedy(
    project: Path,
    known: Realtime,
    capsys: pytest.CaptureFixture[str],
    text: str,
    operation: str,
    advice: str,
) -> None:
    make(project, *ALL)
    assert hints.explain(known, refusal(text, operation)) == 1
    said = capsys.readouterr().err
    assert advice in said
    assert "ml.a" not in said  # nor hundreds more


def test_a_boto3_that_is_too_old_for_a_setting_is_to_be_updated(
    known: Realtime, capsys: pytest.CaptureFixture[str]
) -> None:
    error = ParamValidationError(report='Unknown parameter in input: "MetricsConfig", must be one of: Tags')
    hints.explain(known, error)
    assert "pip install --upgrade boto3" in capsys.readouterr().err
