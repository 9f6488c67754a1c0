"""Train and describe a classifier on a DataFrame with the installed version, and write its expected predictions."""

from catboost import CatBoostClassifier
from frames import describe, make_frame

frame = make_frame().astype({"plan": object}).fillna({"plan": "none"})
labels = (frame["plan"] == "pro").astype(int) + (frame["age"] > 40)
model = CatBoostClassifier(
    iterations=20, random_seed=1, verbose=False, allow_writing_files=False, cat_features=["plan"]
)
model.fit(frame, labels)
model.save_model("model/model.cbm")
describe(model, frame, lambda rows: model.predict(rows).ravel())
