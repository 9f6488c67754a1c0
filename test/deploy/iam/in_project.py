"""Print the IAM documents of a project, some of the values filled in, and the requests to SageMaker.

Runs in the project's folder, with deploy/ on PYTHONPATH: in_project.py ACCOUNT
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from deployer import settings as base
from deployer.project import COMMANDS, Settings
from deployer.requests import policies
from deployer.requests.common import Json

# Where upload_model uploads the model.
UPLOADED = {"upload_archive": "0123abc/model.tar.gz", "upload_files": "model/0123abc/", "upload_many": "models/"}


def requests(settings: Settings) -> Iterator[Json]:
    """Yield the requests that name what the execution role reads and writes."""
    own = f"s3://{settings.s3_bucket}/{settings.project_name}"
    if uploaded := UPLOADED.get(COMMANDS["upload_model"]):
        settings = replace(settings, model_data=settings.model_data or f"{own}/{uploaded}")
    if COMMANDS["deploy"] == "endpoint":
        from deployer.requests import endpoint

        yield endpoint.model(settings)
        yield endpoint.endpoint_config(settings)
    else:
        from deployer.requests import model, transform

        uri = settings.batch_input or f"{own}/batch/input/0123abc/records.csv"
        yield model.describe_model(settings)
        yield transform.job(replace(settings, batch_input=uri), "model", "job")
    if "fit" in COMMANDS:
        from deployer.requests import training

        uri = settings.train_data or f"{own}/data/0123abc/records.csv"
        image = settings.train_image_uri or f"123456789012.dkr.ecr.example/{settings.project_name}:v1"
        yield training.training_job(replace(settings, train_data=uri, train_image_uri=image), "job", {})


def main(account: str) -> None:
    settings = base.read(Settings)
    bucket = settings.s3_bucket or f"sagemaker-{settings.aws_region}-{account}"
    settings = replace(settings, account=account, s3_bucket=bucket)
    documents = {
        file.stem: policies.document(settings, json.loads(file.read_text()))
        for file in Path("deploy/iam").glob("*.json")
    }
    known = [policies.values(settings)[name][0] for name in ("NAME", "PROJECT_NAME", "S3_BUCKET", "ROLE_ARN")]
    print(json.dumps([documents, known, list(requests(settings))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
