"""Rows with columns of several types, and the description of a model that was trained on them."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def make_frame() -> Any:
    """Return numbers with missing values, integers, booleans and categories."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, 500),
            "income": random.normal(5e4, 1e4, 500).round(2),
            "plan": pd.Categorical(random.choice(["basic", "pro", "team"], 500)),
            "new": random.random(500) < 0.3,
        }
    )
    frame.loc[::7, "income"] = np.nan
    frame.loc[::11, "plan"] = None
    return frame


def describe(model: Any, frame: Any, predict: Any) -> None:
    """Describe a model as a user would, and write the expected response to the sample request."""
    sys.path.insert(0, "tools")
    from describe_model import describe as write

    write(model, frame)
    Path("expected.json").write_text(json.dumps({"predictions": np.asarray(predict(frame.iloc[[0, 25]])).tolist()}))
