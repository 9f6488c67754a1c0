"""Edit this file: it trains your model and defines its hyperparameters. job.py handles SageMaker's part.

Writes model.cbm for code/model_handler.py. The CSV has the label in the first column, then the features.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import catboost
from catboost import CatBoost, Pool
from inputs import Between, Data, count_classes
from job import Job, run


@dataclass(frozen=True)
class Hyperparameters:
    """The hyperparameters of a SageMaker job, by name. For classification, the labels are 0, 1, 2 …"""

    task: Literal["regression", "classification"] = "regression"
    iterations: Annotated[int, Between(1, 100_000)] = 200
    depth: Annotated[int, Between(1, 16)] = 6
    learning_rate: Annotated[float, Between(0.0001, 1)] = 0.1
    l2_leaf_reg: Annotated[float, Between(0, 1_000_000)] = 3.0
    subsample: Annotated[float, Between(0.01, 1)] = 0.8
    rsm: Annotated[float, Between(0.01, 1)] = 1.0
    seed: Annotated[int, Between(0, 2**31)] = 0


class JobCallback:
    """Report metrics after each round. End the training if the job is stopping or a checkpoint is due."""

    def __init__(self, job: Job, before: int) -> None:
        self.job, self.before, self.done = job, before, before

    def after_iteration(self, info: Any) -> bool:
        self.done = self.before + info.iteration
        losses = [history[-1] for channel in info.metrics.values() for history in channel.values()]
        self.job.report(self.done, *losses)
        return not self.job.checkpoint_due()


def train(job: Job, params: Hyperparameters) -> None:
    """Boost trees and write them to job.model_dir.

    CatBoost has no model until a training ends. So the training ends for a checkpoint, and a new one continues from it.
    """
    done, checkpoint = job.resume()
    model = CatBoost().load_model(checkpoint) if checkpoint else None
    while model is None or (done < params.iterations and not job.stopping):
        callback = JobCallback(job, done)
        model = boost(job, params, callback, model)
        done = callback.done
        job.checkpoint(done, ".cbm", model.save_model)
    model.save_model(job.model_dir / "model.cbm")


def boost(job: Job, params: Hyperparameters, callback: JobCallback, model: CatBoost | None) -> CatBoost:
    parameters = {
        "loss_function": choose_loss(params.task, job.train, job.validation),
        "iterations": params.iterations - callback.done,
        "depth": params.depth,
        "learning_rate": params.learning_rate,
        "l2_leaf_reg": params.l2_leaf_reg,
        "bootstrap_type": "Bernoulli",
        "subsample": params.subsample,
        "rsm": params.rsm,
        "random_seed": params.seed + callback.done,  # draw new samples after a checkpoint
        "use_best_model": False,
        "allow_writing_files": False,
        "verbose": False,
    }
    validation = to_pool(job.validation, params.task) if job.validation else None
    return CatBoost(parameters).fit(
        to_pool(job.train, params.task), eval_set=validation, init_model=model, callbacks=[callback]
    )


def to_pool(data: Data, task: str) -> Pool:
    """Return a CatBoost pool, with classes as integers so that the model predicts integers."""
    return Pool(data.x, data.y.astype(int) if task == "classification" else data.y)


def choose_loss(task: str, train: Data, validation: Data | None) -> str:
    if task == "regression":
        return "RMSE"
    return "Logloss" if count_classes(train, validation) == 2 else "MultiClass"


if __name__ == "__main__":
    about = {"framework": "catboost", "version": catboost.__version__, "format": "cbm"}
    run(train, Hyperparameters, about, takes_missing=True)
