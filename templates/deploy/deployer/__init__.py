"""Builds, deploys, invokes and removes what this project serves on Amazon SageMaker. Needs Python 3.9 and boto3."""
