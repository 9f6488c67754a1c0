"""scikit-learn estimators whose predictions are compared."""

import re
from typing import Any

from sklearn.utils import all_estimators

# Estimators with nested estimators, several outputs, or a single class.
NOT_ALONE = re.compile("MultiTask|Voting|Stacking|OneClass")


def list_estimators() -> list[Any]:
    """All of scikit-learn's tree ensembles and linear models, with small parameters."""
    kinds = [kind for _, kind in all_estimators(["classifier", "regressor"])]
    rooms = ("sklearn.ensemble", "sklearn.linear_model", "sklearn.svm", "sklearn.tree")
    chosen = [kind() for kind in kinds if kind.__module__.startswith(rooms) and not NOT_ALONE.search(kind.__name__)]
    for estimator in chosen:
        settings = {"n_estimators": 10, "random_state": 0, "cv": 2}
        if hasattr(estimator, "max_bins"):
            settings["max_iter"] = 10
        estimator.set_params(**{name: settings[name] for name in settings.keys() & estimator.get_params().keys()})
    return chosen
