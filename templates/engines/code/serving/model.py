"""The model that the engine serves, and the options that follow from it: location, number of GPUs, adapters."""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from serving import engine
from serving.errors import StartError
from serving.options import Options

CONFIGS = ("config.json", "params.json")  # Transformers, Mistral
PARALLEL = "tensor-parallel-size"
HEADS = ("num_attention_heads", "n_heads")  # Transformers, Mistral
SHARED_HEADS = ("num_key_value_heads", "n_kv_heads")  # of keys and values


def choose(options: Options, environ: MutableMapping[str, str]) -> Options:
    """Add the model to the options: its folder if SageMaker has provided one, otherwise its name on the Hub.

    Raises StartError if there is no model, or if its weights are pickles and the options require safetensors.
    """
    folder = model_dir(environ)
    has_files = folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())
    config: dict[str, Any] = {}
    if has_files:
        config = read_config(folder)
        require_safetensors(folder, options)
        environ["HF_HUB_OFFLINE"] = "1"
        options = {**options, **adapters(folder), "model": str(folder)}
        options.pop("revision", None)
    elif "model" in options:
        options = {"revision": environ["MODEL_REVISION"], **options} if environ.get("MODEL_REVISION") else options
        config = config_on_hub(options, environ) if gpus(environ) != 1 else {}
    else:
        raise StartError(f"There is no model in {folder}, and options.json names no model on the Hugging Face Hub.")
    return fit_to_gpus(options, config, gpus(environ))


def model_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder where SageMaker puts the model."""
    return Path(environ.get("SM_MODEL_DIR") or "/opt/ml/model")


def read_config(folder: Path) -> dict[str, Any]:
    for name in CONFIGS:
        if (folder / name).is_file():
            try:
                return dict(json.loads((folder / name).read_text()))
            except ValueError as error:
                raise StartError(f"The model's {name} cannot be read: {error}") from None
    raise StartError(f"The model in {folder} has no config.json. Put the model's files directly in that folder.")


def require_safetensors(folder: Path, options: Options) -> None:
    """Raise StartError for weights that can run code when loaded, unless the options allow them."""
    if options.get("load-format") == "safetensors" and not any(folder.glob("*.safetensors")):
        raise StartError(
            f"The model in {folder} has no .safetensors files. Other weights can be pickles, which run code when they "
            "are loaded. If you trust them, set OPTION_LOAD_FORMAT=auto."
        )


def adapter_folders(folder: Path) -> dict[str, Path]:
    """Return the folders of the LoRA adapters, adapters/NAME with an adapter_config.json, by name."""
    return {file.parent.name: file.parent for file in sorted(folder.glob("adapters/*/adapter_config.json"))}


def adapters(folder: Path) -> Options:
    """Return the options that load the LoRA adapters in the model's folder."""
    found = adapter_folders(folder)
    if not found:
        return {}
    try:
        ranks = [int(json.loads((each / "adapter_config.json").read_text()).get("r", 8)) for each in found.values()]
    except (ValueError, TypeError, AttributeError):
        raise StartError(f"An adapter_config.json in {folder}/adapters cannot be read.") from None
    return engine.adapters({name: str(each) for name, each in found.items()}, max(ranks))


def config_on_hub(options: Options, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the model's config.json; empty if it cannot be downloaded, because the engine then reports the error."""
    try:
        from huggingface_hub import hf_hub_download

        model, revision = str(options["model"]), options.get("revision")
        path = hf_hub_download(model, "config.json", revision=revision, token=environ.get("HF_TOKEN"))
        return dict(json.loads(Path(path).read_text()))
    except Exception:
        return {}


def gpus(environ: Mapping[str, str]) -> int:
    """Return the number of GPUs; 0 if it is unknown."""
    visible = environ.get("CUDA_VISIBLE_DEVICES", "").strip()
    if visible:
        return len([each for each in visible.split(",") if each.strip()])
    return len([path for path in glob.glob("/dev/nvidia*") if path.removeprefix("/dev/nvidia").isdecimal()])


def fit_to_gpus(options: Options, config: Mapping[str, Any], count: int) -> Options:
    """Set the tensor parallelism to the requested size ("auto": all GPUs), or reduce it to one that works.

    It is reduced if there are fewer GPUs, or if the model cannot be divided evenly: the attention heads must be a
    multiple of it, and the key-value heads a multiple or a divisor of it. A reduced size is a power of two, because
    layer widths are divisible by powers of two.
    """
    if options.get(PARALLEL) == "auto":
        options = {**options, PARALLEL: count or 1}
    wanted = options.get(PARALLEL)
    if wanted is None or not str(wanted).isdecimal():
        return options
    text_config = config.get("text_config")
    config = {**config, **(text_config if isinstance(text_config, dict) else {})}
    heads, shared = (next((int(config[key]) for key in keys if config.get(key)), 0) for keys in (HEADS, SHARED_HEADS))
    for size in range(min(int(wanted), count or int(wanted)), 1, -1):
        allowed = size == int(wanted) or size & (size - 1) == 0
        if allowed and heads % size == 0 and (shared % size == 0 or size % shared == 0):
            return {**options, PARALLEL: size}
    return {**options, PARALLEL: 1}


def idle_gpus(options: Options, count: int) -> str:
    """Return a warning about unused GPUs; empty if the engine uses all of them."""
    used = 1
    for name, each in options.items():
        if name.endswith("-parallel-size") and str(each).isdecimal():
            used *= int(each)
    if used >= count:
        return ""
    return f"WARNING: the engine uses {used} of {count} GPUs. Set OPTION_TENSOR_PARALLEL_SIZE=auto to use more of them."
