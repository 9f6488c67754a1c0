"""Tests specific to Transformers."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from conftest import replace_model
from numpy.typing import NDArray
from project import TEMPLATES, Server
from test_every import put, truncate

from serving.errors import BadRequest, StartError
from serving.request import CURRENT, Request

TOLERANCE = 1e-5  # the order of float32 sums depends on the number of threads and texts
LABELS = ["negative", "positive"]
TEXTS = ["The room was great.", "We found the staff very rude.", "I must say, the view is not bad", "pool"]
LIGHTGBM = b"tree\nversion=v4\nnum_class=1\n"


def edit(name: str, **values: object) -> Any:
    """Change values in a JSON file."""

    def damage(model_dir: Path) -> None:
        path = model_dir / name
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))

    return damage


def drop(name: str, key: str) -> Any:
    """Remove a key from a JSON file."""

    def damage(model_dir: Path) -> None:
        path = model_dir / name
        path.write_text(json.dumps({k: value for k, value in json.loads(path.read_text()).items() if k != key}))

    return damage


def remove(*names: str) -> Any:
    def damage(model_dir: Path) -> None:
        for name in names:
            (model_dir / name).unlink()

    return damage


def add_code(model_dir: Path) -> None:
    """Add code for the model's architecture that would exit if it ran."""
    (model_dir / "modeling.py").write_text("raise SystemExit('the code ran')\n")
    edit("config.json", model_type="mine", auto_map={"AutoConfig": "modeling.Mine"})(model_dir)


BROKEN = {
    "truncated": (truncate("model.safetensors"), "could not be loaded: SafetensorError: .*truncated or damaged"),
    "of another framework": (put("model.safetensors", LIGHTGBM), r"looks like a LightGBM model \(model.txt\)"),
    "no weights": (remove("model.safetensors"), "There is no Hugging Face model in .*, only config.json, token"),
    "no config": (remove("config.json"), "There is no Hugging Face model in .*, only model.safetensors, token"),
    "no tokenizer": (remove("tokenizer.json", "tokenizer_config.json"), "The tokenizer in .* is missing"),
    "pickles": (put("pytorch_model.bin", b"\x80\x04", "*.safetensors"), r"are pickles \(\*\.bin\)"),
    "for another task": (
        edit("config.json", architectures=["BertForTokenClassification"]),
        "BertForTokenClassification is not a model for text-class",
    ),
    "without the head": (
        edit("config.json", architectures=["BertForCausalLM"]),
        "does not support text-generation: .* no cls",
    ),
    "of other shapes": (edit("config.json", hidden_size=64), "could not be loaded: RuntimeError: .*mismatch"),
    "newer": (
        edit("config.json", model_type="bert9"),
        "could not be loaded: ValueError: .*bert9.*transformers_version in",
    ),
    "without a type": (drop("config.json", "model_type"), "config.json has no model_type. Copy all files"),
    "with code": (add_code, "could not be loaded: ValueError: (?!.*the code ran)"),
}


def expect(model_dir: Path, rows: NDArray[np.str_]) -> NDArray[np.float64]:
    pipeline = transformers.pipeline("text-classification", model=str(model_dir))
    return np.array(values(pipeline(rows.tolist())))


def values(predictions: list[Any]) -> list[Any]:
    """Return label numbers and scores."""
    return [[LABELS.index(each["label"]), each["score"]] for each in predictions]


