"""Models by others, from their packages on PyPI."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, replace_model


def fetch(requirement: str, folder: Path) -> Path:
    """Install a package without its dependencies and return its folder."""
    options = ["--quiet", "--no-deps", "--python", sys.executable, "--target", folder / "package"]
    subprocess.run([ROOT / ".venv/bin/uv", "pip", "install", *options, requirement], check=True)
    return folder / "package"


@pytest.mark.only_for("onnx")
@pytest.mark.parametrize(
    ("package", "file", "shape", "dtype"),
    [
        ("magika==1.0.3", "magika/models/standard_v3_3/model.onnx", (2, 2048), "int32"),
        ("rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", (2, 3, 64, 96), "f4"),
        ("basic-pitch==0.4.0", "basic_pitch/saved_models/icassp_2022/nmp.onnx", (2, 43844, 1), "f4"),
    ],
)
def test_a_model_with_records_on_the_first_axis(
    package: str, file: str, shape: tuple[int, ...], dtype: str, one: Path, tmp_path: Path
) -> None:
    import onnxruntime as ort

    path = fetch(package, tmp_path) / file
    session = ort.InferenceSession(path)
    records = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    expected = session.run(None, {session.get_inputs()[0].name: records})
    names = [output.name for output in session.get_outputs()]
    with replace_model(one, tmp_path) as (model_dir, serve):
        path.rename(model_dir / "model.onnx")
        predictions = serve().invoke({"instances": records.tolist()}).json()["predictions"]
    got = [predictions] if len(names) == 1 else [[each[name] for each in predictions] for name in names]
    for array, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.only_for("onnx")
def test_a_model_with_a_state_and_a_sampling_rate(one: Path, tmp_path: Path) -> None:
    """Its state has shape (2, records, 128); its sampling rate is a scalar."""
    import onnxruntime as ort

    path = fetch("silero-vad==6.2.3", tmp_path) / "silero_vad/data/silero_vad.onnx"
    random = np.random.default_rng(0)
    inputs = {"input": random.normal(size=(1, 512)), "state": random.normal(size=(2, 1, 128))}
    arrays = {name: array.astype("float32") for name, array in inputs.items()}
    speech, state = ort.InferenceSession(path).run(None, {**arrays, "sr": np.array(16000)})
    with replace_model(one, tmp_path) as (model_dir, serve):
        path.rename(model_dir / "model.onnx")
        body = {"inputs": {**{name: array.tolist() for name, array in arrays.items()}, "sr": 16000}}
        answer = serve().invoke(body).json()["predictions"]
    np.testing.assert_allclose(answer["output"], speech, atol=1e-6)
    np.testing.assert_allclose(answer["stateN"], state, atol=1e-6)


@pytest.mark.only_for("pytorch")
def test_the_handler_in_the_docs_serves_a_model_with_a_scalar_argument(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    import torch

    path = fetch("silero-vad==6.2.3", tmp_path) / "silero_vad/data/silero_vad.jit"
    samples = np.random.default_rng(0).normal(size=(2, 1600)).astype("float32")
    model = torch.jit.load(path)
    expected = [model.audio_forward(torch.tensor(row[None, :1536]), sr=16000)[0].tolist() for row in samples]
    page = (ROOT / "docs/your-model.md").read_text()
    [handler] = [block for block in re.findall("```python\n(.*?)```", page, re.DOTALL) if "reset_states" in block]
    project = pytestconfig.getoption("projects") / "pytorch-torchscript-fastapi"
    with replace_model(project, tmp_path) as (model_dir, serve):
        path.rename(model_dir / "model.pt")
        (model_dir.parent / "code/model_handler.py").write_text(handler)
        predictions = serve().invoke({"instances": samples.tolist()}).json()["predictions"]
    np.testing.assert_allclose(predictions, expected, atol=1e-6)


@pytest.mark.only_for("sklearn")
def test_a_vectorizer_takes_texts(first: Path, tmp_path: Path) -> None:
    """The vectorizer is served alone, and in a pipeline with the classifier."""
    import joblib
    from sklearn.pipeline import make_pipeline

    data = fetch("alt-profanity-check==1.9.1", tmp_path) / "profanity_check/data"
    vectorizer, classifier = (joblib.load(data / f"{name}.joblib") for name in ("vectorizer", "model"))
    texts = ["you are stupid", "have a nice day, everyone"]
    matrix = vectorizer.transform(texts)
    with replace_model(first, tmp_path / "vectorizer") as (model_dir, serve):
        joblib.dump(vectorizer, model_dir / "model.joblib")
        predictions = serve().invoke({"instances": texts}).json()["predictions"]
        np.testing.assert_allclose(predictions, matrix.toarray())
    with replace_model(first, tmp_path / "pipeline") as (model_dir, serve):
        joblib.dump(make_pipeline(vectorizer, classifier), model_dir / "model.joblib")
        server = serve()
        answer = server.invoke({"instances": texts, "parameters": {"probabilities": True}}).json()
        assert answer["predictions"] == classifier.predict(matrix).tolist()
        np.testing.assert_allclose(answer["probabilities"], classifier.predict_proba(matrix))
        assert server.invoke({"instances": [[1, 2]]}).status == 400
