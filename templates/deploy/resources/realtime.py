
# --- a real-time endpoint --------------------------------------------------------------------------------------------
LEAST_INSTANCES = 1


def options() -> Json:
    """The rest of the endpoint's configuration."""
    request: Json = {"KmsKeyId": text("KMS_KEY_ID")} if text("KMS_KEY_ID") else {}
    if number("CAPTURE_PERCENT", 0, 100):
        request["DataCaptureConfig"] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": number("CAPTURE_PERCENT", 0, 100),
            "DestinationS3Uri": location("CAPTURE_URI", "capture"),
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {
                "CsvContentTypes": ["text/csv"],
                "JsonContentTypes": ["application/json", "application/jsonlines"],
            },
            **request,
        }
    if choice("METRICS", "false", "true") == "true":
        request["MetricsConfig"] = {"EnableDetailedObservability": True}
    return request


def cost() -> str:
    """What bills, in words."""
    return f"{instances()} in {text('AWS_REGION')} bills"
