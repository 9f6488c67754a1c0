"""deploy/settings.env and the environment: parsing, precedence and errors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import COMMON, Async, Batch, Language, Many, Read, Realtime, Serverless

from deployer import settings as base


@dataclass(frozen=True)
class Small(base.Settings):
    """Settings of each kind."""

    word: str = base.text("standard")
    count: int = base.number(1, 10, 3)
    limit: int | None = base.optional_number(1, 10)
    twice: int = base.number(1, 20, lambda known: 2 * int(known["count"]))
    where: str = base.s3_uri()
    form: str = base.choice("Line", "None")


def from_file(folder: Path, content: str | bytes, **environment: str) -> Small:
    """Read settings from a file."""
    data = content.encode() if isinstance(content, str) else content
    (folder / "settings.env").write_bytes(data)
    common = {"PROJECT_NAME": "demo", "AWS_REGION": "us-east-1", "BASE_IMAGE": "python"}
    return base.read(Small, folder, {**common, **environment})


def errors_of(folder: Path, content: str | bytes, **environment: str) -> list[str]:
    with pytest.raises(base.SettingError) as caught:
        from_file(folder, content, **environment)
    return str(caught.value).splitlines()


# --- lines of the file -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("WORD=a", "a"),
        ("WORD = a", "a"),
        ("  export WORD=a  ", "a"),
        ("WORD=a b", "a b"),
        ("WORD=a=b", "a=b"),
        ("WORD=a#b", "a#b"),
        ("WORD=a # a comment", "a"),
        ("WORD='a # b'", "a # b"),
        ('WORD="a # b" # a comment', "a # b"),
        ("WORD='it is \"so\"'", 'it is "so"'),
        ('WORD="it\'s"', "it's"),
        ("WORD=it's", "it's"),
        ("WORD=' a '", " a "),
        ('WORD=\'{"owner": "O\\\'Brien"}\'', '{"owner": "O\'Brien"}'),  # as python-dotenv writes it
        ('WORD="{\\"team\\": \\"a\\"}"', '{"team": "a"}'),
        ("WORD='a\\b'", "a\\b"),
        ("WORD=$HOME/`x`\\n", "$HOME/`x`\\n"),
        ("WORD=Zürich\u2028日本", "Zürich\u2028日本"),
        ("WORD=", "standard"),
        ("WORD=''", "standard"),
        ("WORD=   # a comment", "standard"),
        ("# WORD=a", "standard"),
        ("   # WORD=a", "standard"),
        ("", "standard"),
    ],
)
def test_a_line_is_name_and_value(tmp_path: Path, line: str, value: str) -> None:
    assert from_file(tmp_path, f"# settings\n\n{line}\nCOUNT=2\n").word == value


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    found = from_file(tmp_path, b"\xef\xbb\xbfWORD=a\r\nCOUNT=2\r\n\r\n# a comment\r\nFORM='None'\r\n")
    assert (found.word, found.count, found.form) == ("a", 2, "None")


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    assert errors_of(tmp_path, "WORD=a".encode("utf-16")) == ["deploy/settings.env must be UTF-8."]


@pytest.mark.parametrize("value", ["'", "'a", "'C:\\models\\'", '"a" b', '"a\\"'])
def test_an_unclosed_quotation_mark_is_an_error(tmp_path: Path, value: str) -> None:
    (error,) = errors_of(tmp_path, f"WORD={value}")
    assert error == f"deploy/settings.env, line 1: {value} has no matching closing quotation mark."


def test_json_needs_no_quotes(tmp_path: Path) -> None:
    assert from_file(tmp_path, 'TAGS={"team": "fraud", "x": "#1 a"}').tags == {"team": "fraud", "x": "#1 a"}
    assert from_file(tmp_path, """TAGS='{"team": "fraud"}' # ours""").tags == {"team": "fraud"}


# --- precedence ------------------------------------------------------------------------------------------------------
def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    assert from_file(tmp_path, "WORD=file", WORD="environment").word == "environment"


def test_quotes_in_environment_variables_are_kept(tmp_path: Path) -> None:
    assert from_file(tmp_path, "", WORD="'a' # b").word == "'a' # b"


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert from_file(tmp_path, "WORD=file", WORD="").word == "file"
    assert from_file(tmp_path, "", WORD="").word == "standard"


