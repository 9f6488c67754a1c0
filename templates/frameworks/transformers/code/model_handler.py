"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn.utils.rnn import pad_sequence

from serving.content import Parameters, Records
from serving.errors import BadRequest, ProcessBroken, StartError
from serving.gpu import choose_device
from serving.pretrained import (
    CLASSIFY,
    EMBED,
    GENERATE,
    TASKS,
    check_files,
    find_limit,
    find_task,
    read_pooling,
    read_prompt,
)
from serving.settings import count_math_threads
from serving.texts import (
    FLAG,
    Values,
    cut_at,
    form_slices,
    from_csv,
    number,
    one_or_more,
    read_parameters,
    to_texts,
    whole,
)

os.environ["HF_HUB_OFFLINE"] = "1"  # must precede the import; all files are in the model's folder

import transformers

# Load the model in each worker: neither CUDA nor the threads that compute on CPUs survive a fork.
PRELOAD = False
THREAD_SAFE = False  # a tokenizer that truncates is not thread-safe
PROVES_BATCHING = False  # a sampled text differs each time
DECODERS = {"text/csv": from_csv}  # one text per line

NEW_TOKENS = 100  # generated if the request has no max_new_tokens
SLICE_TOKENS = 16384  # per call of the model: more would need more memory

LOADERS = {
    CLASSIFY: transformers.AutoModelForSequenceClassification,
    EMBED: transformers.AutoModel,
    GENERATE: transformers.AutoModelForCausalLM,
}
PARAMETERS: Mapping[str, Mapping[str, Values]] = {  # that a request can have, by task
    CLASSIFY: {"top_k": whole(1000), "truncate": FLAG},
    EMBED: {"normalize": FLAG, "truncate": FLAG},
    GENERATE: {
        "max_new_tokens": whole(2**20),
        "stop": one_or_more(8),
        "do_sample": FLAG,
        "temperature": number(10),
        "top_p": number(1),
        "top_k": whole(1000),
        "repetition_penalty": number(10),
    },
}
SAMPLING = {"temperature", "top_p", "top_k"}  # each of these implies do_sample


class Loaded(NamedTuple):
    """The loaded model, passed to the functions below."""

    task: str
    network: Any
    tokenizer: Any
    limit: int  # tokens of a text, including the generated ones
    pooling: str
    normalize: bool
    prompt: str  # prefix of each text


