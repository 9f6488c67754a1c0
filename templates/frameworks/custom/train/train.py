"""Edit this file: it trains your model and defines its hyperparameters. job.py handles SageMaker's part.

This example fits the linear model in model.json that code/model_handler.py serves. Replace train() with your own, add
the packages that it imports to train/requirements.in, and run ./lock.sh. The CSV has the label in the first column,
then the features.
"""

import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from inputs import Between
from job import Job, measure, run


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters of a SageMaker job, by name."""

    fit_intercept: bool = True
    cutoff: Annotated[float, Between(0, 1)] = 0.0  # singular values below this fraction of the largest count as zero


def train(job: Job, params: Hyperparameters) -> None:
    """Fit by least squares and write the model to job.model_dir."""
    x, y = job.train
    constant = np.full(len(x), float(params.fit_intercept))
    *weights, bias = np.linalg.lstsq(np.column_stack([x, constant]), y, rcond=params.cutoff or None)[0]

    losses = [measure("regression", data.y, data.x @ weights + bias) for data in (job.train, job.validation) if data]
    job.report(1, *losses)
    content = {"weights": list(map(float, weights)), "bias": float(bias)}
    (job.model_dir / "model.json").write_text(json.dumps(content))


if __name__ == "__main__":
    run(train, Hyperparameters, {"framework": "numpy", "version": np.__version__, "format": "json"}, can_stop=False)
