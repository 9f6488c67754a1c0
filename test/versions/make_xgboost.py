"""A booster, saved by the version that runs this, and what it says of ten rows: model/ and expected.json."""

import json
from pathlib import Path

import numpy as np
import xgboost

inputs = np.random.default_rng(1).normal(size=(500, 8)).astype(np.float32)
labels = (inputs[:, 0] * inputs[:, 1] > 0).astype(np.float32)
booster = xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(inputs, labels), num_boost_round=20)
booster.save_model("model/model.json")
rows = inputs[:10]
Path("test/sample_request.json").write_text(json.dumps({"instances": rows.tolist()}))
Path("expected.json").write_text(json.dumps({"predictions": booster.predict(xgboost.DMatrix(rows)).tolist()}))
