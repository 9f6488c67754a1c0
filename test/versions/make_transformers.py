"""Save a tiny text classifier with the installed version, and its predictions: model/ and expected.json."""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer, pipeline

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "wine"]
Path("words.txt").write_text("\n".join(words))
torch.manual_seed(1)
size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
model = BertForSequenceClassification(BertConfig(vocab_size=len(words), num_labels=2, **size)).eval()
model.save_pretrained("model")
BertTokenizer("words.txt").save_pretrained("model")
texts = ["good wine", "bad wine"]
Path("test/sample_request.json").write_text(json.dumps({"inputs": texts}))
predictions = pipeline("text-classification", "model", device="cpu")(texts)
Path("expected.json").write_text(json.dumps({"predictions": predictions}))
