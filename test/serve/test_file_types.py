"""serving/file_types.py: kinds of model files. Real files of the frameworks are in test/frameworks."""

import pickle
import zipfile
from pathlib import Path

import pytest

from serving.file_types import recognize


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (pickle.dumps([1]), "pickle"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"tree\nversion=v4\n", "LightGBM"),
        (b"CBM1\xa0p\0\0", "CatBoost"),
        (b'{"learner":{}}', "XGBoost"),
        (b"{L\0\0\0\0\0\0\0\x07learner", "UBJSON"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x08\x0a\x12\x04onnx", "ONNX"),
        (b"\x80\0\0\0\0\0\0\0" + b'{"__metadata__":{}}', "safetensors"),
    ],
)
def test_a_file_is_recognized_by_its_first_bytes(content: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(content)
    assert kind in str(recognize(tmp_path / "model"))


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("config.json", "Keras"),
        ("schema.json", "skops"),
        ("model/constants.pkl", "TorchScript"),
        ("archive/data.pkl", "PyTorch checkpoint"),
        ("model/archive_format", "exported program"),
    ],
)
def test_an_archive_is_recognized_by_a_member(member: str, kind: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model", "w") as archive:
        archive.writestr(member, "")
    assert kind in str(recognize(tmp_path / "model"))


def test_a_saved_model_is_a_folder_and_other_files_are_unknown(tmp_path: Path) -> None:
    for name in ("saved_model.pb", "fingerprint.pb", "notes.txt"):
        (tmp_path / name).write_bytes(b"\x08x" if name.endswith(".pb") else b"x")
    assert recognize(tmp_path) == recognize(tmp_path / "saved_model.pb") == "a TensorFlow SavedModel (saved_model.pb)"
    assert recognize(tmp_path / "fingerprint.pb") is recognize(tmp_path / "notes.txt") is None
    assert recognize(tmp_path / "missing") is None
