"""Build, deploy, invoke and delete this project's model on Amazon SageMaker. Requires Python 3.9+ and boto3."""
