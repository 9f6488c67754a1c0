"""Tests specific to TensorFlow."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT, replace_model, train
from numpy.typing import NDArray
from project import Server
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from test_every import LOADED, RECORD, load_each, truncate

TOLERANCE = 1e-5  # the order of float32 sums depends on the batch
FILE = "*model.*"  # model.keras, model.h5, saved_model.pb


def find(model_dir: Path) -> Path:
    return next(model_dir.rglob(FILE))


def put_lightgbm(model_dir: Path) -> None:
    path = find(model_dir)
    shutil.rmtree(model_dir)
    model_dir.mkdir()
    path.write_bytes(b"tree\nversion=v4\nnum_class=1\n")


def double(model_dir: Path) -> None:
    path = find(model_dir)
    if path.suffix == ".pb":
        shutil.copytree(model_dir, model_dir.with_name("copy"))
        shutil.copytree(model_dir.with_name("copy"), model_dir / "1")
        shutil.copytree(model_dir.with_name("copy"), model_dir / "2")
        path.unlink()
    else:
        shutil.copy(path, path.with_stem("new"))
        path.rename(path.with_stem("old"))


def rename(model_dir: Path) -> None:
    path = find(model_dir)
    path.rename(path.with_suffix(".bin"))


def rewrite(path: Path, change: Any) -> None:
    """Rewrite a zip archive with `change` applied to each file. Files for which it returns None are removed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if changed := change(name, content):
                archive.writestr(name, changed)


def remove_weights(model_dir: Path) -> None:
    path = find(model_dir)
    if path.suffix == ".keras":
        rewrite(path, lambda name, content: None if name == "model.weights.h5" else content)
    elif path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            del file["model_weights"]
    else:
        shutil.rmtree(model_dir / "variables")


def set_version(version: str) -> Any:
    """Change the version of Keras or TensorFlow in the file."""

    def damage(model_dir: Path) -> None:
        path = find(model_dir)
        if path.suffix == ".keras":
            now = f'"keras_version": "{keras.__version__}"'.encode()
            rewrite(path, lambda _, content: content.replace(now, f'"keras_version": "{version}"'.encode()))
        elif path.suffix == ".h5":
            with h5py.File(path, "a") as file:
                file.attrs["keras_version"] = version
        else:
            saved = SavedModel.FromString(path.read_bytes())
            saved.meta_graphs[0].meta_info_def.tensorflow_version = version
            path.write_bytes(saved.SerializeToString())

    return damage


BROKEN = {
    "truncated": (truncate(FILE), r"could not be loaded: (BadZipFile|OSError|DecodeError): .*truncated or damaged"),
    "of another framework": (put_lightgbm, r"looks like a LightGBM model \(model.txt\)"),
    "two candidates": (double, r"(has several model files|several models in .*): (new.*, old.*|1, 2)\."),
    "another name": (rename, r"There is no (model.keras or model.h5|saved_model.pb) in .*, only .*model.bin"),
    "without weights": (remove_weights, r"could not be loaded: .*Save it again"),
    "newer": (set_version("9.0.0"), r"saved by (Keras|TensorFlow) 9.*--framework-version=(VERSION, with|9\.0)"),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float32]:
    path = find(model_dir)
    if path.suffix == ".pb":
        model = tf.saved_model.load(model_dir)
        return np.asarray(model.serve(rows.astype(np.float32)))
    return keras.saving.load_model(path, compile=False).predict(rows, verbose=0)


def save(model: keras.Model, model_dir: Path, like: Path) -> None:
    """Save a model in the format of the model in `like`."""
    path = find(like)
    if path.suffix == ".pb":
        spec = keras.tree.map_structure(lambda each: tf.TensorSpec(each.shape, each.dtype, each.name), model.input)
        model.export(model_dir, verbose=False, input_signature=[spec])
    else:
        model.save(model_dir / path.name)


def make_dress_model() -> keras.Model:
    """Return a model from a text and two integers to a number and a text."""
    color, sizes = keras.Input((), name="color", dtype="string"), keras.Input((2,), name="sizes", dtype="int64")
    colors = ["red", "blue"]
    number = keras.layers.StringLookup(vocabulary=colors)(color)
    embedded = keras.layers.Flatten()(keras.layers.Embedding(10, 1, embeddings_initializer="ones")(sizes))
    price = keras.layers.Dense(1, kernel_initializer="ones", name="price")(embedded)
    label = keras.layers.StringLookup(vocabulary=colors, invert=True, name="label")(number)
    return keras.Model({"color": color, "sizes": sizes}, {"price": price, "label": label})


