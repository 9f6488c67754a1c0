"""The requests to AWS for batch transform jobs, training jobs and builds, and the instances they run on."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import ARCHIVE, BUCKET, INSTANCE, ROLE, Batch, Choose, Read, Realtime

from deployer.requests import codebuild, instances, training, transform
from deployer.requests.common import name_by_content
from deployer.requests.model import describe_model

CATALOGUE = Path(__file__).parents[2] / "generators/catalog/instances.data.ts"
ENTRY = re.compile(r"type: '(ml\.[^']+)'.* arch: '(\w+)'(?:, gpu: \{ name: '([^']+)')?")


# --- batch transform -------------------------------------------------------------------------------------------------
BATCH = {**ARCHIVE, "INSTANCE_TYPE": "ml.m5.large", "BATCH_INPUT": "s3://b/in.csv"}


def test_the_model_of_a_job_has_the_same_name_as_in_older_projects(read: Read, choose: Choose) -> None:
    choose(Batch)
    settings = read(Batch, **{**BATCH, **INSTANCE})
    assert name_by_content(settings, describe_model(settings)) == "demo-e58cb6a5e2"


def test_a_transform_job_splits_lines_and_writes_to_its_own_folder(read: Read) -> None:
    request = transform.job(read(Batch, **BATCH, BATCH_CONTENT_TYPE="text/csv"), "demo-1", "demo-job")
    assert request["TransformInput"] == {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in.csv"}},
        "SplitType": "Line",
        "ContentType": "text/csv",
    }
    output = {"S3OutputPath": f"s3://{BUCKET}/demo/batch/output/demo-job", "AssembleWith": "Line", "Accept": "text/csv"}
    assert request["TransformOutput"] == output
    assert request["TransformResources"] == {"InstanceType": "ml.m5.large", "InstanceCount": 1}
    assert (request["TransformJobName"], request["ModelName"]) == ("demo-job", "demo-1")
    assert (request["BatchStrategy"], request["MaxPayloadInMB"]) == ("MultiRecord", 6)
    assert "MaxConcurrentTransforms" not in request


def test_a_transform_job_uses_the_settings(read: Read) -> None:
    given = {
        "BATCH_OUTPUT": "s3://b/out/",
        "BATCH_SPLIT": "None",
        "BATCH_ASSEMBLE": "None",
        "BATCH_CONCURRENCY": "4",
        "BATCH_STRATEGY": "SingleRecord",
        "BATCH_PAYLOAD_MB": "0",
        "KMS_KEY_ID": "k",
        "INSTANCE_COUNT": "2",
    }
    request = transform.job(read(Batch, **BATCH, **given), "demo-1", "demo-job")
    assert request["TransformOutput"]["S3OutputPath"] == "s3://b/out/demo-job"
    assert request["TransformOutput"]["KmsKeyId"] == request["TransformResources"]["VolumeKmsKeyId"] == "k"
    assert request["TransformResources"]["InstanceCount"] == 2
    assert "ContentType" not in request["TransformInput"]
    assert (request["MaxConcurrentTransforms"], request["MaxPayloadInMB"]) == (4, 0)


@pytest.mark.parametrize(
    ("kind", "version", "ami"),
    [
        ("ml.g5.xlarge", "auto", "al2-ami-sagemaker-batch-gpu-535"),
        ("ml.m5.large", "auto", None),
        ("ml.g5.xlarge", "mine", "mine"),
        ("ml.g5.xlarge", "", None),
    ],
)
def test_a_transform_job_has_the_ami_of_its_gpu(read: Read, kind: str, version: str, ami: str | None) -> None:
    settings = read(Batch, **{**BATCH, "INSTANCE_TYPE": kind}, TRANSFORM_AMI_VERSION=version)
    assert transform.job(settings, "m", "j")["TransformResources"].get("TransformAmiVersion") == ami


# --- training --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Training(Realtime, training.Settings):
    """A project with training."""


TRAIN = {"TRAIN_DATA": "s3://b/t/", "TRAIN_INSTANCE_TYPE": "ml.m5.large", "TRAIN_IMAGE_URI": "image"}


def test_a_training_job_reads_its_channels_and_writes_to_the_bucket(read: Read) -> None:
    request = training.training_job(read(Training, **TRAIN), "job", {"eta": "0.1"})
    (channel,) = request["InputDataConfig"]
    assert channel["ChannelName"] == "train"
    assert channel["DataSource"]["S3DataSource"]["S3Uri"] == "s3://b/t/"
    assert request["OutputDataConfig"] == {"S3OutputPath": f"s3://{BUCKET}/demo/training"}
    assert request["HyperParameters"] == {"eta": "0.1"}
    assert (request["RoleArn"], request["AlgorithmSpecification"]["TrainingImage"]) == (ROLE, "image")
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600}
    assert not {"EnableManagedSpotTraining", "CheckpointConfig", "VpcConfig"} & set(request)


def test_spot_capacity_waits_longer_and_keeps_checkpoints(read: Read) -> None:
    given = {"TRAIN_SPOT": "true", "TRAIN_SPOT_WAIT_SECONDS": "60", "VALIDATION_DATA": "s3://b/v", "KMS_KEY_ID": "k"}
    request = training.training_job(read(Training, **TRAIN, **given), "job", {})
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3660}
    assert request["CheckpointConfig"] == {"S3Uri": f"s3://{BUCKET}/demo/checkpoints/job"}
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train", "validation"]
    assert request["OutputDataConfig"]["KmsKeyId"] == request["ResourceConfig"]["VolumeKmsKeyId"] == "k"


def test_metric_definitions_match_the_training_log(read: Read) -> None:
    line = "train:rmse=5.24603 validation:rmse=12.3354 epoch=1"
    definitions = training.training_job(read(Training, **TRAIN), "job", {})["AlgorithmSpecification"]
    found = {
        each["Name"]: match[1] for each in definitions["MetricDefinitions"] if (match := re.search(each["Regex"], line))
    }
    assert found == {"train:rmse": "5.24603", "validation:rmse": "12.3354"}


# --- builds ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Built(Realtime, codebuild.Settings):
    """A project built in CodeBuild."""


@pytest.mark.parametrize(
    ("platform", "machine"), [("linux/amd64", "LINUX_CONTAINER"), ("linux/arm64", "ARM_CONTAINER")]
)
def test_an_image_is_built_on_a_machine_of_its_architecture(read: Read, platform: str, machine: str) -> None:
    request = codebuild.project(read(Built, TAGS='{"team": "a"}', BUILD_ROLE_ARN="arn:r"), platform, "bucket/key")
    assert request["environment"]["type"] == machine
    assert request["environment"]["privilegedMode"] is True
    assert request["source"] == {"type": "S3", "location": "bucket/key", "buildspec": "deploy/buildspec.yml"}
    tags = [{"key": "team", "value": "a"}, {"key": "ml-container-creator:project", "value": "demo"}]
    assert (request["serviceRole"], request["tags"]) == ("arn:r", tags)


def test_a_build_gets_only_variables_with_a_value(read: Read) -> None:
    request = codebuild.build(read(Built), "bucket/key", {"PLATFORM": "linux/amd64", "DOCKER_BUILD_OPTS": ""})
    (variable,) = request["environmentVariablesOverride"]
    assert variable == {"name": "PLATFORM", "value": "linux/amd64", "type": "PLAINTEXT"}
    assert request["sourceLocationOverride"] == "bucket/key"


def test_a_codebuild_project_is_updated_only_if_it_differs(read: Read) -> None:
    wanted = codebuild.project(read(Built), "linux/amd64", "bucket/key")
    found: dict[str, Any] = json.loads(json.dumps(wanted))
    found["source"]["location"] = "bucket/other"  # each build sets its own
    found["arn"] = "arn:of-what-is-there"
    found["tags"].reverse()
    assert not codebuild.differs(found, wanted)
    changes: list[dict[str, Any]] = [{"serviceRole": "other"}, {"tags": []}, {"environment": {}}]
    for change in changes:
        assert codebuild.differs({**found, **change}, wanted)
    assert codebuild.differs(None, wanted)


# --- instances -------------------------------------------------------------------------------------------------------
def types() -> list[tuple[str, str, str | None]]:
    """Return type, architecture and GPU of all instance types in the catalogue."""
    found = [match.groups() for match in ENTRY.finditer(CATALOGUE.read_text())]
    return [(str(kind), str(arch), gpu) for kind, arch, gpu in found]


def test_platform_and_ami_of_every_type_in_the_catalogue() -> None:
    known = types()
    assert len(known) > 250
    last_cuda = {"K80": "", "V100": instances.CUDA_12, None: ""}
    for kind, arch, gpu in known:
        platform = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}[arch]
        assert instances.platform_of({"instance_type": kind}) == platform, kind
        assert instances.ami_of(kind) == last_cuda.get(gpu, instances.CUDA_13), kind


@pytest.mark.parametrize(
    ("kind", "platform"),
    [
        ("ml.m9g.large", "linux/arm64"),
        ("ml.c8gn.48xlarge", "linux/arm64"),
        ("ml.p6e-gb200.36xlarge", "linux/arm64"),
        ("ml.g7.xlarge", "linux/amd64"),
        ("ml.p7.48xlarge", "linux/amd64"),
    ],
)
def test_the_platform_of_a_future_type_follows_from_its_name(kind: str, platform: str) -> None:
    assert instances.platform_of({"instance_type": kind}) == platform


@pytest.mark.parametrize(
    ("given", "platform"),
    [
        ({"INSTANCE_TYPE": "ml.m6g.large"}, "linux/arm64"),
        ({"INSTANCE_TYPE": "ml.m5.large"}, "linux/amd64"),
        ({"INSTANCE_TYPE": "ml.m5.large", "PLATFORM": "linux/arm64"}, "linux/arm64"),
    ],
)
def test_the_platform_is_the_instances_unless_it_is_set(read: Read, given: dict[str, str], platform: str) -> None:
    assert read(Realtime, **given).platform == platform


@pytest.mark.parametrize(
    ("given", "ami"),
    [
        ({"INSTANCE_TYPE": "ml.g5.xlarge", "INFERENCE_AMI_VERSION": "auto"}, instances.CUDA_13),
        ({"INSTANCE_TYPE": "ml.p3.2xlarge", "INFERENCE_AMI_VERSION": "auto"}, instances.CUDA_12),
        ({"INSTANCE_TYPE": "ml.m5.large", "INFERENCE_AMI_VERSION": "auto"}, None),
        ({"INSTANCE_TYPE": "ml.g5.xlarge"}, None),
        ({"INSTANCE_TYPE": "ml.g5.xlarge", "INFERENCE_AMI_VERSION": "mine"}, "mine"),
    ],
)
def test_an_endpoint_has_the_ami_of_the_settings(read: Read, given: dict[str, str], ami: str | None) -> None:
    assert instances.variant(read(Realtime, **given)).get("InferenceAmiVersion") == ami
