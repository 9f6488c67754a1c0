"""serving/pretrained.py: reading the files of a Hugging Face model. Real models are in test_transformers.py."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.errors import StartError
from serving.pretrained import CLASSIFY, EMBED, GENERATE, check_files, find_task, read_pooling, read_prompt


def write(folder: Path, **files: object) -> Path:
    """Write JSON files; "__" in a name stands for a slash."""
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def test_weights_must_be_safetensors_or_allowed_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "README.md").touch()
    for name, message in (("config.json", "no Hugging Face model in"), ("pytorch_model.bin", "only README.md, config")):
        with pytest.raises(StartError, match=message):
            check_files(tmp_path)
        (tmp_path / name).touch()
    with pytest.raises(StartError, match=r"are pickles .*set SM_ALLOW_PICKLE=true"):
        check_files(tmp_path)
    monkeypatch.setenv("SM_ALLOW_PICKLE", "true")
    assert check_files(tmp_path) is False
    (tmp_path / "model.safetensors").touch()
    assert check_files(tmp_path) is True


@pytest.mark.parametrize(
    ("architecture", "task"),
    [
        ("BertForSequenceClassification", CLASSIFY),
        ("LlamaForCausalLM", GENERATE),
        ("GPT2LMHeadModel", GENERATE),
        ("XLMRobertaModel", EMBED),
        ("BertForMaskedLM", EMBED),
    ],
)
def test_the_architecture_determines_the_task(architecture: str, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = SimpleNamespace(architectures=[architecture], is_encoder_decoder=False)
    assert find_task(config, "") == task
    assert find_task(config, "mean") == EMBED
    monkeypatch.setenv("SM_TASK", "Text-Generation")
    assert find_task(config, "") == GENERATE


@pytest.mark.parametrize(
    ("architectures", "both", "message"),
    [
        (None, False, r"has no architecture.* Set SM_TASK to one of text-classif"),
        (["ViTForImageClassification"], False, r"ViTForImageClassification is not a model for .*: write load\(\)"),
        (["MarianMTModel"], True, r"MarianMTModel is not a model for "),
    ],
)
def test_a_model_for_another_task_is_refused(architectures: Any, both: bool, message: str) -> None:
    with pytest.raises(StartError, match=message):
        find_task(SimpleNamespace(architectures=architectures, is_encoder_decoder=both), "")


TRANSFORMER = {"path": "", "type": "sentence_transformers.models.Transformer"}
POOLING = {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}
NORMALIZE = {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
DENSE = {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}


@pytest.mark.parametrize(
    ("pooling", "known"),
    [
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True, "include_prompt": True}, "mean"),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
        ({"pooling_mode": "lasttoken", "include_prompt": True}, "last"),
    ],
)
def test_the_pooling_of_sentence_transformers_is_read(pooling: object, known: str, tmp_path: Path) -> None:
    assert read_pooling(tmp_path) == ("", False)
    write(tmp_path, modules=[TRANSFORMER, POOLING], **{"1_Pooling__config": pooling})
    assert read_pooling(tmp_path) == (known, False)
    write(tmp_path, modules=[TRANSFORMER, POOLING, NORMALIZE])
    assert read_pooling(tmp_path) == (known, True)


@pytest.mark.parametrize(
    ("modules", "pooling", "message"),
    [
        (
            [TRANSFORMER, POOLING],
            {"pooling_mode_max_tokens": True},
            "with pooling_mode_max_tokens, which is not built in",
        ),
        ([TRANSFORMER, POOLING], {"pooling_mode": ["mean", "max"]}, "with mean, max, which is not built in"),
        ([TRANSFORMER, POOLING, DENSE], {"pooling_mode": "mean"}, "with mean, Dense, which is not built in"),
        ([TRANSFORMER], {}, "with no pooling, which is not built in"),
    ],
)
def test_an_unsupported_pooling_is_refused(modules: object, pooling: object, message: str, tmp_path: Path) -> None:
    write(tmp_path, modules=modules, **{"1_Pooling__config": pooling})
    with pytest.raises(StartError, match=message):
        read_pooling(tmp_path)


def test_the_default_prompt_of_sentence_transformers_is_used(tmp_path: Path) -> None:
    assert read_prompt(tmp_path) == ""
    prompts = {"prompts": {"query": "query: ", "other": ""}, "default_prompt_name": "query"}
    write(tmp_path, config_sentence_transformers=prompts, **{"1_Pooling__config": {"pooling_mode": "mean"}})
    assert read_prompt(tmp_path) == "query: "
    write(tmp_path, config_sentence_transformers={**prompts, "default_prompt_name": None})
    assert read_prompt(tmp_path) == ""
    write(tmp_path, config_sentence_transformers=prompts, **{"1_Pooling__config": {"include_prompt": False}})
    with pytest.raises(StartError, match="'query: ' before each text and excludes it from the vector"):
        read_prompt(tmp_path)
