"""Train and describe a booster on a DataFrame with the installed version, and write its expected predictions."""

import xgboost
from frames import describe, make_frame

frame = make_frame()
labels = ((frame["plan"] == "pro") ^ (frame["age"] > 40)).astype(int)
options = {"objective": "binary:logistic", "tree_method": "hist"}
booster = xgboost.train(options, xgboost.DMatrix(frame, labels, enable_categorical=True), num_boost_round=20)
booster.save_model("model/model.json")
describe(booster, frame, lambda rows: booster.predict(xgboost.DMatrix(rows, enable_categorical=True)))
