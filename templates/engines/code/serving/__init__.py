"""What is added to the engine: its options, the model's place, and SageMaker's POST /invocations."""
