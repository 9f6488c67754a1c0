"""Serves one model on the routes SageMaker calls: GET /ping and POST /invocations."""
