"""Recognizes model files by their contents, so that an error can name the framework of a wrong file."""

import zipfile
from pathlib import Path

CHECKPOINT = "a PyTorch checkpoint (weights or a module, without its code)"

# First bytes of a file -> kind.
STARTS = (
    (b"version https://git-lfs", "a Git LFS pointer"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9", CHECKPOINT),  # written by torch.save before PyTorch 1.6
    (b"\x80", "a pickle (scikit-learn: model.joblib or model.pkl)"),
    (b"\x89HDF", "an HDF5 file (TensorFlow: model.h5)"),
    (b"tree\n", "a LightGBM model (model.txt)"),
    (b"CBM1", "a CatBoost model (model.cbm)"),
    (b'{"learner"', "an XGBoost model (model.json)"),
    (b'{"version"', "an XGBoost model (model.json)"),
    (b"{L", "an XGBoost model in UBJSON (model.ubj)"),
    (b"\x08", "an ONNX model (model.onnx)"),
)
# End of a file name in a zip archive -> kind of the archive.
MEMBERS = (
    ("constants.pkl", "a TorchScript file (PyTorch: model.pt)"),
    ("archive_format", "an exported program (PyTorch: model.pt2)"),
    ("data.pkl", CHECKPOINT),
    ("schema.json", "a skops file (scikit-learn: model.skops)"),
    ("config.json", "a Keras model (TensorFlow: model.keras)"),
)


def recognize(path: Path) -> str | None:
    """Describe the kind of a file; None if it is unknown."""
    if path.is_dir():
        return "a TensorFlow SavedModel (saved_model.pb)" if (path / "saved_model.pb").exists() else None
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        return next((kind for end, kind in MEMBERS if any(name.endswith(end) for name in names)), None)
    except (OSError, zipfile.BadZipFile):
        pass
    try:
        with path.open("rb") as file:
            start = file.read(32)
    except OSError:
        return None
    if start[8:10] == b'{"':  # after the length of the header, which can be any bytes
        return "weights in safetensors format (Transformers: model.safetensors)"
    if path.suffix == ".pb" and start.startswith(b"\x08"):  # files of a SavedModel start like ONNX models
        return "a TensorFlow SavedModel (saved_model.pb)" if path.name == "saved_model.pb" else None
    return next((kind for first, kind in STARTS if start.startswith(first)), None)
