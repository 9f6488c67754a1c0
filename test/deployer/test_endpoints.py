"""The requests to AWS for an endpoint: model, configuration, endpoint and auto scaling."""

from collections.abc import Mapping
from typing import Any

import pytest
from conftest import (
    ARCHIVE,
    BUCKET,
    CHOICES,
    COMMON,
    INSTANCE,
    ROLE,
    Async,
    Choose,
    InImage,
    Language,
    Many,
    Read,
    Realtime,
    Serverless,
    strings,
)

from deployer import settings as base
from deployer.requests import asynchronous, endpoint, realtime, serverless
from deployer.requests.scaling import POLICY_ARN

Kind = type[base.Settings]
Given = Mapping[str, str]
PACKED = {**ARCHIVE, **INSTANCE}
SIZE = {"SERVERLESS_MEMORY": "2048", "SERVERLESS_MAX_CONCURRENCY": "5"}
GPU = {"INSTANCE_TYPE": "ml.g6.12xlarge", "INFERENCE_AMI_VERSION": "auto"}
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:huggingface"
HUB = {**GPU, "MODEL_ID": "org/x", "MODEL_REVISION": "c" * 40, "HF_TOKEN_SECRET": SECRET}
RICH = {
    **PACKED,
    "TAGS": '{"team": "fraud", "ünï": "a b+c@d"}',
    "CONTAINER_ENV": '{"SM_LOG_LEVEL": "DEBUG"}',
    "VPC_SUBNETS": "subnet-1, subnet-2,",
    "VPC_SECURITY_GROUPS": "sg-1",
    "NETWORK_ISOLATION": "true",
    "KMS_KEY_ID": "alias/mine",
    "CAPTURE_PERCENT": "10",
    "METRICS": "true",
    "VOLUME_GB": "20",
    "MAX_INSTANCE_COUNT": "3",
}
KINDS: list[tuple[Kind, Given, str]] = [
    (Realtime, PACKED, "demo-e3c7f3c4bc"),
    (InImage, INSTANCE, "demo-57c025973a"),
    (Many, INSTANCE, "demo-fbec8a1205"),
    (Language, HUB, "demo-4db8a01e3f"),
    (Async, PACKED, "demo-485ddcad6b"),  # changed by SM_MAX_BODY_MB
    (Serverless, {**ARCHIVE, **SIZE}, "demo-60ac3fb2e9"),
]
MORE: list[tuple[Kind, Given, str]] = [
    (Realtime, RICH, "demo-a42ec60876"),
    (Realtime, {**ARCHIVE, "INSTANCE_TYPE": "ml.g5.xlarge", "INFERENCE_AMI_VERSION": "auto"}, "demo-8c6793c2b8"),
    (Language, {**GPU, "MODEL_DATA": "s3://bucket/x/"}, "demo-5cf3a70c57"),
]


def name_of(settings: Any) -> str:
    """Return the name of the model and the configuration."""
    return endpoint.name(settings)


# --- names -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "given", "name"), [*KINDS, *MORE])
def test_names_are_the_same_as_in_older_projects(
    read: Read, choose: Choose, kind: Kind, given: Given, name: str
) -> None:
    """So that regenerating a project does not update an unchanged endpoint. These names are from before the deployer; a
    name contains a hash of the requests for model and configuration, so those are unchanged, too."""
    choose(kind)
    assert name_of(read(kind, **given)) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE_URI", "other"),
        ("MODEL_DATA", "s3://bucket/other.tar.gz"),
        ("ROLE_ARN", f"{ROLE}2"),
        ("INSTANCE_TYPE", "ml.m5.large"),
        ("TAGS", '{"team": "a"}'),
        ("STARTUP_SECONDS", "600"),
    ],
)
def test_the_name_changes_with_the_content(read: Read, choose: Choose, name: str, value: str) -> None:
    choose(Realtime)
    assert name_of(read(Realtime, **{**PACKED, name: value})) != "demo-e3c7f3c4bc"


@pytest.mark.parametrize("change", [{"POLL_SECONDS": "1"}, {"MAX_INSTANCE_COUNT": "4"}, {"BASE_IMAGE": "other"}])
def test_settings_outside_model_and_configuration_do_not_change_the_name(
    read: Read, choose: Choose, change: Given
) -> None:
    choose(Realtime)
    assert name_of(read(Realtime, **{**PACKED, **change})) == "demo-e3c7f3c4bc"


