"""Check the IAM policy documents of projects. Print the problems, and exit with 1 if there are any.

iam_checks.py documents PROJECT…    check that the documents are valid, small, no wider than necessary, and sufficient
                                    for the requests to SageMaker, with few and with all settings, in every partition
iam_checks.py calls PROJECT BUCKET CALLS   check that they permit exactly the calls in the file CALLS
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from iam.calls import body_of, needs
from iam.forbidden import forbidden
from iam.policy import Json, Need, actions_of, permits, problems
from iam.role import Location, always, needs_of

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
# Permissions for calls that the tests do not record: those of docker push, of aborted uploads, and of cleaning up after
# a bucket that was only partly created or an interrupted job.
PUSH = "BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload InitiateLayerUpload PutImage UploadLayerPart"
UNSEEN = {"s3:AbortMultipartUpload", *(f"ecr:{name}" for name in PUSH.split())}
SPARE = {"s3:DeleteBucket", "sagemaker:StopTrainingJob", "sagemaker:StopTransformJob"}
MAKING = "CreateRole DeleteRole DeleteRolePolicy PutRolePolicy TagRole UpdateAssumeRolePolicy"
# The documents that need an action, if it is not only the deployer's.
DOCUMENTS = {"iam:GetRole": ["deployer", "role-maker"], **{f"iam:{name}": ["role-maker"] for name in MAKING.split()}}


def fill(project: Path, settings: dict[str, str]) -> tuple[dict[str, Json], list[str], list[Json]]:
    """Return the documents of a project with these settings, some of the values in them, and the SageMaker requests."""
    content = (project / "deploy/settings.env").read_text()
    own = {name: value for name, value in settings.items() if f"\n{name}=" in content}
    if "MODEL_DATA" in own and not (project / "deploy/deployer/requests/model_archive.py").exists():
        own["MODEL_DATA"] = (
            own["MODEL_DATA"].rpartition("/")[0] + "/"
        )  # a prefix, for many models or uncompressed files
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": "deploy", "AWS_REGION": "us-east-1", **own}
    command = [sys.executable, "-B", str(IN_PROJECT), Location().account]
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{project} {settings}\n{done.stderr}"
    documents, known, requests = json.loads(done.stdout)
    return documents, known, requests


def check_documents(project: Path, settings: dict[str, str]) -> Iterator[str]:
    documents, known, requests = fill(project, settings)
    for name in ("trust", "codebuild-trust"):
        trust = documents.pop(name, None)
        if trust and trust["Statement"][0]["Condition"] != {"StringEquals": {"aws:SourceAccount": Location().account}}:
            yield f"{name}: trusts other accounts"
    for name, document in documents.items():
        # The limits of an inline policy of a role, and of a managed policy.
        limit = 10_240 if name.endswith("-role") else 6_144
        yield from (f"{name}: {problem}" for problem in problems(document, limit))
    region = settings.get("AWS_REGION", "us-east-1")
    location = Location(PARTITIONS.get(region, "aws"), region)
    groups = ("TransformJobs", "TrainingJobs", "Endpoints/a")
    wanted = [need for group in groups for need in always(group, location)]
    wanted += needs_of({"requests": requests}, location)
    yield from (f"execution-role: lacks {need}" for need in wanted if not permits(documents["execution-role"], need))
    unwanted = forbidden(documents, known, location)
    yield from (f"{name}: permits {need}" for name, need in unwanted if permits(documents[name], need))
    if settings is EVERYTHING:
        yield from never_used(project, documents)


def never_used(project: Path, documents: dict[str, Json]) -> Iterator[str]:
    """Yield statements left out even if everything is set: they use a name that does not exist."""
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
            for name in DOCUMENTS.get(need.action, ["deployer"]):
                if not any(permits(document, need) for each, document in documents.items() if each.startswith(name)):
                    yield f"{name}: lacks {need}"
        body = body_of(call)
        wanted = list(needs_of(body, Location()))
        if body.get("Action") == "SimulatePrincipalPolicy":  # deploy.sh refuses a role without this permission
            wanted = [Need(body["ActionNames.member.1"], body["ResourceArns.member.1"], {})]
        yield from (f"execution-role: lacks {need}" for need in wanted if not permits(role, need))
    callers = [actions_of(documents[name]) for name in documents if name.startswith(("deployer", "role-maker"))]
    yield from (f"no call needs {action}" for action in sorted(set().union(*callers) - used))


def main(command: str, *arguments: str) -> int:
    if command == "calls":
        project, bucket, file = arguments
        recorded = [json.loads(line) for line in Path(file).read_text().splitlines()]
        wrong = list(check_calls(Path(project), bucket, recorded))
    else:
        cases = [(Path(project), settings) for project in arguments for settings in SETTINGS]
        wrong = [
            f"{case[0].name}, {SETTINGS.index(case[1])}: {each}" for case in cases for each in check_documents(*case)
        ]
    print("\n".join(dict.fromkeys(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
