"""A training job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer import settings as base
from deployer.requests.common import Json, folder, network, tags

DAYS_28 = 28 * 86400  # source: StoppingCondition, SageMaker's API
METRICS = [f"{channel}:{metric}" for channel in ("train", "validation") for metric in ("rmse", "logloss")]


@dataclass(frozen=True)
class Settings(base.Settings):
    """The settings of a training job."""

    train_data: str = base.s3_uri()
    validation_data: str = base.s3_uri()
    train_instance_type: str = base.text(form=r"ml\.[a-z0-9-]+\.[a-z0-9]+", allowed="ml.FAMILY.SIZE", required=True)
    train_volume_gb: int = base.number(1, 16384, 30)
    train_seconds: int = base.number(1, DAYS_28, 3600)
    train_spot: bool = base.flag()
    train_spot_wait_seconds: int = base.number(0, DAYS_28, 3600)
    train_output: str = base.s3_uri()
    train_checkpoints: str = base.s3_uri()
    train_image_uri: str = base.text()


def output_of(settings: Settings) -> str:
    """Return the S3 URI below which each job has a folder for its model."""
    return folder(settings, settings.train_output, "training")


def training_job(settings: Settings, job: str, hyperparameters: Mapping[str, str]) -> Json:
    """Return the request of CreateTrainingJob."""
    machine: Json = {
        "InstanceType": settings.train_instance_type,
        "InstanceCount": 1,
        "VolumeSizeInGB": settings.train_volume_gb,
    }
    output: Json = {"S3OutputPath": output_of(settings)}
    if settings.kms_key_id:
        output["KmsKeyId"] = machine["VolumeKmsKeyId"] = settings.kms_key_id
    channels = {"train": settings.train_data, "validation": settings.validation_data}
    request: Json = {
        "TrainingJobName": job,
        "AlgorithmSpecification": {
            "TrainingImage": settings.train_image_uri,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": name, "Regex": f"{name}=([0-9.eE+-]+)"} for name in METRICS],
        },
        "RoleArn": settings.role_arn,
        "HyperParameters": dict(hyperparameters),
        "InputDataConfig": [channel(name, uri) for name, uri in channels.items() if uri],
        "OutputDataConfig": output,
        "ResourceConfig": machine,
        "StoppingCondition": {"MaxRuntimeInSeconds": settings.train_seconds},
        "Tags": tags(settings),
        **network(settings),
    }
    if settings.train_spot:
        wait = settings.train_seconds + settings.train_spot_wait_seconds
        request["EnableManagedSpotTraining"] = True
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = wait
        checkpoints = folder(settings, settings.train_checkpoints, "checkpoints")
        request["CheckpointConfig"] = {"S3Uri": f"{checkpoints}/{job}"}
    return request


def channel(name: str, uri: str) -> Json:
    """Return an input channel that reads an S3 URI."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}
