"""The endpoint as an AWS CDK app. In this folder, `cdk deploy` creates or updates it and `cdk destroy` removes it.

The settings are in ../settings.env; an environment variable of the same name overrides them.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import aws_cdk as cdk
from endpoint_stack import EndpointStack

from deployer import settings as base
from deployer.project import COMMANDS, Settings, command_module
from deployer.settings import SettingError
from deployer.state import recall


def main() -> None:
    """Create the stack, named after the endpoint."""
    settings = base.read(Settings)
    account = os.environ.get("CDK_DEFAULT_ACCOUNT") or os.environ.get("AWS_ACCOUNT_ID") or ""
    # The legacy synthesizer uploads no assets and assumes no bootstrap roles: the account needs no cdk bootstrap.
    app = cdk.App(default_stack_synthesizer=cdk.LegacyStackSynthesizer(), analytics_reporting=False)
    name, env = settings.deployment, cdk.Environment(account=account or None, region=settings.aws_region)
    if not name[0].isalpha():
        raise SettingError(f"ENDPOINT_NAME must begin with a letter for CloudFormation, not {name!r}.")
    try:
        EndpointStack(app, name, find_content(replace(settings, account=account)), env=env)
    except SettingError as error:
        if "CDK_CLI_VERSION" not in os.environ:
            raise
        app.node.try_remove_child(name)
        refuse(cdk.Stack(app, name, env=env), error)
    app.synth()


def refuse(stack: cdk.Stack, error: SettingError) -> None:
    """Make `cdk deploy` fail with the error. `cdk destroy` still works: it needs only the stack's name."""
    cdk.CfnWaitConditionHandle(stack, "Nothing")  # CloudFormation rejects an empty stack with an error of its own
    cdk.Annotations.of(stack).add_error(str(error))


def find_content(settings: Settings) -> Settings:
    """Return the settings with image and model filled in. Raise SettingError if one is missing."""
    region, platform = settings.aws_region, settings.platform
    if not settings.account:
        raise SettingError("Cannot sign in to AWS. Sign in (aws configure, or aws sso login) and try again.")
    image = settings.image_uri or recall(settings, f"image-{platform.rpartition('/')[2]}")
    if not image:
        raise SettingError(
            f"No image for {platform} has been pushed to {region} yet. Run deploy/build_and_push.sh first."
        )
    bucket = settings.s3_bucket or f"sagemaker-{region}-{settings.account}"
    settings = replace(settings, image_uri=image, s3_bucket=bucket)
    if COMMANDS["upload_model"] in ("upload_image", "upload_many"):
        return settings
    model = settings.model_data or recall(settings, "model")
    if not model and vars(settings).get("model_id"):  # only language models have this setting
        revision = {"model_revision": command_module("upload_model").hub.revision(settings)}
        return replace(settings, **revision)
    if not model:
        raise SettingError(f"No model has been uploaded to {region} yet. Run deploy/upload_model.sh first.")
    return replace(settings, model_data=model)


if __name__ == "__main__":
    try:
        main()
    except SettingError as error:
        sys.exit(f"ERROR: {error}")