def test_a_long_name_is_shortened(read: Read, choose: Choose) -> None:
    choose(Realtime)
    name = name_of(read(Realtime, **PACKED, ENDPOINT_NAME="e" * 63))
    assert name.startswith("e" * 52 + "-") and len(name) == 63


# --- every kind ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "given", "name"), KINDS)
def test_all_requests_use_the_same_names_and_tags(
    read: Read, choose: Choose, kind: Kind, given: Given, name: str
) -> None:
    choose(kind)
    settings: Any = read(kind, **given, TAGS='{"team": "fraud"}')
    model, config, made = endpoint.model(settings), endpoint.endpoint_config(settings), endpoint.endpoint(settings)
    assert config["ProductionVariants"][0]["ModelName"] == model["ModelName"] != name
    assert (made["EndpointName"], made["EndpointConfigName"]) == ("demo", config["EndpointConfigName"])
    own = {"ml-container-creator:project": "demo", "ml-container-creator:endpoint": "demo"}
    for request in (model, config, made):
        assert {tag["Key"]: tag["Value"] for tag in request["Tags"]} == {"team": "fraud", **own}


@pytest.mark.parametrize(
    ("kind", "given", "container"),
    [
        (Realtime, PACKED, {"ModelDataUrl": ARCHIVE["MODEL_DATA"], "Environment": {}}),
        (InImage, INSTANCE, {"Environment": {}}),
        (Many, INSTANCE, {"Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/demo/models/", "Environment": {}}),
        (
            Many,
            {**INSTANCE, "MODEL_DATA": "s3://b/p"},
            {"Mode": "MultiModel", "ModelDataUrl": "s3://b/p/", "Environment": {}},
        ),
        (Language, HUB, {"Environment": {"MODEL_REVISION": "c" * 40, "HF_TOKEN_SECRET": SECRET}}),
        (
            Async,
            {**ARCHIVE, **INSTANCE},
            {"ModelDataUrl": ARCHIVE["MODEL_DATA"], "Environment": {"SM_MAX_BODY_MB": "1000"}},
        ),
        (
            Serverless,
            {**ARCHIVE, **SIZE, "CONTAINER_ENV": '{"SM_WORKERS": "2"}'},
            {"ModelDataUrl": ARCHIVE["MODEL_DATA"], "Environment": {"SM_WORKERS": "2"}},
        ),
    ],
)
def test_the_container_definition_contains_the_model(
    read: Read, choose: Choose, kind: Kind, given: Given, container: Mapping[str, Any]
) -> None:
    choose(kind)
    settings: Any = read(kind, **given)
    assert endpoint.model(settings)["PrimaryContainer"] == {"Image": COMMON["IMAGE_URI"], **container}


