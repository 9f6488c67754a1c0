"""Save an LSTM with the installed version, and its predictions for four series: model/ and expected.json.

The format is .keras with Keras 3 and .h5 before.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from tensorflow import keras

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Input((6, 3)), keras.layers.LSTM(8), keras.layers.Dense(1)])
series = np.random.default_rng(1).normal(size=(4, 6, 3)).astype(np.float32)
model.compile("sgd", "mse")
model.fit(series, series.sum((1, 2)), verbose=0)
model.save("model/model.h5" if version("keras").startswith("2.") else "model/model.keras")
Path("test/sample_request.json").write_text(json.dumps({"instances": series.tolist()}))
Path("expected.json").write_text(json.dumps({"predictions": model.predict(series, verbose=0).tolist()}))
