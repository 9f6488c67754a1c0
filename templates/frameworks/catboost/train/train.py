"""The one file to edit: what is trained, and with which hyperparameters. job.py has SageMaker's side.

It writes model.cbm for code/model_handler.py. The columns of the csv are the label, then the features.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import catboost
from catboost import CatBoost, Pool
from inputs import Between, Data, count_classes
from job import Job, run


@dataclass(frozen=True)
class Hyperparameters:
    """What SageMaker is given as hyperparameters, by these names; for task classification the labels are 0, 1, 2 …"""

    task: Literal["regression", "classification"] = "regression"
    iterations: Annotated[int, Between(1, 100_000)] = 200
    depth: Annotated[int, Between(1, 16)] = 6
    learning_rate: Annotated[float, Between(0.0001, 1)] = 0.1
    l2_leaf_reg: Annotated[float, Between(0, 1_000_000)] = 3.0
    subsample: Annotated[float, Between(0.01, 1)] = 0.8
    rsm: Annotated[float, Between(0.01, 1)] = 1.0
    seed: Annotated[int, Between(0, 2**31)] = 0


class Follow:
    """After each round: metrics, and the end of the training where it has to stop or a checkpoint is due."""

    def __init__(self, job: Job, before: int) -> None:
        self.job, self.before, self.done = job, before, before

    def after_iteration(self, info: Any) -> bool:
        self.done = self.before + info.iteration
        losses = [history[-1] for channel in info.metrics.values() for history in channel.values()]
        self.job.report(self.done, *losses)
        return not self.job.checkpoint_due()


def train(job: Job, given: Hyperparameters) -> None:
    """Boosts trees and writes them to job.model_dir.

    CatBoost has a model only once a training has ended. So for a checkpoint it ends, and the next continues from there.
    """
    done, checkpoint = job.resume()
    model = CatBoost().load_model(checkpoint) if checkpoint else None
    while model is None or (done < given.iterations and not job.stopping):
        follow = Follow(job, done)
        model = boost(job, given, follow, model)
        done = follow.done
        job.checkpoint(done, ".cbm", model.save_model)
    model.save_model(job.model_dir / "model.cbm")


def boost(job: Job, given: Hyperparameters, follow: Follow, model: CatBoost | None) -> CatBoost:
    parameters = {
        "loss_function": choose_loss(given.task, job.train, job.validation),
        "iterations": given.iterations - follow.done,
        "depth": given.depth,
        "learning_rate": given.learning_rate,
        "l2_leaf_reg": given.l2_leaf_reg,
        "bootstrap_type": "Bernoulli",
        "subsample": given.subsample,
        "rsm": given.rsm,
        "random_seed": given.seed + follow.done,  # a training that continues draws other samples
        "use_best_model": False,
        "allow_writing_files": False,
        "verbose": False,
    }
    validation = to_pool(job.validation, given.task) if job.validation else None
    return CatBoost(parameters).fit(
        to_pool(job.train, given.task), eval_set=validation, init_model=model, callbacks=[follow]
    )


def to_pool(data: Data, task: str) -> Pool:
    """Records as CatBoost takes them, with classes as whole numbers: so the model predicts them."""
    return Pool(data.x, data.y.astype(int) if task == "classification" else data.y)


def choose_loss(task: str, train: Data, validation: Data | None) -> str:
    if task == "regression":
        return "RMSE"
    return "Logloss" if count_classes(train, validation) == 2 else "MultiClass"


if __name__ == "__main__":
    about = {"framework": "catboost", "version": catboost.__version__, "format": "cbm"}
    run(train, Hyperparameters, about, takes_missing=True)
