"""Run in an image: describe a pipeline trained on a DataFrame, and print the same request in every form.

The project is in /project; the model is written to /project/columns. The last line is JSON: requests and predictions.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

FOLDER = Path("/project/columns")

sys.path.insert(0, "/project/tools")
from describe_model import describe  # noqa: E402

random = np.random.default_rng(0)
frame = pd.DataFrame(
    {
        "age": random.integers(18, 80, 300),
        "income": random.normal(5e4, 1e4, 300).round(2),
        "city": random.choice(["Oslo", "Rome", "Bergen, old"], 300),
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1000, 300), unit="D"),
    }
)
to_number = FunctionTransformer(pd.DataFrame.astype, kw_args={"dtype": "int64"})
columns = ColumnTransformer(
    [
        ("numbers", StandardScaler(), ["age", "income"]),
        ("texts", OneHotEncoder(), ["city"]),
        ("dates", make_pipeline(to_number, StandardScaler()), ["since"]),
    ]
)
labels = np.where((frame["age"] > 40) ^ (frame["city"] == "Rome"), "stays", "leaves")
model = make_pipeline(columns, LogisticRegression()).fit(frame, labels)

(FOLDER / "code").mkdir(parents=True)
describe(model, frame, FOLDER)
joblib.dump(model, FOLDER / "model/model.joblib")

rows = frame.iloc[:40]
names = list(rows)
records = json.loads(rows.to_json(orient="records", date_format="iso"))
lists = [list(record.values()) for record in records]
bodies = [
    {"instances": records},
    {"dataframe_split": {"columns": names, "data": lists}},
    {"dataframe_records": records},
    {"columns": names[::-1], "instances": [each[::-1] for each in lists]},
    {"instances": lists},
]
requests = [("application/json", json.dumps(body)) for body in bodies]
requests.append(("text/csv; header=present", rows[names[::-1]].to_csv(index=False)))
requests.append(("text/csv", rows.to_csv(index=False)))
requests.append(("text/csv", rows.to_csv(index=False, header=False)))
requests.append(("application/jsonlines", "\n".join(map(json.dumps, records))))
print(json.dumps({"requests": requests, "predictions": model.predict(rows).tolist()}))
