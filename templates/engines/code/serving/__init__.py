"""Additions to the engine: its options, the location of the model, and SageMaker's POST /invocations."""
