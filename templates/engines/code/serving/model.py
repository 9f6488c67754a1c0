"""Which model the engine serves, and what follows from it: where it lies, over how many GPUs, with which adapters."""

from __future__ import annotations

import glob
import json
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from serving import engine
from serving.errors import StartError
from serving.options import Options

CONFIGS = ("config.json", "params.json")  # of Transformers, of Mistral
PARALLEL = "tensor-parallel-size"
HEADS = ("num_attention_heads", "n_heads")  # the names that Transformers and Mistral have for them
SHARED_HEADS = ("num_key_value_heads", "n_kv_heads")  # for keys and values


def choose(options: Options, environ: MutableMapping[str, str]) -> Options:
    """The options with the model: its folder where SageMaker has put one, else that of the Hub.

    Raises StartError where there is none, or where its weights are pickles and the options ask for safetensors.
    """
    folder = model_dir(environ)
    there = folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir())
    config: dict[str, Any] = {}
    if there:
        config = read_config(folder)
        require_safetensors(folder, options)
        environ["HF_HUB_OFFLINE"] = "1"
        options = {**options, **adapters(folder), "model": str(folder)}
        options.pop("revision", None)
    elif "model" in options:
        options = {"revision": environ["MODEL_REVISION"], **options} if environ.get("MODEL_REVISION") else options
        config = config_on_hub(options, environ) if gpus(environ) != 1 else {}
    else:
        raise StartError(f"There is no model in {folder}, and options.json names none of the Hugging Face Hub.")
    return fit_to_gpus(options, config, gpus(environ))


def model_dir(environ: Mapping[str, str]) -> Path:
    """Where SageMaker puts the model."""
    return Path(environ.get("SM_MODEL_DIR") or "/opt/ml/model")


def read_config(folder: Path) -> dict[str, Any]:
    for name in CONFIGS:
        if (folder / name).is_file():
            try:
                return dict(json.loads((folder / name).read_text()))
            except ValueError as error:
                raise StartError(f"The model's {name} cannot be read: {error}") from None
    raise StartError(f"The model in {folder} has no config.json. Its files have to lie in the folder itself.")


def require_safetensors(folder: Path, options: Options) -> None:
    """Other weights are pickles, and loading them runs the code that they hold."""
    if options.get("load-format") == "safetensors" and not any(folder.glob("*.safetensors")):
        raise StartError(
            f"The model in {folder} has no .safetensors files. Others may be pickles, which run code when they are "
            "loaded: where you trust them, set OPTION_LOAD_FORMAT=auto."
        )


def adapter_folders(folder: Path) -> dict[str, Path]:
    """The LoRA adapters in the model's folder, as adapters/NAME/adapter_config.json, by their names."""
    return {file.parent.name: file.parent for file in sorted(folder.glob("adapters/*/adapter_config.json"))}


def adapters(folder: Path) -> Options:
    """The options that load the LoRA adapters in the model's folder."""
    found = adapter_folders(folder)
    if not found:
        return {}
    try:
        ranks = [int(json.loads((each / "adapter_config.json").read_text()).get("r", 8)) for each in found.values()]
    except (ValueError, TypeError, AttributeError):
        raise StartError(f"One of the adapter_config.json in {folder}/adapters cannot be read.") from None
    return engine.adapters({name: str(each) for name, each in found.items()}, max(ranks))


def config_on_hub(options: Options, environ: Mapping[str, str]) -> dict[str, Any]:
    """The model's config.json; empty where it cannot be had, for the engine then says what is wrong."""
    try:
        from huggingface_hub import hf_hub_download

        model, revision = str(options["model"]), options.get("revision")
        path = hf_hub_download(model, "config.json", revision=revision, token=environ.get("HF_TOKEN"))
        return dict(json.loads(Path(path).read_text()))
    except Exception:
        return {}


def gpus(environ: Mapping[str, str]) -> int:
    """How many GPUs there are; 0 where that cannot be told."""
    visible = environ.get("CUDA_VISIBLE_DEVICES", "").strip()
    if visible:
        return len([each for each in visible.split(",") if each.strip()])
    return len([path for path in glob.glob("/dev/nvidia*") if path.removeprefix("/dev/nvidia").isdecimal()])


def fit_to_gpus(options: Options, config: Mapping[str, Any], count: int) -> Options:
    """The options with the tensor parallelism that was asked for ("auto": all GPUs), or less.

    It is less where there are fewer GPUs, or where the model cannot be divided so: each GPU gets as many attention
    heads as any other, and as many heads of keys and values, or one together with as many others. Less is a power of
    two: the widths of layers are multiples of those.
    """
    if options.get(PARALLEL) == "auto":
        options = {**options, PARALLEL: count or 1}
    wanted = options.get(PARALLEL)
    if wanted is None or not str(wanted).isdecimal():
        return options
    inner = config.get("text_config")
    config = {**config, **(inner if isinstance(inner, dict) else {})}
    heads, shared = (next((int(config[key]) for key in keys if config.get(key)), 0) for keys in (HEADS, SHARED_HEADS))
    for size in range(min(int(wanted), count or int(wanted)), 1, -1):
        power = size == int(wanted) or size & (size - 1) == 0
        if power and heads % size == 0 and (shared % size == 0 or size % shared == 0):
            return {**options, PARALLEL: size}
    return {**options, PARALLEL: 1}


def idle_gpus(options: Options, count: int) -> str:
    """What to say of GPUs that the engine leaves alone; empty where it takes all."""
    taken = 1
    for name, each in options.items():
        if name.endswith("-parallel-size") and str(each).isdecimal():
            taken *= int(each)
    if taken >= count:
        return ""
    return f"WARNING: the engine takes {taken} of {count} GPUs. OPTION_TENSOR_PARALLEL_SIZE=auto takes all that it can."
