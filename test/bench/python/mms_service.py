"""AWS's SageMaker Inference Toolkit with a handler service for scikit-learn, as in AWS's images.

python mms_service.py starts Multi Model Server (MMS), which runs the handler service in each of its workers.
"""

import ctypes
from pathlib import Path
from typing import Any

import joblib
from numpy.typing import NDArray
from sagemaker_inference import model_server
from sagemaker_inference.default_handler_service import DefaultHandlerService
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from sagemaker_inference.transformer import Transformer

ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER


class HandlerService(DefaultHandlerService):
    """The one class that MMS looks for in this module."""

    class Inference(DefaultInferenceHandler):
        def default_model_fn(self, model_dir: str, context: Any = None) -> Any:
            return joblib.load(Path(model_dir, "model.joblib"))

        def default_predict_fn(self, data: NDArray[Any], model: Any, context: Any = None) -> NDArray[Any]:
            return model.predict(data)

    def __init__(self) -> None:
        super().__init__(Transformer(self.Inference()))


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1)  # the process that starts Java exits; in a container, PID 1 adopts Java
    model_server.MMS_CONFIG_FILE = "mms.properties"
    model_server.start_model_server("mms_service")
