"""A BentoML service with adaptive batching, as in its documentation."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=int(os.environ["WORKERS"]))
class Classifier:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=True)
    def predict(self, records: np.ndarray) -> np.ndarray:
        return self.model.predict(records)