def test_inputs_and_outputs_are_matched_by_name(one: Path, tmp_path: Path) -> None:
    expected = [{"price": [2.0], "label": "blue"}, {"price": [2.0], "label": "[UNK]"}]
    records = [{"color": "blue", "sizes": [1, 2]}, {"color": "grün", "sizes": [3, 4]}]
    wrong = {
        r"Expected the inputs .*, got color": {"color": ["red"]},
        r"Expected one string per record": {"color": [1], "sizes": [[1, 2]]},
        r"Expected 2 numbers \(int64\) per record, got 3 in record 1": {"color": ["red"], "sizes": [[1, 2, 3]]},
        r"Expected 2 numbers \(int64\) per record, got something else in record 1": {
            "color": ["red"],
            "sizes": [[1, 2.5]],
        },
        r"does not accept these values": {"color": ["red"], "sizes": [[1, 10]]},
        r"different numbers of records": {"color": ["red", "blue"], "sizes": [[1, 2]]},
    }
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(make_dress_model(), model_dir, one / "model")
        server = serve()
        named = {name: [record[name] for record in records] for name in ("color", "sizes")}
        assert server.invoke({"inputs": named}).json() == {"predictions": expected}
        assert server.invoke({"instances": records}).json() == {"predictions": expected}
        for message, inputs in wrong.items():
            reply = server.invoke({"inputs": inputs})
            assert reply.status == 400, reply.body
            assert re.search(message, reply.json()["error"]), reply.json()
        reply = server.invoke({"instances": [[1, 2]]})
        assert reply.status == 400
        assert "This model has 2 inputs" in reply.json()["error"]


def test_a_model_with_a_fixed_batch_size_gets_batches_of_that_size(one: Path, tmp_path: Path) -> None:
    records = keras.Input((3,), batch_size=2, name="x")
    model = keras.Model(records, keras.layers.Dense(1, kernel_initializer="ones")(records))
    with replace_model(one, tmp_path) as (model_dir, serve):
        save(model, model_dir, one / "model")
        server = serve()
        reply = server.invoke({"instances": [[n, 0, 1] for n in range(6)]})
        assert reply.json() == {"predictions": [[n + 1.0] for n in range(6)]}
        reply = server.invoke({"instances": [[1, 2, 3]]})
        assert reply.status == 400
        assert reply.json()["error"] == "This model takes 2 records at a time, got 1."


