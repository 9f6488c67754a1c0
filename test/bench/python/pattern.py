"""The common Flask setup: Flask, run by gunicorn with two sync workers."""

import os

import joblib
import numpy as np
from flask import Flask, Response, jsonify, request

app = Flask(__name__)
model = joblib.load(os.environ["MODEL"])


@app.get("/ping")
def ping() -> Response:
    return Response(status=200)


@app.post("/invocations")
def invocations() -> Response:
    inputs = np.array(request.get_json()["instances"])
    return jsonify({"predictions": model.predict(inputs).tolist()})
