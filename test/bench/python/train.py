"""Train the models for the benchmark, reproducibly: python train.py FOLDER

Writes FOLDER/NAME/model.joblib for each, the records to send, the expected predictions, and training rows for
converting a model.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

FEATURES = 20
SENT = 16  # records, sent in turn, one per request


def main(folder: Path) -> None:
    inputs, labels = make_classification(n_samples=2000, n_features=FEATURES, n_informative=10, random_state=7)
    records = np.round(inputs[:SENT], 4)
    models = {
        "regression": LogisticRegression(max_iter=1000),
        "forest": RandomForestClassifier(n_estimators=100, random_state=7),
        "boosting": HistGradientBoostingClassifier(max_iter=100, random_state=7),
    }
    positive = [int(record[0] > 0) for record in records]
    expected = {"holds_gil": positive, "releases_gil": positive}
    for name, model in models.items():
        model.fit(inputs, labels)
        (folder / name).mkdir(parents=True, exist_ok=True)
        joblib.dump(model, folder / name / "model.joblib")
        expected[name] = model.predict(records).tolist()
    np.savetxt(folder / "rows.csv", inputs[:200], delimiter=",")
    (folder / "records.json").write_text(json.dumps(records.tolist()))
    (folder / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
