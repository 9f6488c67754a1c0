"""Reads what transformers does not read from the files of a Hugging Face model; model_handler.py loads the rest."""

import json
import os
from pathlib import Path
from typing import Any

from serving.errors import StartError
from serving.models import list_files
from serving.settings import read_choice, read_number

CLASSIFY, EMBED, GENERATE = "text-classification", "feature-extraction", "text-generation"
TASKS = (CLASSIFY, EMBED, GENERATE)
ENDINGS = {  # end of an architecture's name -> task
    "ForSequenceClassification": CLASSIFY,
    "ForCausalLM": GENERATE,
    "LMHeadModel": GENERATE,
    "ForMaskedLM": EMBED,
    "Model": EMBED,
}
POOLINGS = {  # pooling modes of sentence-transformers, including old names -> ours
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
MAX_TOKENS = 8192  # per text, unless SM_MAX_TOKENS is set


def check_files(model_dir: Path) -> bool:
    """Return whether the weights are safetensors. Raises StartError for missing files, and for pickles."""
    names = [path.name for path in list_files(model_dir)]
    if "config.json" not in names or not any(name.endswith((".safetensors", ".bin")) for name in names):
        raise StartError(
            f"There is no Hugging Face model in {model_dir}, only {', '.join(names)}. Put config.json, *.safetensors "
            "and the tokenizer's files there, as described in README.md."
        )
    safe = any(name.endswith(".safetensors") for name in names)
    if not safe and read_choice(os.environ, "SM_ALLOW_PICKLE", "false", ("true", "false")) == "false":
        raise StartError(
            f"The weights in {model_dir} are pickles (*.bin), which can run code when they are loaded. Use a revision "
            "of the model with *.safetensors, or set SM_ALLOW_PICKLE=true if you trust these files."
        )
    return safe


def find_task(config: Any, pooling: str) -> str:
    """Return SM_TASK or, if unset, the task of the architecture. Raises StartError if the task is unknown."""
    if os.environ.get("SM_TASK"):
        return read_choice(os.environ, "SM_TASK", CLASSIFY, TASKS)
    name = next(iter(config.architectures or []), "")
    task = EMBED if pooling else next((task for end, task in ENDINGS.items() if name.endswith(end)), None)
    if not name and task is None:
        raise StartError(
            f"The task of the model is unknown: config.json has no architecture. Set SM_TASK to one of "
            f"{', '.join(TASKS)}."
        )
    if task is None or (task == EMBED and config.is_encoder_decoder):
        raise StartError(
            f"{name} is not a model for {', '.join(TASKS)}, the tasks that are built in: write load() and predict() in "
            "code/model_handler.py."
        )
    return task


def read_pooling(model_dir: Path) -> tuple[str, bool]:
    """Return the pooling of a sentence-transformers model, and whether it normalizes vectors to length 1.

    The pooling is empty for other models. Raises StartError for a pooling not in POOLINGS, and for further layers.
    """
    path = model_dir / "modules.json"
    if not path.is_file():
        return "", False
    places = {module["type"].rpartition(".")[2]: module["path"] for module in json.loads(path.read_text())}
    config = json.loads((model_dir / places["Pooling"] / "config.json").read_text()) if "Pooling" in places else {}
    modes = config.get("pooling_mode") or [name for name, on in config.items() if on is True and "pooling_mode" in name]
    names = [modes] if isinstance(modes, str) else modes
    others = [name for name in places if name not in ("Transformer", "Pooling", "Normalize")]
    if len(names) != 1 or names[0] not in POOLINGS or others:
        how = ", ".join([*(names or ["no pooling"]), *others])
        raise StartError(
            f"The model in {model_dir} makes vectors with {how}, which is not built in: implement it in embed() in "
            "code/model_handler.py."
        )
    return POOLINGS[names[0]], "Normalize" in places


def read_prompt(model_dir: Path) -> str:
    """Return the default prompt, which sentence-transformers puts before each text; empty if there is none.

    Raises StartError if the prompt's tokens are excluded from pooling.
    """
    path = model_dir / "config_sentence_transformers.json"
    config = json.loads(path.read_text()) if path.is_file() else {}
    prompt = str((config.get("prompts") or {}).get(config.get("default_prompt_name"), ""))
    poolings = [json.loads(each.read_text()) for each in model_dir.glob("*_Pooling/config.json")] if prompt else []
    if any(pooling.get("include_prompt") is False for pooling in poolings):
        raise StartError(
            f"The model in {model_dir} puts {prompt!r} before each text and excludes it from the vector, which is not "
            "built in: implement it in embed() in code/model_handler.py."
        )
    return prompt


def find_limit(model_dir: Path, network: Any, tokenizer: Any) -> int:
    """Return the maximum tokens per text: SM_MAX_TOKENS, by default as many as the model takes, up to MAX_TOKENS."""
    limits = [2**20, tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", 2**20)]
    for name, module in network.named_modules():  # RoBERTa and similar models do not use the first positions
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            limits.append(module.num_embeddings - module.padding_idx - 1)
    path = model_dir / "sentence_bert_config.json"
    if path.is_file():
        limits.append(json.loads(path.read_text()).get("max_seq_length") or 2**20)
    return read_number(os.environ, "SM_MAX_TOKENS", min(*limits, MAX_TOKENS), min(limits))
