"""Checks of the IAM documents of projects. Prints what is wrong, and ends with 1 where something is.

iam_checks.py documents PROJECT…    whether they are sound, small, no wider than they have to be, and enough for what
                                    the program asks of SageMaker, with few and with all settings, in every partition
iam_checks.py calls PROJECT CALLS   whether they are enough for the calls in the file CALLS, and no more than that
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from iam.beyond import beyond
from iam.calls import body_of, needs
from iam.policy import Json, Need, actions_of, faults, permits
from iam.role import Place, always, demands

IN_PROJECT = Path(__file__).parent / "iam/in_project.py"
EVERYTHING = {
    "ENDPOINT_NAME": "Fraud-Detector",
    "JOB_NAME": "Fraud-Jobs",
    "IMAGE_URI": "999999999999.dkr.ecr.us-east-1.amazonaws.com/team/image:v1",
    "MODEL_DATA": "s3://models/a,b/c*d?e$f/model.tar.gz",
    "ROLE_ARN": "arn:aws:iam::123456789012:role/service-role/a+b=c,d.e@f_g-h",
    "VPC_SUBNETS": "subnet-1,subnet-2",
    "VPC_SECURITY_GROUPS": "sg-1, sg-2",
    "KMS_KEY_ID": "1234abcd-12ab-34cd-56ef-1234567890ab",
    "CAPTURE_PERCENT": "5",
    "CAPTURE_URI": "s3://captured/a/b/",
    "ASYNC_OUTPUT": "s3://answers",
    "ASYNC_FAILURES": "s3://answers/errors/",
    "SUCCESS_TOPIC": "arn:aws:sns:us-east-1:123456789012:good",
    "ERROR_TOPIC": "arn:aws:sns:us-east-1:123456789012:bad",
    "BATCH_INPUT": "s3://records/2024/",
    "BATCH_OUTPUT": "s3://predictions/a",
    "TRAIN_DATA": "s3://tables/houses/",
    "VALIDATION_DATA": "s3://tests/houses.csv",
    "TRAIN_OUTPUT": "s3://trained/a",
    "TRAIN_CHECKPOINTS": "s3://kept",
    "TRAIN_SPOT": "true",
    "TRAIN_IMAGE_URI": "999999999999.dkr.ecr.us-east-1.amazonaws.com/team/training:v1",
    "HF_TOKEN_SECRET": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hub-AbCdEf",
    "BUILD_ROLE_ARN": "arn:aws:iam::123456789012:role/build",
}
IMAGE = "123456789012.dkr.ecr.{}/own:v1"
SETTINGS = [
    EVERYTHING,
    {"IMAGE_URI": IMAGE.format("us-east-1.amazonaws.com")},
    {"IMAGE_URI": IMAGE.format("us-east-1.amazonaws.com"), "KMS_KEY_ID": "alias/fraud", "CAPTURE_PERCENT": "100"},
    {"IMAGE_URI": IMAGE.format("us-east-1.amazonaws.com"), "KMS_KEY_ID": "arn:aws:kms:us-east-1:999999999999:key/1234"},
    {"IMAGE_URI": IMAGE.format("cn-north-1.amazonaws.com.cn"), "AWS_REGION": "cn-north-1"},
    {"IMAGE_URI": IMAGE.format("us-gov-west-1.amazonaws.com"), "AWS_REGION": "us-gov-west-1"},
]
PARTITIONS = {"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov"}
# Rights for what no life calls: what Docker does in a push and boto3 about an upload that is given up; and what is done
# about a bucket half-made or a job given up.
PUSH = "BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload InitiateLayerUpload PutImage UploadLayerPart"
UNSEEN = {"s3:AbortMultipartUpload", *(f"ecr:{name}" for name in PUSH.split())}
SPARE = {"s3:DeleteBucket", "sagemaker:StopTrainingJob", "sagemaker:StopTransformJob"}
MAKING = "CreateRole DeleteRole DeleteRolePolicy PutRolePolicy TagRole UpdateAssumeRolePolicy"
# Who makes what: all else is the deployer's.
WHO = {"iam:GetRole": ["deployer", "role-maker"], **{f"iam:{name}": ["role-maker"] for name in MAKING.split()}}


def fill(project: Path, settings: dict[str, str]) -> tuple[dict[str, Json], list[str], list[Json]]:
    """The documents of a project under these settings, some of what fills them in, and what SageMaker is asked for."""
    known_here = (project / "deploy/settings.env").read_text()
    own = {name: value for name, value in settings.items() if f"\n{name}=" in known_here}
    if "MODEL_DATA" in own and not (project / "deploy/deployer/requests/model_archive.py").exists():
        own["MODEL_DATA"] = own["MODEL_DATA"].rpartition("/")[0] + "/"  # where many models are, or files
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": "deploy", "AWS_REGION": "us-east-1", **own}
    command = [sys.executable, "-B", str(IN_PROJECT), Place().account]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{project} {settings}\n{done.stderr}"
    documents, known, asked = json.loads(done.stdout)
    return documents, known, asked


def check_documents(project: Path, settings: dict[str, str]) -> Iterator[str]:
    documents, known, asked = fill(project, settings)
    for name in ("trust", "codebuild-trust"):
        trust = documents.pop(name, None)
        if trust and trust["Statement"][0]["Condition"] != {"StringEquals": {"aws:SourceAccount": Place().account}}:
            yield f"{name}: may come from other accounts"
    for name, document in documents.items():
        # Of a policy inside a role, and of one that is attached to people.
        yield from (f"{name}: {fault}" for fault in faults(document, 10_240 if name.endswith("-role") else 6_144))
    region = settings.get("AWS_REGION", "us-east-1")
    place = Place(PARTITIONS.get(region, "aws"), region)
    groups = ("TransformJobs", "TrainingJobs", "Endpoints/a")
    wanted = [need for group in groups for need in always(group, place)] + [*demands({"asked": asked}, place)]
    yield from (f"execution-role: lacks {need}" for need in wanted if not permits(documents["execution-role"], need))
    forbidden = beyond(documents, known, place)
    yield from (f"{name}: permits {need}" for name, need in forbidden if permits(documents[name], need))
    if settings is EVERYTHING:
        yield from misspelt(project, documents)


def misspelt(project: Path, documents: dict[str, Json]) -> Iterator[str]:
    """What is left out with everything set names something that does not exist."""
    for name, document in documents.items():
        kept = {statement["Sid"] for statement in document["Statement"]}
        written = json.loads((project / f"deploy/iam/{name}.json").read_text())["Statement"]
        yield from (f"{name}: {each['Sid']} is always left out" for each in written if each["Sid"] not in kept)


def check_calls(project: Path, bucket: str, calls: list[Json]) -> Iterator[str]:
    documents, _, _ = fill(project, {"S3_BUCKET": bucket})
    role = documents["execution-role"]
    used = UNSEEN | SPARE
    yield from (f"deployer: lacks {action}" for action in UNSEEN - actions_of(documents["deployer"]))
    for call in calls:
        for need in needs(call):
            used.add(need.action)
            for name in WHO.get(need.action, ["deployer"]):
                if not any(permits(document, need) for each, document in documents.items() if each.startswith(name)):
                    yield f"{name}: lacks {need}"
        body = body_of(call)
        wanted = list(demands(body, Place()))
        if body.get("Action") == "SimulatePrincipalPolicy":  # deploy.sh refuses a role that may not do this
            wanted = [Need(body["ActionNames.member.1"], body["ResourceArns.member.1"], {})]
        yield from (f"execution-role: lacks {need}" for need in wanted if not permits(role, need))
    callers = [actions_of(documents[name]) for name in documents if name.startswith(("deployer", "role-maker"))]
    yield from (f"no call needs {action}" for action in sorted(set().union(*callers) - used))


def main(command: str, *arguments: str) -> int:
    if command == "calls":
        project, bucket, file = arguments
        wrong = list(
            check_calls(Path(project), bucket, [json.loads(line) for line in Path(file).read_text().splitlines()])
        )
    else:
        cases = [(Path(project), settings) for project in arguments for settings in SETTINGS]
        wrong = [
            f"{case[0].name}, {SETTINGS.index(case[1])}: {each}" for case in cases for each in check_documents(*case)
        ]
    print("\n".join(dict.fromkeys(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
