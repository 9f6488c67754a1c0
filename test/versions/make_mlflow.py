"""Save two MLflow folders with the installed version: pipeline/, scikit-learn on a DataFrame, and function/."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FUNCTION = """
import mlflow

class Scores(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params):
        scores = model_input["age"] * params["scale"]
        return model_input[["city", "since"]].assign(score=scores + model_input["income"].fillna(0))

mlflow.models.set_model(Scores())
"""

random = np.random.default_rng(1)
rows = 300
frame = pd.DataFrame(
    {
        "age": random.integers(18, 80, rows),
        "income": random.normal(5e4, 1e4, rows).round(2),
        "city": random.choice(["Oslo", "Rome", "Bergen, old"], rows),
        "vip": random.random(rows) < 0.3,
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1000, rows), unit="D"),
    }
)
frame.loc[::7, "income"] = np.nan
labels = np.where((frame["age"] > 40) ^ (frame["city"] == "Rome"), "stays", "leaves")
columns = ColumnTransformer(
    [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        ("texts", OneHotEncoder(), ["city"]),
        ("flags", "passthrough", ["vip"]),
    ]
)
inputs = frame.drop(columns="since")
pipeline = make_pipeline(columns, LogisticRegression()).fit(inputs, labels)
common: dict[str, Any] = {"pip_requirements": ["mlflow"]}  # inferring them would take 3 s
signature = infer_signature(inputs, labels)
example = inputs.iloc[:2]
mlflow.sklearn.save_model(
    pipeline, "pipeline", serialization_format="cloudpickle", signature=signature, input_example=example, **common
)
Path("function.py").write_text(FUNCTION)
signature = infer_signature(frame.astype({"since": "datetime64[ns]"}), params={"scale": 1.0})
mlflow.pyfunc.save_model("function", python_model="function.py", signature=signature, **common)
