"""The IAM policy documents of deploy/iam, filled in with the settings."""

import json
from typing import Any

import pytest
from conftest import ACCOUNT, ARCHIVE, BUCKET, DEPLOY, INSTANCE, Async, Many, Read, Realtime, strings

from deployer import settings as base
from deployer.requests import policies


def filled(settings: base.Settings, *statements: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the statements that remain of a document, filled in."""
    found = policies.document(settings, {"Version": "2012-10-17", "Statement": list(statements)})
    assert found["Version"] == "2012-10-17"
    return list(found["Statement"])


def resources(settings: base.Settings, *patterns: str) -> list[str]:
    """Return the resources of one statement, filled in; empty if the statement is left out."""
    found = filled(settings, {"Effect": "Allow", "Action": "x", "Resource": list(patterns)})
    return [each for statement in found for each in statement["Resource"]]


@pytest.fixture
def settings(read: Read) -> Realtime:
    """The settings of a project, with its account."""
    found: Realtime = in_account(read(Realtime, **ARCHIVE, **INSTANCE))
    return found


def in_account(settings: Any) -> Any:
    """Add the account to the settings, as sign_in() does."""
    object.__setattr__(settings, "account", ACCOUNT)
    return settings


# --- values ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("arn:{{PARTITION}}:iam::{{ACCOUNT}}:role/{{ROLE_NAME}}", f"arn:aws:iam::{ACCOUNT}:role/demo-us-east-1-exec"),
        ("{{ROLE_ARN}}", f"arn:aws:iam::{ACCOUNT}:role/demo-us-east-1-exec"),
        ("{{PROJECT_NAME}}.{{AWS_REGION}}", "demo.us-east-1"),
        ("{{S3_BUCKET}}", BUCKET),
        ("{{MODEL_DATA_BUCKET}}", BUCKET),
        ("{{MODEL_DATA_KEY}}", f"demo/{'b' * 64}/model.tar.gz"),
        ("{{IMAGE_REPOSITORY_ARN}}", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/demo"),
        ("{{NAME}}", "demo"),
    ],
)
def test_settings_and_derived_values_are_filled_in(settings: Realtime, pattern: str, value: str) -> None:
    assert resources(settings, pattern) == [value]


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_the_partition_follows_from_the_region(read: Read, region: str, partition: str) -> None:
    assert resources(in_account(read(Realtime, AWS_REGION=region)), "{{PARTITION}}") == [partition]


def test_the_role_defaults_to_the_one_that_create_role_creates(read: Read) -> None:
    settings = in_account(read(Realtime, ROLE_ARN="", ROLE_NAME="mine"))
    assert resources(settings, "{{ROLE_ARN}}") == [f"arn:aws:iam::{ACCOUNT}:role/mine"]


def test_names_are_shortened_like_resource_names_and_also_in_lower_case(read: Read) -> None:
    settings = in_account(read(Realtime, ENDPOINT_NAME="A" * 60))
    assert resources(settings, "{{NAME}}-*") == ["A" * 60 + "-*", "a" * 60 + "-*"]
    assert resources(settings, "{{STEM}}-*") == ["A" * 52 + "-*", "a" * 52 + "-*"]
    assert resources(settings, "{{STACK_STEM}}-*") == ["A" * 24 + "-*"]


def test_a_setting_with_several_values_becomes_several_resources(read: Read) -> None:
    settings = in_account(read(Realtime, VPC_SUBNETS="subnet-1,subnet-2", VPC_SECURITY_GROUPS="sg-1"))
    assert resources(settings, "subnet/{{VPC_SUBNETS}}", "*") == ["subnet/subnet-1", "subnet/subnet-2", "*"]
    assert filled(settings, {"Resource": "{{VPC_SUBNETS}}"}) == [{"Resource": ["subnet-1", "subnet-2"]}]


def test_special_characters_of_policies_are_escaped(read: Read) -> None:
    settings = in_account(read(Realtime, MODEL_DATA="s3://bucket/a*b?c$d/model.tar.gz"))
    assert resources(settings, "{{MODEL_DATA_KEY}}") == ["a${*}b${?}c${$}d/model.tar.gz"]


@pytest.mark.parametrize(
    ("uri", "folder"), [("s3://b/p/q/", "p/q/"), ("s3://b/p", "p/"), ("s3://b/", ""), ("s3://b", "")]
)
def test_an_s3_uri_has_a_folder(read: Read, uri: str, folder: str) -> None:
    assert resources(in_account(read(Many, MODEL_DATA=uri)), "x/{{MODEL_DATA_FOLDER}}*") == [f"x/{folder}*"]


# --- statements left out ---------------------------------------------------------------------------------------------
def test_a_statement_that_uses_a_name_without_a_value_is_left_out(read: Read) -> None:
    assert resources(in_account(read(Realtime, IMAGE_URI="elsewhere/image:1")), "{{IMAGE_REPOSITORY_ARN}}") == []
    assert resources(in_account(read(Realtime)), "{{KMS_KEY_ARN}}", "{{NO_SUCH}}") == []


@pytest.mark.parametrize(("percent", "count"), [("0", 0), ("10", 1)])
def test_a_statement_with_if_depends_on_that_setting(read: Read, percent: str, count: int) -> None:
    settings = in_account(read(Realtime, CAPTURE_PERCENT=percent))
    found = filled(settings, {"If": "CAPTURE_PERCENT", "Action": "s3:PutObject"})
    assert found == [{"Action": "s3:PutObject"}] * count


def test_a_statement_with_if_is_left_out_if_the_project_lacks_the_setting(settings: Realtime) -> None:
    assert filled(settings, {"If": "SUCCESS_TOPIC", "Action": "sns:Publish"}) == []


# --- keys ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("key", "arn"),
    [
        ("1234-abcd", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234-abcd"),
        ("arn:aws:kms:us-east-1:210987654321:key/1", "arn:aws:kms:us-east-1:210987654321:key/1"),
    ],
)
def test_a_key_becomes_its_arn(read: Read, key: str, arn: str) -> None:
    settings = in_account(read(Realtime, KMS_KEY_ID=key))
    assert filled(settings, {"Resource": "{{KMS_KEY_ARN}}"}) == [{"Resource": arn}]


@pytest.mark.parametrize("key", ["alias/mine", f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/mine"])
def test_an_alias_becomes_a_condition(read: Read, key: str) -> None:
    settings = in_account(read(Realtime, KMS_KEY_ID=key))
    before = {"StringEquals": {"kms:ViaService": "s3"}}
    (found,) = filled(settings, {"Resource": "{{KMS_KEY_ARN}}", "Condition": before})
    assert found["Resource"] == f"arn:aws:kms:us-east-1:{ACCOUNT}:key/*"
    assert found["Condition"] == {**before, "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/mine"}}


# --- the documents in templates/ -------------------------------------------------------------------------------------
DOCUMENTS = sorted(path for path in (DEPLOY / "iam").rglob("*.json") if path.parent.name != "iam")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(DEPLOY / "iam").as_posix())
def test_every_document_can_be_filled_in(read: Read, path: Any) -> None:
    statements = json.loads(path.read_text())
    rich = {"KMS_KEY_ID": "alias/k", "VPC_SUBNETS": "subnet-1", "VPC_SECURITY_GROUPS": "sg-1"}
    for settings in (
        read(Realtime, **ARCHIVE, CAPTURE_PERCENT="1", **rich),
        read(Async, SUCCESS_TOPIC="arn:s", **rich),
    ):
        found = filled(in_account(settings), *statements)
        assert not any("{{" in each for each in strings(found))
        assert all("If" not in statement for statement in found)


def test_the_trust_policy_is_for_sagemaker_in_this_account(settings: Realtime) -> None:
    trust = policies.document(settings, json.loads((DEPLOY / "iam/trust.json").read_text()))
    text = json.dumps(trust)
    assert "sagemaker.amazonaws.com" in text and ACCOUNT in text and "{{" not in text
