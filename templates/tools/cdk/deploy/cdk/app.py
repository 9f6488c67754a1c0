"""The endpoint as an app of the AWS CDK. In this folder, `cdk deploy` makes or updates it and `cdk destroy` removes it.

What is deployed is what ../settings.sh says; a variable of the same name in the environment wins.
"""

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import aws_cdk as cdk
import resources
from endpoint_stack import EndpointStack
from resources import SettingError, text


def main() -> None:
    resources.load_settings()
    # Nothing is uploaded and no role of another app is taken on: the account needs no cdk bootstrap.
    app = cdk.App(default_stack_synthesizer=cdk.LegacyStackSynthesizer(), analytics_reporting=False)
    name, env = stack_name(), cdk.Environment(account=account() or None, region=text("AWS_REGION"))
    try:
        find_content()
        EndpointStack(app, name, env=env)
    except SettingError as error:
        if "CDK_CLI_VERSION" not in os.environ:
            raise
        app.node.try_remove_child(name)
        refuse(cdk.Stack(app, name, env=env), error)
    app.synth()


def refuse(stack: cdk.Stack, error: SettingError) -> None:
    """`cdk deploy` says the error and ends; for `cdk destroy` the name of the stack is enough."""
    cdk.CfnWaitConditionHandle(stack, "Nothing")  # without any resource it would be an error of another kind, too
    cdk.Annotations.of(stack).add_error(str(error))


def stack_name() -> str:
    """The endpoint's name."""
    name = resources.deployment()
    if not re.fullmatch(r"[A-Za-z](-*[A-Za-z0-9]){0,62}", name):
        raise SettingError(f"ENDPOINT_NAME has to be letters, digits and hyphens after a letter, and is {name!r}.")
    return name


def account() -> str:
    """The account of the credentials, for which the cdk command has asked AWS."""
    return text("CDK_DEFAULT_ACCOUNT", text("AWS_ACCOUNT_ID"))


def find_content() -> None:
    """Puts what is deployed into the settings where they leave it open. Raises SettingError where there is none."""
    region, platform = text("AWS_REGION"), text("PLATFORM")
    if not account():
        raise SettingError("AWS did not accept your credentials. Sign in (aws configure, or aws sso login), try again.")
    image = text("IMAGE_URI") or recall(f"image-{platform.rpartition('/')[2]}")
    if not image:
        raise SettingError(f"No image for {platform} was pushed to {region} yet. First: deploy/build_and_push.sh")
    os.environ["S3_BUCKET"] = text("S3_BUCKET", f"sagemaker-{region}-{account()}")
    model = ""
    if text("MODEL_DELIVERY") == "s3":
        model = resources.model_url() or recall("model")
        elsewhere = {} if model else resources.elsewhere()
        if not model and not elsewhere:
            raise SettingError(f"No model was uploaded to {region} yet. First: deploy/upload_model.sh")
        os.environ.update(elsewhere)
    os.environ.update(ACCOUNT=account(), IMAGE_URI=image, MODEL_DATA=model)


def recall(name: str) -> str:
    """What the scripts of deploy/ recorded under this name; empty where they have not."""
    path = resources.HERE / ".state" / f"{account()}-{text('AWS_REGION')}" / name
    return path.read_text().strip() if path.is_file() else ""


if __name__ == "__main__":
    try:
        main()
    except SettingError as error:
        sys.exit(f"ERROR: {error}")
