"""sagemaker-containers with a scikit-learn application, as in AWS's scikit-learn image.

python gevent_service.py starts nginx and gunicorn; each gevent worker creates the application.
"""

import collections
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
from numpy.typing import NDArray

collections.Mapping = Mapping  # type: ignore[attr-defined]  # removed in Python 3.10; the image patches it, too
from sagemaker_containers.beta.framework import server, transformer, worker  # noqa: E402


def load(model_dir: str) -> Any:
    return joblib.load(Path(model_dir, "model.joblib"))


def predict(inputs: NDArray[Any], model: Any) -> NDArray[Any]:
    return model.predict(inputs)


def make_app() -> worker.Worker:
    model = transformer.Transformer(model_fn=load, predict_fn=predict)
    model.initialize()
    return worker.Worker(transform_fn=model.transform, module_name=__name__)


if __name__ == "__main__":
    server.nginx_config_file = str(Path("nginx.conf").resolve())
    server.start("gevent_service:make_app()")
