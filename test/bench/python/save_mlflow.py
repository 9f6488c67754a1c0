"""Saves a model the way `mlflow models serve` takes it: python save_mlflow.py MODEL FOLDER"""

import sys

import joblib
import mlflow.sklearn

# cloudpickle: the format that is the default of this version refuses to save a forest
mlflow.sklearn.save_model(joblib.load(sys.argv[1]), sys.argv[2], serialization_format="cloudpickle")
