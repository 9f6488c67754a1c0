"""What the files of a Hugging Face model say of it, beyond what transformers reads: model_handler.py loads the rest."""

import json
import os
from pathlib import Path
from typing import Any

from serving.errors import StartError
from serving.models import list_files
from serving.settings import read_choice, read_number

CLASSIFY, EMBED, GENERATE = "text-classification", "feature-extraction", "text-generation"
TASKS = (CLASSIFY, EMBED, GENERATE)
ENDINGS = {  # of an architecture -> what it is for
    "ForSequenceClassification": CLASSIFY,
    "ForCausalLM": GENERATE,
    "LMHeadModel": GENERATE,
    "ForMaskedLM": EMBED,
    "Model": EMBED,
}
POOLINGS = {  # sentence-transformers' names of what it makes of the vectors of the tokens, those of old too -> ours
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
}
MOST_TOKENS = 8192  # of a text, where the model takes more and SM_MAX_TOKENS does not say so


def check_files(model_dir: Path) -> bool:
    """Whether the weights are safetensors. Raises StartError for files that are missing, and for pickles."""
    names = [path.name for path in list_files(model_dir)]
    if "config.json" not in names or not any(name.endswith((".safetensors", ".bin")) for name in names):
        raise StartError(
            f"There is no Hugging Face model in {model_dir}, only {', '.join(names)}. Put config.json, *.safetensors "
            "and the files of the tokenizer there, as README.md says."
        )
    safe = any(name.endswith(".safetensors") for name in names)
    if not safe and read_choice(os.environ, "SM_ALLOW_PICKLE", "false", ("true", "false")) == "false":
        raise StartError(
            f"The weights in {model_dir} are pickles (*.bin), which can run code when they are loaded. Take a revision "
            "of the model with *.safetensors, or set SM_ALLOW_PICKLE=true if you trust these."
        )
    return safe


def find_task(config: Any, pooling: str) -> str:
    """SM_TASK, or else what the architecture is for. Raises StartError where neither says."""
    if os.environ.get("SM_TASK"):
        return read_choice(os.environ, "SM_TASK", CLASSIFY, TASKS)
    name = next(iter(config.architectures or []), "")
    task = EMBED if pooling else next((task for end, task in ENDINGS.items() if name.endswith(end)), None)
    if not name and task is None:
        raise StartError(
            f"config.json names no architecture, so that it does not say what the model is for. Set SM_TASK to one of "
            f"{', '.join(TASKS)}."
        )
    if task is None or (task == EMBED and config.is_encoder_decoder):
        raise StartError(
            f"{name} is for none of {', '.join(TASKS)}, which is all that this server does by itself: write load() and "
            "predict() in code/model_handler.py."
        )
    return task


def read_pooling(model_dir: Path) -> tuple[str, bool]:
    """How a model of sentence-transformers makes one vector of those of the tokens, and whether it has length 1.

    Empty where the model is none of these. Raises StartError for what is not in POOLINGS, and for further layers.
    """
    path = model_dir / "modules.json"
    if not path.is_file():
        return "", False
    places = {module["type"].rpartition(".")[2]: module["path"] for module in json.loads(path.read_text())}
    told = json.loads((model_dir / places["Pooling"] / "config.json").read_text()) if "Pooling" in places else {}
    modes = told.get("pooling_mode") or [name for name, on in told.items() if on is True and "pooling_mode" in name]
    names = [modes] if isinstance(modes, str) else modes
    others = [name for name in places if name not in ("Transformer", "Pooling", "Normalize")]
    if len(names) != 1 or names[0] not in POOLINGS or others:
        how = ", ".join([*(names or ["no pooling"]), *others])
        raise StartError(f"The model in {model_dir} makes vectors with {how}: change embed() in model_handler.py.")
    return POOLINGS[names[0]], "Normalize" in places


def read_prompt(model_dir: Path) -> str:
    """What sentence-transformers puts before each text: the default prompt of the model, if it has one.

    Raises StartError where the vector is to be made without the prompt's tokens.
    """
    path = model_dir / "config_sentence_transformers.json"
    told = json.loads(path.read_text()) if path.is_file() else {}
    prompt = str((told.get("prompts") or {}).get(told.get("default_prompt_name"), ""))
    poolings = [json.loads(each.read_text()) for each in model_dir.glob("*_Pooling/config.json")] if prompt else []
    if any(pooling.get("include_prompt") is False for pooling in poolings):
        raise StartError(
            f"The model in {model_dir} puts {prompt!r} before each text and leaves it out of the vector: change "
            "embed() in model_handler.py."
        )
    return prompt


def find_limit(model_dir: Path, network: Any, tokenizer: Any) -> int:
    """The tokens that a text may have: SM_MAX_TOKENS, or else as many as the model takes, up to MOST_TOKENS."""
    most = [2**20, tokenizer.model_max_length, getattr(network.config, "max_position_embeddings", 2**20)]
    for name, module in network.named_modules():  # RoBERTa and its like leave the first positions out
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            most.append(module.num_embeddings - module.padding_idx - 1)
    path = model_dir / "sentence_bert_config.json"
    if path.is_file():
        most.append(json.loads(path.read_text()).get("max_seq_length") or 2**20)
    return read_number(os.environ, "SM_MAX_TOKENS", min(*most, MOST_TOKENS), min(most))