@pytest.fixture(scope="session")
def handler() -> ModuleType:
    """Import the handler."""
    path = TEMPLATES / "frameworks/transformers/code/model_handler.py"
    spec = importlib.util.spec_from_file_location("handler", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ask(handler: ModuleType) -> Iterator[Any]:
    """A function that returns the predictions for a request with the given texts and parameters."""
    before = CURRENT.get()

    def answer(model: Any, texts: list[str], **parameters: object) -> Any:
        CURRENT.set(Request(b"", parameters=parameters))
        return handler.predict(model, handler.decode(model, texts))

    yield answer
    CURRENT.set(before)


@pytest.fixture
def model_dir(one: Path, tmp_path: Path) -> Path:
    """A folder with the sample's tokenizer, to which a test adds a model."""
    for path in (one / "model").glob("tokenizer*"):
        shutil.copy(path, tmp_path)
    return tmp_path


WORDS = 48  # in the vocabulary of the sample's tokenizer
SIZE = {
    "vocab_size": WORDS,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


def save(kind: Any, config: Any, folder: Path) -> Any:
    """Save a model with random weights and return it."""
    torch.manual_seed(3)
    model = kind(config).eval()
    model.save_pretrained(folder)
    return model


def test_predictions_match_the_pipeline_for_all_parameters_and_formats(server: Server, folder: Path) -> None:
    expected = expect(folder / "model", np.array(TEXTS))
    one, both = (server.invoke({"inputs": TEXTS, "parameters": {"top_k": k}}).json()["predictions"] for k in (1, 9))
    np.testing.assert_allclose(values([best for (best,) in one]), expected, rtol=TOLERANCE)
    assert [[each["label"] for each in labels] for labels in both] == [
        [best["label"], LABELS[best["label"] == "negative"]] for (best,) in one
    ]
    np.testing.assert_allclose([sum(each["score"] for each in labels) for labels in both], 1)
    for body, media_type in (
        (json.dumps({"inputs": TEXTS[0]}), "application/json"),
        (json.dumps(TEXTS[:1]), "application/json"),
        (f'"{TEXTS[0]}"\n', "text/csv"),
        (json.dumps(TEXTS[0]), "application/jsonlines"),
        (json.dumps({"inputs": TEXTS[0]}), "application/jsonlines"),
    ):
        reply = server.invoke(body.encode(), media_type)
        assert reply.status == 200, reply.body
        np.testing.assert_allclose(values(reply.json()["predictions"]), expected[:1], rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": []}, "no records"),
        ({"inputs": {"text": "good"}}, "one string per record"),
        ({"inputs": ["good", 3]}, "one string per record"),
        ({"inputs": [["good"]]}, "something else in record 1"),
        ({"inputs": ["good", ""]}, "The text of record 2 is empty"),
        ({"inputs": "good", "parameters": {"topk": 2}}, "no parameter 'topk'. The parameters are top_k, truncate"),
        ({"inputs": "good", "parameters": {"top_k": "2"}}, "top_k is not a whole number"),
        ({"inputs": "good " * 40, "parameters": {"truncate": False}}, "Record 1 has 42 tokens; this model accepts 32"),
    ],
)
def test_a_bad_request_gets_an_error(body: object, message: str, server: Server) -> None:
    reply = server.invoke(body)
    assert (reply.status, message in reply.json()["error"]) == (400, True), reply.body


def test_a_text_that_is_too_long_is_truncated(server: Server) -> None:
    truncated, full = (server.invoke({"inputs": "good " * words}).json() for words in (40, 30))
    assert truncated == full


def test_batched_requests_get_the_same_predictions_as_alone(one: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(one, tmp_path / "project")
    texts = [" ".join(TEXTS[:count]) for count in (1, 2, 3)] * 40
    with Server(folder, "fastapi") as server:
        server.wait_until_ready()
        with ThreadPoolExecutor(16) as clients:
            replies = list(clients.map(lambda text: server.invoke({"inputs": text}), texts))
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert max(line.get("batch_requests", 0) for line in lines) > 1
    assert {reply.status for reply in replies} == {200}
    found = values([reply.json()["predictions"][0] for reply in replies])
    np.testing.assert_allclose(found, expect(folder / "model", np.array(texts)), rtol=TOLERANCE)
    assert not [line for line in lines if line["level"] != "INFO" and "No GPU" not in line["message"]]


def test_nothing_is_downloaded(one: Path) -> None:
    program = "import model_handler, huggingface_hub; print(huggingface_hub.is_offline_mode())"
    done = subprocess.run([sys.executable, "-c", program], cwd=one / "code", check=True, capture_output=True, text=True)
    assert done.stdout == "True\n"


@pytest.mark.parametrize(("labels", "problem"), [(3, "multi_label_classification"), (1, "regression"), (1, None)])
def test_scores_equal_those_of_the_librarys_pipeline(
    labels: int, problem: str | None, handler: ModuleType, ask: Any, model_dir: Path
) -> None:
    config = transformers.BertConfig(**SIZE, num_labels=labels, problem_type=problem)
    save(transformers.BertForSequenceClassification, config, model_dir)
    expected = transformers.pipeline("text-classification", model=str(model_dir))(TEXTS, top_k=None)
    found = ask(handler.load(model_dir), TEXTS, top_k=5)
    assert [[each["label"] for each in one] for one in found] == [[each["label"] for each in one] for one in expected]
    np.testing.assert_allclose(*([[e["score"] for e in one] for one in each] for each in (found, expected)), rtol=1e-5)


def test_a_vector_is_the_mean_of_its_token_vectors(handler: ModuleType, ask: Any, model_dir: Path) -> None:
    save(transformers.BertForMaskedLM, transformers.BertConfig(**SIZE), model_dir)  # has no pooler, which is not needed
    pipeline = transformers.pipeline("feature-extraction", model=str(model_dir))
    expected = np.array([np.mean(pipeline(text)[0], axis=0) for text in TEXTS])
    model = handler.load(model_dir)
    np.testing.assert_allclose(ask(model, TEXTS), expected, rtol=1e-4, atol=1e-6)
    lengths = np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(ask(model, TEXTS, normalize=True), expected / lengths, rtol=1e-4, atol=1e-6)


def test_pooling_and_normalization_follow_the_sentence_transformers_config(
    handler: ModuleType, ask: Any, model_dir: Path
) -> None:
    save(transformers.BertModel, transformers.BertConfig(**SIZE), model_dir)
    pipeline = transformers.pipeline("feature-extraction", model=str(model_dir))
    modules = [{"path": path, "type": f"x.{path[2:]}"} for path in ("0_Transformer", "1_Pooling", "2_Normalize")]
    (model_dir / "modules.json").write_text(json.dumps(modules))
    (model_dir / "1_Pooling").mkdir()
    for pooling, token in (({"pooling_mode_cls_token": True}, 0), ({"pooling_mode": "lasttoken"}, -1)):
        (model_dir / "1_Pooling/config.json").write_text(json.dumps(pooling))
        expected = np.array([pipeline(text)[0][token] for text in TEXTS])
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(ask(handler.load(model_dir), TEXTS), expected, rtol=1e-4, atol=1e-6)


def test_many_texts_are_predicted_in_slices_and_returned_in_order(
    handler: ModuleType, ask: Any, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(transformers.BertModel, transformers.BertConfig(**SIZE), model_dir)
    model = handler.load(model_dir)
    texts = [" ".join(TEXTS[: 1 + at % 4]) for at in range(50)]
    expected = ask(model, texts)
    monkeypatch.setattr(handler, "SLICE_TOKENS", 64)
    np.testing.assert_allclose(ask(model, texts), expected, rtol=1e-4, atol=1e-6)


def test_a_model_accepts_as_many_tokens_as_it_has_positions(
    handler: ModuleType, ask: Any, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit("tokenizer_config.json", model_max_length=10**30)(model_dir)
    config = transformers.RobertaConfig(**SIZE, max_position_embeddings=20, pad_token_id=1)
    save(transformers.RobertaModel, config, model_dir)  # RoBERTa does not use its first two positions
    model = handler.load(model_dir)
    assert model.limit == 18
    assert len(ask(model, ["good " * 40, "good"])) == 2
    monkeypatch.setenv("SM_MAX_TOKENS", "5")
    assert handler.load(model_dir).limit == 5
    monkeypatch.setenv("SM_MAX_TOKENS", "19")
    with pytest.raises(StartError, match="SM_MAX_TOKENS is '19': set it to a whole number from 1 to 18"):
        handler.load(model_dir)


@pytest.fixture
def writer(model_dir: Path) -> Any:
    """A text-generation model, saved to `model_dir`."""
    edit("tokenizer_config.json", model_max_length=10**30)(model_dir)
    config = transformers.GPT2Config(
        vocab_size=WORDS, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=2, eos_token_id=3
    )
    return save(transformers.GPT2LMHeadModel, config, model_dir)


def test_a_text_is_continued_like_generate_does(handler: ModuleType, ask: Any, model_dir: Path, writer: Any) -> None:
    model = handler.load(model_dir)
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
    expected = []
    for text in TEXTS:
        inputs = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        rows = writer.generate(**inputs, max_new_tokens=12, do_sample=False, pad_token_id=0)
        new = rows[0, inputs["input_ids"].shape[1] :]
        expected.append(tokenizer.decode(new, skip_special_tokens=True))
    found = [each["generated_text"] for each in ask(model, TEXTS, max_new_tokens=12)]
    assert found == expected
    word = expected[0].split()[-1]
    stopped = [each["generated_text"] for each in ask(model, TEXTS, max_new_tokens=12, stop=[word])]
    assert stopped == [text.partition(word)[0] for text in expected]
    texts = {ask(model, TEXTS[:1], max_new_tokens=12, temperature=2.0, top_k=50)[0]["generated_text"] for _ in range(5)}
    assert len(texts) > 1
    assert ask(model, TEXTS, max_new_tokens=12, temperature=2.0, do_sample=False) == ask(
        model, TEXTS, max_new_tokens=12
    )


@pytest.mark.parametrize(
    ("text", "parameters", "message"),
    [
        (
            "good " * 20,
            {"max_new_tokens": 43},
            r"22 tokens plus 43 to generate \(max_new_tokens\); this model accepts 64",
        ),
        ("good", {}, r"3 tokens plus 100 to generate"),
        ("good", {"max_new_tokens": 0}, "max_new_tokens is not a whole number"),
        ("good", {"temperature": 0}, "temperature is not a number above 0, up to 10"),
        ("good", {"truncate": True}, "There is no parameter 'truncate'"),
    ],
)
def test_a_text_that_cannot_be_continued_is_rejected(
    text: str, parameters: Any, message: str, handler: ModuleType, ask: Any, model_dir: Path, writer: Any
) -> None:
    with pytest.raises(BadRequest, match=message):
        ask(handler.load(model_dir), [text], **parameters)


def test_generated_texts_are_served(one: Path, tmp_path: Path) -> None:
    with replace_model(one, tmp_path) as (folder, serve):
        for path in (one / "model").glob("tokenizer*"):
            shutil.copy(path, folder)
        config = transformers.GPT2Config(vocab_size=WORDS, n_embd=16, n_layer=1, n_head=2, eos_token_id=0)
        save(transformers.GPT2LMHeadModel, config, folder)
        server = serve()
        (prediction,) = server.invoke({"inputs": "The room", "parameters": {"max_new_tokens": 8}}).json()["predictions"]
        assert list(prediction) == ["generated_text"] and prediction["generated_text"]


def test_pickles_are_loaded_if_allowed(
    handler: ModuleType, ask: Any, one: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = transformers.BertForSequenceClassification.from_pretrained(one / "model")
    sample.config.save_pretrained(model_dir)
    torch.save(sample.state_dict(), model_dir / "pytorch_model.bin")
    with pytest.raises(StartError, match="are pickles"):
        handler.load(model_dir)
    monkeypatch.setenv("SM_ALLOW_PICKLE", "true")
    found = values(ask(handler.load(model_dir), TEXTS))
    np.testing.assert_allclose(found, expect(one / "model", np.array(TEXTS)), rtol=TOLERANCE)