def test_files_in_s3_are_uncompressed_and_need_no_hub(read: Read, choose: Choose) -> None:
    choose(Language)
    settings: Any = read(Language, **HUB, MODEL_DATA="s3://b/p/")
    container = endpoint.model(settings)["PrimaryContainer"]
    source = {"S3Uri": "s3://b/p/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    assert (container["ModelDataSource"], container["Environment"]) == ({"S3DataSource": source}, {})


# --- configurations --------------------------------------------------------------------------------------------------
def test_data_capture_and_metrics_of_a_real_time_endpoint_are_optional(read: Read) -> None:
    assert realtime.options(read(Realtime, **INSTANCE)) == {}
    capture = realtime.options(read(Realtime, **RICH))["DataCaptureConfig"]
    assert (capture["InitialSamplingPercentage"], capture["KmsKeyId"]) == (10, "alias/mine")
    assert capture["DestinationS3Uri"] == f"s3://{BUCKET}/demo/capture"
    elsewhere = realtime.options(read(Realtime, **RICH, CAPTURE_URI="s3://b/c/"))
    assert elsewhere["DataCaptureConfig"]["DestinationS3Uri"] == "s3://b/c"
    assert elsewhere["MetricsConfig"] == {"EnableDetailedObservability": True}


def test_an_asynchronous_endpoint_has_a_queue(read: Read) -> None:
    queue = asynchronous.options(read(Async, **INSTANCE))["AsyncInferenceConfig"]
    folder = f"s3://{BUCKET}/demo/async"
    paths = {"S3OutputPath": f"{folder}/output", "S3FailurePath": f"{folder}/failures"}
    assert queue == {"OutputConfig": paths, "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4}}
    given = {"SUCCESS_TOPIC": "arn:s", "ASYNC_OUTPUT": "s3://b/o/", "KMS_KEY_ID": "k"}
    output = asynchronous.options(read(Async, **INSTANCE, **given))["AsyncInferenceConfig"]["OutputConfig"]
    assert output["NotificationConfig"] == {"SuccessTopic": "arn:s"}
    assert (output["S3OutputPath"], output["KmsKeyId"]) == ("s3://b/o", "k")


def test_a_serverless_endpoint_has_memory_instead_of_instances(read: Read) -> None:
    size = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert serverless.variant(read(Serverless, **SIZE)) == {"ServerlessConfig": size}
    ready = read(Serverless, **SIZE, PROVISIONED_CONCURRENCY="2")
    assert serverless.variant(ready) == {"ServerlessConfig": {**size, "ProvisionedConcurrency": 2}}
    assert ready.platform == "linux/amd64"


# --- auto scaling ----------------------------------------------------------------------------------------------------
FOUR = {"MAX_INSTANCE_COUNT": "4"}
READY = {**SIZE, "PROVISIONED_CONCURRENCY": "1", "MAX_PROVISIONED_CONCURRENCY": "4"}


@pytest.mark.parametrize(
    ("kind", "given", "minimum", "metric", "value"),
    [
        (Realtime, {**INSTANCE, **FOUR}, 1, "SageMakerVariantInvocationsPerInstance", 1000),
        (Language, {**GPU, **FOUR}, 1, "SageMakerVariantConcurrentRequestsPerModelHighResolution", 16),
        (Async, {**INSTANCE, **FOUR}, 0, "ApproximateBacklogSizePerInstance", 5),
        (Serverless, READY, 1, "SageMakerVariantProvisionedConcurrencyUtilization", 0.7),
    ],
)
def test_an_endpoint_scales_between_its_limits_by_the_metric_of_its_kind(
    read: Read, choose: Choose, kind: Kind, given: Given, minimum: int, metric: str, value: float
) -> None:
    choose(kind)
    settings: Any = read(kind, **given)
    (_, register, target), (_, put, policy), *others = endpoint.scaling_calls(settings)
    assert (register, put) == ("register_scalable_target", "put_scaling_policy")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (minimum, 4)
    assert target["ResourceId"] == policy["ResourceId"] == "endpoint/demo/variant/AllTraffic"
    assert target["ScalableDimension"] == policy["ScalableDimension"]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == value and metric in strings(tracking)
    assert bool(others) == (kind is Async)


@pytest.mark.parametrize(("kind", "given", "name"), KINDS)
def test_an_endpoint_with_a_fixed_instance_count_does_not_scale(
    read: Read, choose: Choose, kind: Kind, given: Given, name: str
) -> None:
    choose(kind)
    settings: Any = read(kind, **given, **({"MIN_INSTANCE_COUNT": "1"} if kind is Async else {}))
    assert endpoint.scaling_calls(settings) == []


def test_a_queued_request_scales_an_asynchronous_endpoint_up_from_zero(read: Read, choose: Choose) -> None:
    choose(Async)
    settings: Any = read(Async, **INSTANCE, **FOUR)
    _, _, (_, _, wake), (service, method, alarm) = endpoint.scaling_calls(settings)
    assert wake["StepScalingPolicyConfiguration"]["StepAdjustments"][0]["ScalingAdjustment"] == 1
    assert (service, method, alarm["AlarmName"]) == ("cloudwatch", "put_metric_alarm", "demo-wake")
    assert (alarm["AlarmActions"], alarm["MetricName"]) == ([POLICY_ARN], "HasBacklogWithoutCapacity")


REQUESTS = "each request is billed by its duration, with 2048 MB of memory,"


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (Realtime, INSTANCE, "1 x ml.m6g.large in us-east-1, billed"),
        (Realtime, {**INSTANCE, **FOUR}, "1 to 4 x ml.m6g.large in us-east-1, billed"),
        (Async, {**INSTANCE, **FOUR}, "0 to 4 x ml.m6g.large (none while the queue is empty) in us-east-1, billed"),
        (Serverless, SIZE, f"{REQUESTS} in us-east-1,"),
        (Serverless, READY, f"{REQUESTS} and a provisioned concurrency of 1 to 4 continuously, in us-east-1,"),
    ],
)
def test_the_cost_is_described(read: Read, kind: Kind, given: Given, words: str) -> None:
    _, target, _ = CHOICES[kind]
    assert target.cost(read(kind, **given)) == words