@pytest.fixture
def keras_project(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """A project for the Keras format, without a model."""
    project = pytestconfig.getoption("projects") / "tensorflow-keras-fastapi"
    return Path(shutil.copytree(project, tmp_path / "keras", ignore=shutil.ignore_patterns("model.*")))


def save_layer(layer: Any, project: Path, *shape: int) -> Path:
    """Save a model with one layer in the format of the project and return its folder."""
    folder = project / layer.name
    folder.mkdir()
    keras.Sequential([keras.Input(shape or (1,)), layer]).save(folder / f"model.{project.name}")
    return folder


LAYERS = """
import keras

class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def tripled(x):
    return 3 * x

@keras.saving.register_keras_serializable("mine")
class Quadrupled(keras.layers.Layer):
    def call(self, x):
        return 4 * x
"""


def test_custom_objects_are_found_after_following_the_advice(keras_project: Path) -> None:
    notebook: dict[str, Any] = {"__name__": "notebook"}
    exec(LAYERS, notebook)
    layers = [notebook["Doubled"](), keras.layers.Activation(notebook["tripled"]), notebook["Quadrupled"]()]
    names = ("Doubled", "tripled", "Quadrupled")
    folders = [save_layer(layer, keras_project) for layer in layers]
    for message, name in zip(load_each(keras_project, LOADED, *folders), names, strict=True):
        assert f"{name} is not part of Keras. Put the file that defines it next to code/model_handler.py" in message
    (keras_project / "code/layers.py").write_text(LAYERS)
    predictions = load_each(keras_project, "model.answer([[3]])", *folders)
    assert predictions == [{"predictions": [[6]]}, {"predictions": [[9]]}, {"predictions": [[12]]}]


def add_keras_2_setting(model_dir: Path) -> None:
    """Add a setting to a recurrent layer that Keras 2 wrote and Keras 3 does not know."""
    path = find(model_dir)
    old = '"return_sequences"', '"time_major": false, "return_sequences"'
    if path.suffix == ".keras":
        rewrite(path, lambda _, content: content.replace(*(each.encode() for each in old)))
    else:
        with h5py.File(path, "a") as file:
            file.attrs["model_config"] = file.attrs["model_config"].replace(*old)


def test_models_that_keras_rejects_are_served_if_allowed(keras_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dense = save_layer(keras.layers.Dense(1), keras_project)
    set_version("2.12.0")(dense)
    recurrent = save_layer(keras.layers.LSTM(1), keras_project, 3, 1)
    add_keras_2_setting(recurrent)
    code = save_layer(keras.layers.Lambda(lambda x: 2 * x), keras_project)
    messages = load_each(keras_project, LOADED, dense, recurrent, code)
    assert f"by Keras 2.12.0, but {keras.__version__} is installed" in messages[0]
    assert "ml-container-creator update --framework-version=2.12, or " in messages[0]
    assert (
        "'time_major': False}. Another version of Keras saved the model. In the project's folder, run: " in messages[1]
    )
    assert "Replace Lambda with a layer class of your own" in messages[2]
    handler = keras_project / "code/model_handler.py"
    handler.write_text(handler.read_text().replace("safe_mode=True", "safe_mode=False"))
    monkeypatch.setenv("SM_ALLOW_VERSION_MISMATCH", "true")
    assert load_each(keras_project, LOADED, dense, code) == ["It is loaded."] * 2


@pytest.mark.parametrize("threads", ["1", "2"])
def test_batched_requests_get_the_same_predictions_as_alone(one: Path, threads: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(7).uniform(0, 10, size=(128, len(RECORD)))
    expected = expect(one / "model", rows).ravel()
    project = shutil.copytree(one, tmp_path / "project")
    with Server(project, "fastapi", SM_THREADS=threads) as server, ThreadPoolExecutor(16) as clients:
        server.wait_until_ready()
        replies = clients.map(lambda row: server.invoke({"instances": [row.tolist()]}).json(), rows)
        found = [reply["predictions"][0][0] for reply in replies]
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
    together = [
        line.get("batch_requests", 0) for line in map(json.loads, re.findall(r"^{.*}$", server.log(), re.MULTILINE))
    ]
    assert max(together) > 1


# Only for SavedModel.


@pytest.fixture
def project(pytestconfig: pytest.Config, tmp_path: Path) -> Path:
    """A project for a SavedModel, with its sample model."""
    path = pytestconfig.getoption("projects") / "tensorflow-SavedModel-fastapi"
    train(path)
    return Path(shutil.copytree(path, tmp_path / "project"))


class Doubles(tf.Module):
    """A model whose functions are saved as signatures."""

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, "x")])
    def double(self, x: Any) -> dict[str, Any]:
        return {"doubled": 2 * x}


def save_doubles(project: Path, *signatures: str) -> None:
    shutil.rmtree(project / "model")
    model = Doubles()
    tf.saved_model.save(model, project / "model", signatures=dict.fromkeys(signatures, model.double))


def test_a_tensorflow_serving_folder_is_served(project: Path) -> None:
    (project / "model").rename(project / "1")
    (project / "model").mkdir()
    (project / "1").rename(project / "model/1")
    with Server(project, "fastapi") as server:
        server.wait_until_ready()
        assert server.invoke({"instances": [RECORD]}).status == 200


KERAS_2 = """
import sys
import numpy as np
from tensorflow import keras
model = keras.Sequential([keras.layers.Dense(1, input_shape=(8,))])
model.compile(keras.optimizers.legacy.Adam(), "mse")
model.fit(np.ones((4, 8)), np.ones(4), verbose=0)
model.save(sys.argv[1])
"""


def test_a_model_with_a_keras_2_optimizer_is_not_served(project: Path) -> None:
    shutil.rmtree(project / "model")
    make = ["uv", "run", "--no-project", "--python=3.11", "--with=tensorflow-cpu==2.12.1", "python", "-c", KERAS_2]
    subprocess.run([ROOT / ".venv/bin" / make[0], *make[1:], project / "model"], check=True)
    with Server(project, "fastapi") as server:
        assert server.wait() != 0
        assert re.search(r"saved by TensorFlow 2\.12.*--framework-version=2\.15", server.last_line())


def test_the_only_signature_is_served_whatever_its_name(project: Path) -> None:
    save_doubles(project, "double")
    with Server(project, "fastapi") as server:
        server.wait_until_ready()
        assert server.invoke({"inputs": {"x": [1, 2]}}).json() == {"predictions": [2.0, 4.0]}


@pytest.mark.parametrize(
    ("signatures", "message"), [([], "no signature serving_default, but none at all"), (["a", "b"], "but a, b")]
)
def test_a_model_without_a_usable_signature_is_not_served(project: Path, signatures: list[str], message: str) -> None:
    save_doubles(project, *signatures)
    with Server(project, "fastapi") as server:
        assert server.wait() == 1
    assert message in server.last_line()
