"""Save a scikit-learn model with the installed version, and its predictions: model/ and expected.json.

The model is a forest from 1.3 on (up to 1.3, its leaves contain counts, which newer versions read as probabilities),
gradient boosting for 1.2, and a described pipeline on a DataFrame before that.
"""

import json
from pathlib import Path

import joblib
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def make_on_array(model: object) -> None:
    inputs, labels = make_classification(1000, 8, n_informative=5, flip_y=0.2, random_state=1)
    model.fit(inputs, labels)
    joblib.dump(model, "model/model.joblib")
    rows = inputs[:10]
    request = {"instances": rows.tolist(), "parameters": {"probabilities": True}}
    Path("test/sample_request.json").write_text(json.dumps(request))
    expected = {"predictions": model.predict(rows).tolist(), "probabilities": model.predict_proba(rows).tolist()}
    Path("expected.json").write_text(json.dumps({**expected, "classes": model.classes_.tolist()}))


def make_on_frame() -> None:
    from frames import describe, make_frame

    frame = make_frame().astype({"plan": object}).fillna({"plan": "none"})
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        (OneHotEncoder(), ["plan"]),
        remainder="passthrough",
    )
    model = make_pipeline(columns, LogisticRegression()).fit(frame, (frame["plan"] == "pro") ^ (frame["age"] > 40))
    joblib.dump(model, "model/model.joblib")
    describe(model, frame, model.predict)


minor = int(sklearn.__version__.split(".")[1])
if minor >= 3:
    make_on_array(RandomForestClassifier(100, max_depth=4, class_weight="balanced", random_state=1))
elif minor == 2:
    make_on_array(GradientBoostingClassifier(random_state=1))
else:
    make_on_frame()
