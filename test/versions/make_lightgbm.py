"""A booster, saved by the version that runs this, and what it says of ten rows: model/ and expected.json."""

import json
from pathlib import Path

import lightgbm
import numpy as np

inputs = np.random.default_rng(1).normal(size=(500, 8))
labels = (inputs[:, 0] * inputs[:, 1] > 0).astype(float)
booster = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(inputs, labels), num_boost_round=20)
booster.save_model("model/model.txt")
rows = inputs[:10]
Path("test/sample_request.json").write_text(json.dumps({"instances": rows.tolist()}))
Path("expected.json").write_text(json.dumps({"predictions": booster.predict(rows).tolist()}))
