"""Save a model for `mlflow models serve`: python save_mlflow.py MODEL FOLDER"""

import sys

import joblib
import mlflow.sklearn

# cloudpickle, because this version's default format cannot save a forest
mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle")