def test_variables_that_are_not_settings_are_ignored(tmp_path: Path) -> None:
    assert from_file(tmp_path, "", WORDS="a", PATH="/bin").word == "standard"


def test_a_default_can_depend_on_the_settings_before_it(tmp_path: Path) -> None:
    assert from_file(tmp_path, "").twice == 6
    assert from_file(tmp_path, "COUNT=5").twice == 10
    assert from_file(tmp_path, "COUNT=5\nTWICE=3").twice == 3
    assert from_file(tmp_path, "").role_name == "demo-us-east-1-exec"
    assert from_file(tmp_path, "AWS_REGION=x", AWS_REGION="eu-west-1").role_name == "demo-eu-west-1-exec"


def test_an_empty_setting_has_its_default(tmp_path: Path) -> None:
    found = from_file(tmp_path, "LIMIT=\nWHERE=\nTAGS=\nVPC_SUBNETS=\nNETWORK_ISOLATION=\n")
    assert (found.limit, found.where, found.tags, found.vpc_subnets) == (None, "", {}, ())
    assert (found.network_isolation, found.poll_seconds) == (False, 5.0)


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        from_file(tmp_path, "").word = "another"  # type: ignore[misc]


# --- errors ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("COUNT=11", "COUNT must be a whole number from 1 to 10, not '11'."),
        ("COUNT=-1", "COUNT must be a whole number from 1 to 10, not '-1'."),
        ("COUNT=1.5", "COUNT must be a whole number from 1 to 10, not '1.5'."),
        ("COUNT=1e9", "COUNT must be a whole number from 1 to 10, not '1e9'."),
        ("LIMIT=x", "LIMIT must be a whole number from 1 to 10, not 'x'."),
        ("WHERE=bucket/x", "WHERE must be s3://BUCKET/…, not 'bucket/x'."),
        ("FORM=line", "FORM must be one of Line, None, not 'line'."),
        ("NETWORK_ISOLATION=yes", "NETWORK_ISOLATION must be one of false, true, not 'yes'."),
        ("TAGS=team", """TAGS must be a JSON object of strings, such as {"team": "fraud"}, not 'team'."""),
        ("TAGS=[]", """TAGS must be a JSON object of strings, such as {"team": "fraud"}, not '[]'."""),
        ('TAGS={"a": 1}', """TAGS must be a JSON object of strings, such as {"team": "fraud"}, not '{"a": 1}'."""),
        ("POLL_SECONDS=0", "POLL_SECONDS must be a number of seconds from 0.1 to 600, not '0'."),
        ("POLL_SECONDS=nan", "POLL_SECONDS must be a number of seconds from 0.1 to 600, not 'nan'."),
        ("ROLE_NAME=a b", "ROLE_NAME must be at most 64 letters, digits and + = , . @ _ -, not 'a b'."),
        ("WORD a", "deploy/settings.env, line 1: expected NAME=value, found 'WORD a'."),
        ("WRD=a", "deploy/settings.env, line 1: there is no setting WRD. Did you mean WORD?"),
        ("word=a", "deploy/settings.env, line 1: there is no setting word."),
        ("ACCOUNT=1", "deploy/settings.env, line 1: there is no setting ACCOUNT. Did you mean COUNT?"),
        ("WORD=\nWORD=a", "deploy/settings.env, line 2: WORD is set twice."),
    ],
)
def test_an_error_has_the_name_the_value_and_what_is_allowed(tmp_path: Path, line: str, error: str) -> None:
    assert errors_of(tmp_path, line) == [error]


def test_all_errors_are_listed_at_once(tmp_path: Path) -> None:
    found = errors_of(tmp_path, "nonsense\nWRD=a\nCOUNT=x\nFORM=y\n", AWS_REGION="z", TAGS="{")
    assert [error.partition(" ")[0] for error in found[2:]] == ["AWS_REGION", "TAGS", "COUNT", "FORM"]
    assert "line 1" in found[0] and "line 2" in found[1]


def test_an_error_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    assert errors_of(tmp_path, "COUNT=2", COUNT="0") == ["COUNT must be a whole number from 1 to 10, not '0'."]


