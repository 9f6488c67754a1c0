#!/usr/bin/env python3
"""Usage: ACCOUNT=123456789012 fill.py FILE

Prints FILE, an IAM document of this folder, filled in with the settings; create_role.sh --print calls it.

{{NAME}} stands for a setting or for one of values(). What has several values, as VPC_SUBNETS, becomes several strings.
A statement is left out where something that it names has no value, and where the setting under "If" is empty or 0.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import resources
from resources import Json, SettingError, names, text

Values = dict[str, list[str]]
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
ECR_IMAGE = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.[^/]+/([^:@]+)")


class Unset(Exception):
    """Something that a statement names has no value."""


def plain(value: str) -> str:
    """`value` with the characters that mean something in a policy taken as they are."""
    return re.sub(r"[*?$]", r"${\g<0>}", value)


def values() -> Values:
    """What can be filled in: the settings, what they are made of, and what follows from them."""
    account, region = text("ACCOUNT"), text("AWS_REGION")
    if not re.fullmatch("[0-9]{12}", account):
        raise SettingError(f"ACCOUNT has to be the 12 digits of your account, and is {account!r}.")
    os.environ["S3_BUCKET"] = text("S3_BUCKET", f"sagemaker-{region}-{account}")
    partition = next((each for start, each in PARTITIONS.items() if region.startswith(start)), "aws")
    found = {key: [plain(value)] for key, value in os.environ.items() if value}
    found |= {key: names(key) for key in ("VPC_SUBNETS", "VPC_SECURITY_GROUPS")} | places()
    role = f"arn:{partition}:iam::{account}:role/{text('ROLE_NAME')}"
    found |= {"PARTITION": [partition], "ROLE_ARN": [text("ROLE_ARN", role)]}
    name = resources.deployment()
    # SageMaker writes the names in its ARNs in small letters.
    for key, length in {"NAME": 63, "STEM": 52, "JOB_STEM": 40}.items():
        found[key] = sorted({name[:length], name[:length].lower()})
    # So much of a stack's name is in the names of what CloudFormation makes for it.
    found["STACK_STEM"] = [name[:24]]
    for setting in ("IMAGE", "TRAIN_IMAGE"):
        if image := ECR_IMAGE.match(text(f"{setting}_URI")):
            found[f"{setting}_REPOSITORY_ARN"] = [f"arn:{partition}:ecr:{image[2]}:{image[1]}:repository/{image[3]}"]
    key = text("KMS_KEY_ID")
    if key:
        own = f"arn:{partition}:kms:{region}:{account}:key/{'*' if alias() else key}"
        found["KMS_KEY_ARN"] = [key if key.startswith("arn:") and not alias() else own]
    return found


def places() -> Values:
    """The parts of each setting that is a place in S3: …_BUCKET, …_KEY, and …_FOLDER, which is the key with a slash."""
    found: Values = {}
    for name, value in os.environ.items():
        place = re.fullmatch("s3://([^/]+)/?(.*)", value)
        if place:
            folder = f"{place[2].rstrip('/')}/".lstrip("/")
            found |= {f"{name}_BUCKET": [place[1]], f"{name}_KEY": [plain(place[2])], f"{name}_FOLDER": [plain(folder)]}
    return found


def alias() -> str:
    """The alias by which KMS_KEY_ID names a key; empty if it names the key itself."""
    found = re.search("alias/.+", text("KMS_KEY_ID"))
    return found[0] if found else ""


def fill(value: Any, known: Values) -> Any:
    """`value` with everything filled in. Raises Unset where something has no value."""
    if isinstance(value, dict):
        return {key: fill(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return list(dict.fromkeys(each for pattern in value for each in strings(pattern, known)))
    found = strings(value, known)
    return found if len(found) > 1 else found[0]


def strings(pattern: str, known: Values) -> list[str]:
    found = [pattern]
    for name in dict.fromkeys(re.findall(r"{{(\w+)}}", pattern)):
        if not known.get(name):
            raise Unset(name)
        found = [each.replace(f"{{{{{name}}}}}", value) for each in found for value in known[name]]
    return found


def document(file: Path) -> Json:
    """The document in `file`, filled in. The settings are those of the environment."""
    content, known, statements = json.loads(file.read_text()), values(), []
    for statement in content["Statement"]:
        if text(statement.pop("If", "ACCOUNT")) in ("", "0"):
            continue
        # IAM does not know keys by their alias; KMS does.
        if alias() and statement.get("Resource") == "{{KMS_KEY_ARN}}":
            condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias()}}
            statement["Condition"] = {**statement.get("Condition", {}), **condition}
        try:
            statements.append(fill(statement, known))
        except Unset:
            continue
    return {**content, "Statement": statements}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        resources.load_settings()
        print(json.dumps(document(Path(sys.argv[1])), indent=2))
    except (SettingError, OSError, ValueError) as error:
        sys.exit(f"ERROR: {error}")
