
# --- a batch transform job -------------------------------------------------------------------------------------------
ENVIRONMENT: dict[str, str] = {}


def deployment() -> str:
    """What the names of all resources begin with."""
    return text("JOB_NAME")


def name() -> str:
    """The name of the model: the same content has the same name."""
    return name_by_content(describe_model())


def job() -> Json:
    """CreateTransformJob, but for its name. The folder of the output is TRANSFORM_JOB, its name."""
    source: Json = {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": text("BATCH_INPUT")}},
        "SplitType": choice("BATCH_SPLIT", "None", "Line"),
    }
    if text("BATCH_CONTENT_TYPE"):
        source["ContentType"] = text("BATCH_CONTENT_TYPE")
    output: Json = {"S3OutputPath": f"{location('BATCH_OUTPUT', 'batch/output')}/{text('TRANSFORM_JOB')}"}
    output["AssembleWith"] = choice("BATCH_ASSEMBLE", "None", "Line")
    if text("BATCH_ACCEPT"):
        output["Accept"] = text("BATCH_ACCEPT")
    resources: Json = {"InstanceType": text("INSTANCE_TYPE"), "InstanceCount": number("INSTANCE_COUNT", 1, 100)}
    if text("KMS_KEY_ID"):
        output["KmsKeyId"] = resources["VolumeKmsKeyId"] = text("KMS_KEY_ID")
    if text("TRANSFORM_AMI_VERSION"):
        resources["TransformAmiVersion"] = text("TRANSFORM_AMI_VERSION")
    request: Json = {
        "TransformJobName": text("TRANSFORM_JOB"),
        "ModelName": name(),
        "TransformInput": source,
        "TransformOutput": output,
        "TransformResources": resources,
        "BatchStrategy": choice("BATCH_STRATEGY", "MultiRecord", "SingleRecord"),
        "MaxPayloadInMB": number("BATCH_PAYLOAD_MB", 0, 100),
        "Tags": tags(),
    }
    if text("BATCH_CONCURRENCY"):
        request["MaxConcurrentTransforms"] = number("BATCH_CONCURRENCY", 1, 100)
    if request["MaxPayloadInMB"] * request.get("MaxConcurrentTransforms", 1) > 100:
        raise SettingError("BATCH_PAYLOAD_MB times BATCH_CONCURRENCY can be at most 100.")
    return request


def cost() -> str:
    """What bills, in words."""
    return f"{number('INSTANCE_COUNT', 1, 100)} x {text('INSTANCE_TYPE')} in {text('AWS_REGION')} bills"


if __name__ == "__main__":
    main(name, model, model_url, job, cost)