def test_settings_sh_of_an_older_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.sh").write_text("AWS_REGION=us-east-1\n")
    first, second = errors_of(tmp_path, "")
    assert "deploy/settings.sh is from an older version" in first
    assert "to deploy/settings.env" in second


# --- settings that contradict each other -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "given", "error"),
    [
        (
            Realtime,
            {"MAX_INSTANCE_COUNT": "2", "INSTANCE_COUNT": "3"},
            "between MIN_INSTANCE_COUNT (3) and MAX_INSTANCE_COUNT (2)",
        ),
        (Realtime, {"MIN_INSTANCE_COUNT": "2"}, "between MIN_INSTANCE_COUNT (2) and MAX_INSTANCE_COUNT (1)"),
        (Realtime, {"MODEL_DATA": "s3://bucket/model.zip"}, "MODEL_DATA must be s3://BUCKET/…/NAME.tar.gz"),
        (Realtime, {"INSTANCE_TYPE": "m5.large"}, "INSTANCE_TYPE must be ml.FAMILY.SIZE, not 'm5.large'."),
        (Realtime, {"ENDPOINT_NAME": "-a"}, "ENDPOINT_NAME must be at most 63 letters and digits, with hyphens"),
        (Realtime, {"ENDPOINT_NAME": "a" * 64}, "at most 63 letters"),
        (
            Async,
            {"MAX_INSTANCE_COUNT": "2", "INSTANCE_COUNT": "3"},
            "between MIN_INSTANCE_COUNT (0) and MAX_INSTANCE_COUNT (2)",
        ),
        (Serverless, {"SERVERLESS_MEMORY": "1500"}, "SERVERLESS_MEMORY must be a multiple of 1024 (MB), not 1500"),
        (Serverless, {"MAX_PROVISIONED_CONCURRENCY": "2"}, "needs a PROVISIONED_CONCURRENCY of 1 or more"),
        (Serverless, {"PROVISIONED_CONCURRENCY": "6"}, "PROVISIONED_CONCURRENCY can be at most"),
        (Batch, {"BATCH_PAYLOAD_MB": "51", "BATCH_CONCURRENCY": "2"}, "times BATCH_CONCURRENCY can be at most 100"),
        (Many, {"MODEL_DATA": "s3://bucket/a.tar.gz"}, "not a single model: s3://bucket/a.tar.gz"),
        (Language, {"MODEL_DATA": "s3://bucket/a"}, "s3://BUCKET/PREFIX/, with a trailing slash"),
        (Language, {"HF_TOKEN_SECRET": "hf_x"}, "the ARN of a secret in AWS Secrets Manager, not the token"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    read: Read, kind: type[base.Settings], given: Mapping[str, Any], error: str
) -> None:
    with pytest.raises(base.SettingError) as caught:
        read(kind, **given)
    assert error in str(caught.value)


@pytest.mark.parametrize("name", ["PROJECT_NAME", "AWS_REGION", "INSTANCE_TYPE"])
def test_a_setting_without_a_default_cannot_be_empty(read: Read, name: str) -> None:
    with pytest.raises(base.SettingError, match=f"^{name} must be .*, not ''"):
        read(Realtime, **{name: ""})


def test_subnets_and_security_groups_must_be_set_together(read: Read) -> None:
    for one in ({"VPC_SUBNETS": "subnet-1"}, {"VPC_SECURITY_GROUPS": "sg-1"}):
        with pytest.raises(base.SettingError, match="must be set together"):
            read(Realtime, **one)


@pytest.mark.parametrize("name", ["a_b", "a.b"])
def test_a_default_is_checked_like_a_value(read: Read, name: str) -> None:
    """Valid as the name of a repository, but not of an endpoint."""
    with pytest.raises(base.SettingError, match="ENDPOINT_NAME must be at most 63 letters and digits"):
        read(Realtime, PROJECT_NAME=name)
    assert read(Realtime, PROJECT_NAME=name, ENDPOINT_NAME="a-b").deployment == "a-b"


def test_the_base_image_defaults_to_the_python_version_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".python-version").write_text("3.12\n")
    (tmp_path / "settings.env").write_text("")
    monkeypatch.setattr(base, "PROJECT", tmp_path)
    found = base.read(base.Settings, tmp_path, {**COMMON, "BASE_IMAGE": ""})
    assert found.base_image == "public.ecr.aws/docker/library/python:3.12-slim"
