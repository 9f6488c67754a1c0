"""Edit this file: it trains your model and defines its hyperparameters. job.py handles SageMaker's part.

Writes model.txt for code/model_handler.py. The CSV has the label in the first column, then the features.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import lightgbm as lgb
from inputs import Between, Data, count_classes
from job import Job, run


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters of a SageMaker job, by name. For classification, the labels are 0, 1, 2 …"""

    task: Literal["regression", "classification"] = "regression"
    num_iterations: Annotated[int, Between(1, 100_000)] = 100
    num_leaves: Annotated[int, Between(2, 131_072)] = 31
    learning_rate: Annotated[float, Between(0.0001, 1)] = 0.1
    min_data_in_leaf: Annotated[int, Between(1, 1_000_000)] = 20
    feature_fraction: Annotated[float, Between(0.01, 1)] = 1.0
    seed: Annotated[int, Between(0, 2**31)] = 0


def train(job: Job, params: Hyperparameters) -> None:
    """Boost trees and write them to job.model_dir."""
    done, checkpoint = job.resume()
    complete = checkpoint and done == params.num_iterations
    booster = lgb.Booster(model_file=checkpoint) if complete else boost(job, params, done, checkpoint)
    booster.save_model(job.model_dir / "model.txt")


def boost(job: Job, params: Hyperparameters, done: int, checkpoint: Path | None) -> lgb.Booster:
    channels = {"train": job.train, "validation": job.validation}
    sets = {name: lgb.Dataset(*data) for name, data in channels.items() if data}

    def report_progress(env: Any) -> None:
        """Report metrics and save a checkpoint after each round; end if SageMaker stops the job."""
        epoch = env.iteration + 1
        job.report(epoch, *(loss for _, _, loss, _ in env.evaluation_result_list))
        job.checkpoint(epoch, ".txt", env.model.save_model)
        if job.stopping:
            raise lgb.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    return lgb.train(
        {
            **choose_objective(params.task, job.train, job.validation),
            "num_leaves": params.num_leaves,
            "learning_rate": params.learning_rate,
            "min_data_in_leaf": params.min_data_in_leaf,
            "feature_fraction": params.feature_fraction,
            "seed": params.seed + done,  # draw new samples after a checkpoint
            "verbosity": -1,
        },
        sets["train"],
        params.num_iterations - done,
        valid_sets=list(sets.values()),
        valid_names=list(sets),
        init_model=checkpoint,
        callbacks=[report_progress],
    )


def choose_objective(task: str, train: Data, validation: Data | None) -> dict[str, Any]:
    if task == "regression":
        return {"objective": "regression", "metric": "rmse"}
    classes = count_classes(train, validation)
    if classes == 2:
        return {"objective": "binary", "metric": "binary_logloss"}
    return {"objective": "multiclass", "num_class": classes, "metric": "multi_logloss"}


if __name__ == "__main__":
    about = {"framework": "lightgbm", "version": lgb.__version__, "format": "txt"}
    run(train, Hyperparameters, about, takes_missing=True)
