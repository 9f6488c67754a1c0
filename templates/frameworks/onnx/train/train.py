"""Edit this file: it trains your model and defines its hyperparameters. job.py handles SageMaker's part.

This example fits a ridge regression and writes it as a graph, model.onnx, for code/model_handler.py. Replace train()
with your own, add the packages that it imports to train/requirements.in, and run ./lock.sh. The CSV has the label in
the first column, then the features.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import onnx
from inputs import Between
from job import Job, measure, run
from numpy.typing import NDArray
from onnx.checker import check_model
from onnx.numpy_helper import from_array
from onnx.parser import parse_model

# Versions that the onnxruntime in requirements.txt reads; onnx could write newer ones.
GRAPH = """
<ir_version: 10, opset_import: ["": 21]>
ridge (float[records, {features}] features) => (float[records] prediction) {{
    scaled = MatMul(features, weights)
    prediction = Add(scaled, bias)
}}
"""


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters of a SageMaker job, by name."""

    alpha: Annotated[float, Between(0, 1_000_000_000)] = 1.0  # strength of the L2 penalty


def train(job: Job, params: Hyperparameters) -> None:
    """Fit the regression and write its graph to job.model_dir."""
    weights, bias = fit(*job.train, params.alpha)
    losses = [measure("regression", data.y, data.x @ weights + bias) for data in (job.train, job.validation) if data]
    job.report(1, *losses)
    model = parse_model(GRAPH.format(features=len(weights)))
    for name, values in {"weights": weights, "bias": np.array([bias])}.items():
        model.graph.initializer.append(from_array(values.astype(np.float32), name))
    check_model(model, full_check=True)
    onnx.save(model, job.model_dir / "model.onnx")


def fit(x: NDArray[Any], y: NDArray[Any], alpha: float) -> tuple[NDArray[Any], float]:
    """Return weights of shape (features,) and the bias of a ridge regression on the standardized features."""
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1
    scaled = (x - mean) / deviation
    root = np.sqrt(alpha) * np.eye(x.shape[1])  # the penalty, as additional records
    rows, targets = np.vstack([scaled, root]), np.concatenate([y - y.mean(), np.zeros(x.shape[1])])
    weights = np.linalg.lstsq(rows, targets)[0] / deviation
    return weights, float(y.mean() - mean @ weights)


if __name__ == "__main__":
    run(train, Hyperparameters, {"framework": "onnx", "version": onnx.__version__, "format": "onnx"}, can_stop=False)
