"""A classifier, saved by the version that runs this, and what it says of ten rows: model/ and expected.json."""

import json
from pathlib import Path

import numpy as np
from catboost import CatBoostClassifier

inputs = np.random.default_rng(1).normal(size=(500, 8))
labels = np.digitize(inputs[:, 0] * inputs[:, 1], [-0.3, 0.3])
model = CatBoostClassifier(iterations=20, random_seed=1, verbose=False, allow_writing_files=False).fit(inputs, labels)
model.save_model("model/model.cbm")
rows = inputs[:10]
request = {"instances": rows.tolist(), "parameters": {"probabilities": True}}
Path("test/sample_request.json").write_text(json.dumps(request))
expected = {"predictions": model.predict(rows).ravel().tolist(), "probabilities": model.predict_proba(rows).tolist()}
Path("expected.json").write_text(json.dumps(expected))
