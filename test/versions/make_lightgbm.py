"""Train and describe a booster on a DataFrame with the installed version, and write its expected predictions."""

import lightgbm
from frames import describe, make_frame

frame = make_frame()
labels = ((frame["plan"] == "pro") ^ (frame["age"] > 40)).astype(int)
booster = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(frame, labels), num_boost_round=20)
booster.save_model("model/model.txt")
describe(booster, frame, booster.predict)
