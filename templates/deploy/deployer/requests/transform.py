"""A batch transform job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployer import settings as base
from deployer.requests import instances
from deployer.requests.common import Json, folder, kms_key, tags

ENVIRONMENT: dict[str, str] = {}
# The newest AMI for GPU types. Source: TransformResources.TransformAmiVersion in SageMaker's API.
GPU_AMI = "al2-ami-sagemaker-batch-gpu-535"


@dataclass(frozen=True)
class Settings(instances.Machines):
    """The settings of a batch transform job."""

    job_name: str = base.resource_name()
    transform_ami_version: str = base.text()
    batch_input: str = base.text()
    batch_output: str = base.s3_uri()
    batch_content_type: str = base.text()
    batch_accept: str = base.text("text/csv")
    batch_split: str = base.choice("Line", "None")
    batch_assemble: str = base.choice("Line", "None")
    batch_strategy: str = base.choice("MultiRecord", "SingleRecord")
    batch_payload_mb: int = base.number(0, 100, 6)
    batch_concurrency: int | None = base.optional_number(1, 100)

    @property
    def deployment(self) -> str:
        """The prefix of all resource names."""
        return self.job_name

    def problems(self) -> Iterator[str]:
        """SageMaker limits the total size of concurrent requests to 100 MB."""
        yield from super().problems()
        if self.batch_payload_mb * (self.batch_concurrency or 1) > 100:
            yield "BATCH_PAYLOAD_MB times BATCH_CONCURRENCY can be at most 100."


def job(settings: Settings, model: str, name: str) -> Json:
    """Return the request of CreateTransformJob. The predictions go to a folder named after the job."""
    source: Json = {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": settings.batch_input}},
        "SplitType": settings.batch_split,
    }
    if settings.batch_content_type:
        source["ContentType"] = settings.batch_content_type
    output: Json = {"S3OutputPath": f"{folder(settings, settings.batch_output, 'batch/output')}/{name}"}
    output |= {"AssembleWith": settings.batch_assemble, "Accept": settings.batch_accept, **kms_key(settings)}
    resources: Json = {"InstanceType": settings.instance_type, "InstanceCount": settings.instance_count}
    if settings.kms_key_id:
        resources["VolumeKmsKeyId"] = settings.kms_key_id
    ami = settings.transform_ami_version
    if ami := (GPU_AMI if instances.ami_of(settings.instance_type) else "") if ami == instances.AUTO else ami:
        resources["TransformAmiVersion"] = ami
    request: Json = {
        "TransformJobName": name,
        "ModelName": model,
        "TransformInput": source,
        "TransformOutput": output,
        "TransformResources": resources,
        "BatchStrategy": settings.batch_strategy,
        "MaxPayloadInMB": settings.batch_payload_mb,
        "Tags": tags(settings),
    }
    if settings.batch_concurrency:
        request["MaxConcurrentTransforms"] = settings.batch_concurrency
    return request


def cost(settings: Settings) -> str:
    """Describe what is billed."""
    return f"{settings.instance_count} x {settings.instance_type} in {settings.aws_region}, billed"
