
# --- a training job --------------------------------------------------------------------------------------------------
METRICS = [f"{channel}:{metric}" for channel in ("train", "validation") for metric in ("rmse", "logloss")]


def training_job() -> Json:
    """CreateTrainingJob. TRAIN_JOB is its name, HYPERPARAMETERS a JSON object."""
    job, key, seconds = text("TRAIN_JOB"), text("KMS_KEY_ID"), number("TRAIN_SECONDS", 1, 28 * 86400)
    machine: Json = {
        "InstanceType": text("TRAIN_INSTANCE_TYPE"),
        "InstanceCount": 1,
        "VolumeSizeInGB": number("TRAIN_VOLUME_GB", 1, 16384),
    }
    output: Json = {"S3OutputPath": location("TRAIN_OUTPUT", "training")}
    if key:
        output["KmsKeyId"] = machine["VolumeKmsKeyId"] = key
    metrics = [{"Name": name, "Regex": f"{name}=([0-9.eE+-]+)"} for name in METRICS]
    channels = {"train": text("TRAIN_DATA"), "validation": text("VALIDATION_DATA")}
    request: Json = {
        "TrainingJobName": job,
        "AlgorithmSpecification": {
            "TrainingImage": text("TRAIN_IMAGE_URI"),
            "TrainingInputMode": "File",
            "MetricDefinitions": metrics,
        },
        "RoleArn": text("ROLE_ARN"),
        "HyperParameters": mapping("HYPERPARAMETERS"),
        "InputDataConfig": [channel(name, place) for name, place in channels.items() if place],
        "OutputDataConfig": output,
        "ResourceConfig": machine,
        "StoppingCondition": {"MaxRuntimeInSeconds": seconds},
        "Tags": tags(),
    }
    if choice("TRAIN_SPOT", "false", "true") == "true":
        wait = seconds + number("TRAIN_SPOT_WAIT_SECONDS", 0, 28 * 86400)
        request["EnableManagedSpotTraining"] = True
        request["StoppingCondition"]["MaxWaitTimeInSeconds"] = wait
        request["CheckpointConfig"] = {"S3Uri": f"{location('TRAIN_CHECKPOINTS', 'checkpoints')}/{job}"}
    if names("VPC_SUBNETS"):
        request["VpcConfig"] = {"Subnets": names("VPC_SUBNETS"), "SecurityGroupIds": names("VPC_SECURITY_GROUPS")}
    if choice("NETWORK_ISOLATION", "false", "true") == "true":
        request["EnableNetworkIsolation"] = True
    return request


def channel(name: str, place: str) -> Json:
    source = {"S3DataType": "S3Prefix", "S3Uri": place, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}
