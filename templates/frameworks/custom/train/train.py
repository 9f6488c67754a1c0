"""The one file to edit: what is trained, and with which hyperparameters. job.py has SageMaker's side.

What is here fits the example that code/model_handler.py serves, a linear model in model.json. Replace train() with your
own, and put what it imports into train/requirements.in, then ./lock.sh. The columns of the csv are the label, then the
features.
"""

import json
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from inputs import Between
from job import Job, measure, run


@dataclass(frozen=True)
class Hyperparameters:
    """What SageMaker is given as hyperparameters, by these names."""

    fit_intercept: bool = True
    cutoff: Annotated[float, Between(0, 1)] = 0.0  # singular values below this part of the largest count as none


def train(job: Job, given: Hyperparameters) -> None:
    """Fits by least squares and writes the model to job.model_dir."""
    x, y = job.train
    constant = np.full(len(x), float(given.fit_intercept))
    *weights, bias = np.linalg.lstsq(np.column_stack([x, constant]), y, rcond=given.cutoff or None)[0]

    losses = [measure("regression", data.y, data.x @ weights + bias) for data in (job.train, job.validation) if data]
    job.report(1, *losses)
    content = {"weights": list(map(float, weights)), "bias": float(bias)}
    (job.model_dir / "model.json").write_text(json.dumps(content))


if __name__ == "__main__":
    run(train, Hyperparameters, {"framework": "numpy", "version": np.__version__, "format": "json"}, can_stop=False)