def load(model_dir: Path) -> Loaded:
    """Load the model once, when the server starts: files in Hugging Face's format. Code among them is never run."""
    safe = check_files(model_dir)
    torch.set_num_threads(count_math_threads())
    transformers.logging.disable_progress_bar()
    transformers.logging.disable_default_handler()  # use the server's log instead
    transformers.logging.enable_propagation()
    device = choose_device(built=torch.version.cuda is not None, found=torch.cuda.is_available())
    local = {"local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(model_dir, **local)
    pooling, normalize = read_pooling(model_dir)
    task = find_task(config, pooling)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir, **local)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # what transformers returns if there are no files
        raise StartError(f"The tokenizer in {model_dir} is missing or has no vocabulary. Put its files there.")
    half = torch.bfloat16 if config.dtype == torch.bfloat16 else torch.float16
    network, info = LOADERS[task].from_pretrained(
        model_dir,
        config=config,
        dtype=half if device == "cuda" else torch.float32,
        use_safetensors=safe,
        output_loading_info=True,
        **local,
    )
    if missing := sorted(name for name in info["missing_keys"] if "pooler" not in name):  # embed() uses none
        raise StartError(
            f"The model in {model_dir} does not support {task}: it has no {', '.join(missing[:3])}. Set SM_TASK to its "
            f"task, one of {', '.join(TASKS)}."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    network.config.pad_token_id = tokenizer.pad_token_id
    limit = find_limit(model_dir, network, tokenizer)
    return Loaded(task, network.to(device), tokenizer, limit, pooling or "mean", normalize, read_prompt(model_dir))


def decode(model: Loaded, records: Records) -> list[list[int]]:
    """Return the tokens of each text of one request. A text that is too long is truncated if allowed, else rejected."""
    texts, parameters = to_texts(records), read_parameters(PARAMETERS[model.task])
    new = count_new_tokens(model, parameters)
    options = {"truncation": True, "max_length": model.limit} if not new and parameters.get("truncate", True) else {}
    tokens: list[list[int]] = model.tokenizer([model.prompt + text for text in texts], verbose=False, **options)[
        "input_ids"
    ]
    for record, each in enumerate(tokens, 1):
        if not each:
            raise BadRequest(f"The text of record {record} is empty.")
        if len(each) + new > model.limit:
            more = f" plus {new} to generate (max_new_tokens)" if new else ""
            raise BadRequest(f"Record {record} has {len(each)} tokens{more}; this model accepts {model.limit} in all.")
    return tokens


def count_new_tokens(model: Loaded, parameters: Parameters) -> int:
    """Return the maximum number of tokens to generate for each text."""
    return int(parameters.get("max_new_tokens", NEW_TOKENS)) if model.task == GENERATE else 0


def predict(model: Loaded, inputs: list[list[int]]) -> list[Any]:
    """Return one prediction per text, in order.

    The texts may come from several requests with the same parameters; set BATCHING = False to prevent that.
    """
    parameters = read_parameters(PARAMETERS[model.task])
    new = count_new_tokens(model, parameters)
    predictions: list[Any] = [None] * len(inputs)
    try:
        for positions in form_slices([len(tokens) + new for tokens in inputs], SLICE_TOKENS):
            batch = to_batch(model, [inputs[position] for position in positions])
            with torch.inference_mode():
                found = PREDICT[model.task](model, batch, parameters)
            for position, prediction in zip(positions, found, strict=True):
                predictions[position] = prediction
    except torch.AcceleratorError as error:
        raise ProcessBroken("CUDA failed and cannot recover in this process.") from error
    return predictions


Batch = dict[str, torch.Tensor]  # tokens and attention mask, each of shape (texts, tokens)


def to_batch(model: Loaded, texts: list[list[int]]) -> Batch:
    """Return the tokens of several texts, padded to the longest."""
    side = "left" if model.task == GENERATE else "right"  # generated tokens follow the last one
    rows = [torch.tensor(tokens) for tokens in texts]
    tokens = pad_sequence(rows, True, model.tokenizer.pad_token_id or 0, side)
    mask = pad_sequence([torch.ones_like(row) for row in rows], True, 0, side)
    return {"input_ids": tokens.to(model.network.device), "attention_mask": mask.to(model.network.device)}


def classify(model: Loaded, batch: Batch, parameters: Parameters) -> list[Any]:
    """Return the best label of each text and its score, or a list of the best top_k if the request has top_k."""
    config, logits = model.network.config, model.network(**batch).logits.float()
    if config.problem_type == "regression":
        scores = logits
    elif config.problem_type == "multi_label_classification" or config.num_labels == 1:
        scores = logits.sigmoid()
    else:
        scores = logits.softmax(1)
    best = scores.topk(min(parameters.get("top_k", 1), scores.shape[1]))
    pairs = [zip(*both, strict=True) for both in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    found = [[{"label": config.id2label[label], "score": score} for label, score in each] for each in pairs]
    return found if "top_k" in parameters else [one for (one,) in found]


def embed(model: Loaded, batch: Batch, parameters: Parameters) -> list[Any]:
    """Return one vector per text."""
    states, mask = model.network(**batch).last_hidden_state.float(), batch["attention_mask"]
    if model.pooling == "cls":
        vectors = states[:, 0]
    elif model.pooling == "last":
        vectors = states[torch.arange(len(states)), mask.sum(1) - 1]
    else:
        vectors = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    if parameters.get("normalize", model.normalize):
        vectors = torch.nn.functional.normalize(vectors)
    return list(vectors.numpy(force=True))


def generate(model: Loaded, batch: Batch, parameters: Parameters) -> list[Any]:
    """Return the continuation of each text: the most likely, or a sampled one if the request has its parameters."""
    settings = {"max_new_tokens": NEW_TOKENS, "do_sample": not SAMPLING.isdisjoint(parameters), **parameters}
    stop = settings.pop("stop", [])
    stops = [stop] if isinstance(stop, str) else stop

    def read(rows: torch.Tensor) -> list[str]:
        new = rows[:, batch["input_ids"].shape[1] :]
        return [str(text) for text in model.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def is_finished(rows: torch.Tensor, _: object) -> torch.Tensor:
        return torch.tensor([any(stop in text for stop in stops) for text in read(rows)], device=rows.device)

    # Not stop_strings of generate(): it scans the whole vocabulary first, and fails for some vocabularies.
    criteria = transformers.StoppingCriteriaList([is_finished] if stops else [])
    rows = model.network.generate(
        **batch, **settings, stopping_criteria=criteria, pad_token_id=model.tokenizer.pad_token_id
    )
    return [{"generated_text": cut_at(text, stops)} for text in read(rows)]


PREDICT: Mapping[str, Callable[[Loaded, Batch, Parameters], list[Any]]] = {
    CLASSIFY: classify,
    EMBED: embed,
    GENERATE: generate,
}
