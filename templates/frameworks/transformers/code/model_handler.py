"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
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

os.environ["HF_HUB_OFFLINE"] = "1"  # the import reads it: whatever is loaded lies in the model's folder

import transformers

# The model is loaded in the process that serves it: CUDA does not survive a fork, nor do the threads of a computation.
PRELOAD = False
THREAD_SAFE = False  # a tokenizer that cuts texts is not
PROVES_BATCHING = False  # a text gets another answer each time if it is sampled
DECODERS = {"text/csv": from_csv}  # one text a line

NEW_TOKENS = 100  # that are generated, where the request has no max_new_tokens
SLICE_TOKENS = 16384  # that go through the model at a time: more need more memory

LOADERS = {
    CLASSIFY: transformers.AutoModelForSequenceClassification,
    EMBED: transformers.AutoModel,
    GENERATE: transformers.AutoModelForCausalLM,
}
TAKES: Mapping[str, Mapping[str, Values]] = {  # the parameters that a request may have
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
SAMPLING = {"temperature", "top_p", "top_k"}  # who gives one of these wants do_sample


class Loaded(NamedTuple):
    """The model and how it is used."""

    task: str
    network: Any
    tokenizer: Any
    limit: int  # tokens of a text, with those that are generated
    pooling: str
    normalize: bool
    prompt: str  # that begins each text


def load(model_dir: Path) -> Loaded:
    """Loads the model once, when the server starts: the files of Hugging Face, and never code from among them."""
    safe = check_files(model_dir)
    torch.set_num_threads(count_math_threads())
    transformers.logging.disable_progress_bar()
    transformers.logging.disable_default_handler()  # its lines go where all others go
    transformers.logging.enable_propagation()
    device = choose_device(built=torch.version.cuda is not None, found=torch.cuda.is_available())
    local = {"local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(model_dir, **local)
    pooling, normalize = read_pooling(model_dir)
    task = find_task(config, pooling)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir, **local)
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # so is that of a folder without one
        raise StartError(f"There is no tokenizer in {model_dir}, or it knows no words. Put its files there.")
    half = torch.bfloat16 if config.dtype == torch.bfloat16 else torch.float16
    network, info = LOADERS[task].from_pretrained(
        model_dir,
        config=config,
        dtype=half if device == "cuda" else torch.float32,
        use_safetensors=safe,
        output_loading_info=True,
        **local,
    )
    if missing := sorted(name for name in info["missing_keys"] if "pooler" not in name):  # which embed() does not use
        raise StartError(
            f"The model in {model_dir} is not one for {task}: it has no {', '.join(missing[:3])}. Set SM_TASK to what "
            f"it is for, one of {', '.join(TASKS)}."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    network.config.pad_token_id = tokenizer.pad_token_id
    limit = find_limit(model_dir, network, tokenizer)
    return Loaded(task, network.to(device), tokenizer, limit, pooling or "mean", normalize, read_prompt(model_dir))


def decode(model: Loaded, records: Records) -> list[list[int]]:
    """The tokens of each text of one request. A text that is too long is cut, or refused where nothing may be lost."""
    texts, parameters = to_texts(records), read_parameters(TAKES[model.task])
    new = count_new(model, parameters)
    cut = {"truncation": True, "max_length": model.limit} if not new and parameters.get("truncate", True) else {}
    tokens: list[list[int]] = model.tokenizer([model.prompt + text for text in texts], verbose=False, **cut)[
        "input_ids"
    ]
    for record, each in enumerate(tokens, 1):
        if not each:
            raise BadRequest(f"The text of record {record} is empty.")
        if len(each) + new > model.limit:
            more = f" and is to get {new} (max_new_tokens)" if new else ""
            raise BadRequest(f"Record {record} has {len(each)} tokens{more}: this model takes {model.limit} in all.")
    return tokens


def count_new(model: Loaded, parameters: Parameters) -> int:
    """The tokens that are generated for each text, at most."""
    return int(parameters.get("max_new_tokens", NEW_TOKENS)) if model.task == GENERATE else 0


def predict(model: Loaded, inputs: list[list[int]]) -> list[Any]:
    """One prediction a text, in their order.

    The texts may come from several requests with the same parameters: BATCHING = False in this file ends that.
    """
    parameters = read_parameters(TAKES[model.task])
    new = count_new(model, parameters)
    predictions: list[Any] = [None] * len(inputs)
    try:
        for positions in form_slices([len(tokens) + new for tokens in inputs], SLICE_TOKENS):
            batch = to_batch(model, [inputs[position] for position in positions])
            with torch.inference_mode():
                found = PREDICT[model.task](model, batch, parameters)
            for position, prediction in zip(positions, found, strict=True):
                predictions[position] = prediction
    except torch.AcceleratorError as error:
        raise ProcessBroken("CUDA has failed in this process, for good.") from error
    return predictions


Batch = dict[str, torch.Tensor]  # tokens and what of them counts, of shape (texts, tokens)


def to_batch(model: Loaded, texts: list[list[int]]) -> Batch:
    """The tokens of several texts, all made as long as the longest."""
    side = "left" if model.task == GENERATE else "right"  # what is generated follows the last token
    rows = [torch.tensor(tokens) for tokens in texts]
    tokens = pad_sequence(rows, True, model.tokenizer.pad_token_id or 0, side)
    mask = pad_sequence([torch.ones_like(row) for row in rows], True, 0, side)
    return {"input_ids": tokens.to(model.network.device), "attention_mask": mask.to(model.network.device)}


def classify(model: Loaded, batch: Batch, parameters: Parameters) -> list[Any]:
    """The best label of each text and its score; where the request has top_k, a list of the best."""
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
    """A vector for each text."""
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
    """What follows each text: the likeliest, or what chance draws if the request says how."""
    settings = {"max_new_tokens": NEW_TOKENS, "do_sample": not SAMPLING.isdisjoint(parameters), **parameters}
    stop = settings.pop("stop", [])
    stops = [stop] if isinstance(stop, str) else stop

    def read(rows: torch.Tensor) -> list[str]:
        new = rows[:, batch["input_ids"].shape[1] :]
        return [str(text) for text in model.tokenizer.batch_decode(new, skip_special_tokens=True)]

    def end(rows: torch.Tensor, _: object) -> torch.Tensor:
        return torch.tensor([any(stop in text for stop in stops) for text in read(rows)], device=rows.device)

    # Not generate()'s stop_strings: it goes through the whole vocabulary first, and fails for some.
    ends = transformers.StoppingCriteriaList([end] if stops else [])
    rows = model.network.generate(
        **batch, **settings, stopping_criteria=ends, pad_token_id=model.tokenizer.pad_token_id
    )
    return [{"generated_text": cut_at(text, stops)} for text in read(rows)]


PREDICT: Mapping[str, Callable[[Loaded, Batch, Parameters], list[Any]]] = {
    CLASSIFY: classify,
    EMBED: embed,
    GENERATE: generate,
}
