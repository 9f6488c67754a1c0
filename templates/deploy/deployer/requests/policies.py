"""The IAM documents of deploy/iam, filled in with the settings.

{{NAME}} is replaced by a setting or another entry of values(). A string that uses a name with several values, such as
VPC_SUBNETS, is repeated for each. A statement is left out if it uses a name without a value, or if the setting named by
"If" is empty or 0.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from deployer.requests.common import Json
from deployer.settings import Settings

Values = dict[str, list[str]]
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
ECR_IMAGE = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.[^/]+/([^:@]+)")


class Unset(Exception):
    """A statement uses a name that has no value."""


def plain(value: str) -> str:
    """Escape the characters that have a meaning in a policy."""
    return re.sub(r"[*?$]", r"${\g<0>}", value)


def values(settings: Settings) -> Values:
    """Return the values to fill in: the settings, their parts, and values derived from them."""
    account, region, name = settings.account, settings.aws_region, settings.deployment
    partition = next((each for start, each in PARTITIONS.items() if region.startswith(start)), "aws")
    known: Values = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, str) and value:
            known |= {field.name.upper(): [plain(value)], **s3_parts(field.name.upper(), value)}
        elif isinstance(value, tuple):
            known[field.name.upper()] = list(value)
    role = f"arn:{partition}:iam::{account}:role/{settings.role_name}"
    known |= {"PARTITION": [partition], "ROLE_ARN": [settings.role_arn or role]}
    # SageMaker writes names in its ARNs in lower case.
    for key, length in {"NAME": 63, "STEM": 52, "JOB_STEM": 40}.items():
        known[key] = sorted({name[:length], name[:length].lower()})
    # CloudFormation puts this much of the stack's name into the names of its resources.
    known["STACK_STEM"] = [name[:24]]
    for key in ("IMAGE", "TRAIN_IMAGE"):
        if image := ECR_IMAGE.match(getattr(settings, f"{key.lower()}_uri", "")):
            known[f"{key}_REPOSITORY_ARN"] = [f"arn:{partition}:ecr:{image[2]}:{image[1]}:repository/{image[3]}"]
    if key := settings.kms_key_id:
        own = f"arn:{partition}:kms:{region}:{account}:key/{'*' if alias_of(settings) else key}"
        known["KMS_KEY_ARN"] = [key if key.startswith("arn:") and not alias_of(settings) else own]
    return known


def s3_parts(name: str, value: str) -> Values:
    """Return the parts of a setting that is an S3 URI: …_BUCKET, …_KEY, and …_FOLDER (the key with a slash)."""
    parts = re.fullmatch("s3://([^/]+)/?(.*)", value)
    if not parts:
        return {}
    folder = f"{parts[2].rstrip('/')}/".lstrip("/")
    return {f"{name}_BUCKET": [parts[1]], f"{name}_KEY": [plain(parts[2])], f"{name}_FOLDER": [plain(folder)]}


def alias_of(settings: Settings) -> str:
    """Return the alias in KMS_KEY_ID; empty if it names the key itself."""
    found = re.search("alias/.+", settings.kms_key_id)
    return found[0] if found else ""


def fill(value: Any, known: Values) -> Any:
    """Fill in a value, recursively. Raise Unset if a name has no value."""
    if isinstance(value, dict):
        return {key: fill(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return list(dict.fromkeys(each for pattern in value for each in strings(pattern, known)))
    found = strings(value, known)
    return found if len(found) > 1 else found[0]


def strings(pattern: str, known: Values) -> list[str]:
    """Fill in a string, once for each value. Raise Unset if a name has no value."""
    found = [pattern]
    for name in dict.fromkeys(re.findall(r"{{(\w+)}}", pattern)):
        if not known.get(name):
            raise Unset(name)
        found = [each.replace(f"{{{{{name}}}}}", value) for each in found for value in known[name]]
    return found


def document(settings: Settings, content: Json) -> Json:
    """Return a policy document, filled in."""
    known, statements, alias = values(settings), [], alias_of(settings)
    for statement in content["Statement"]:
        needed = statement.get("If", "ACCOUNT").lower()
        if not getattr(settings, needed, ""):
            continue
        filled = {key: value for key, value in statement.items() if key != "If"}
        # A policy's Resource cannot name a key by its alias; a condition can.
        if alias and filled.get("Resource") == "{{KMS_KEY_ARN}}":
            condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
            filled["Condition"] = {**filled.get("Condition", {}), **condition}
        try:
            statements.append(fill(filled, known))
        except Unset:
            continue
    return {**content, "Statement": statements}
