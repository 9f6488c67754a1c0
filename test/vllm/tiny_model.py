"""Write a tiny random Llama with a tokenizer, as a Hugging Face folder: tiny_model.py FOLDER

It generates nonsense, but has the same files and behavior as a real model. It includes a LoRA adapter, `loud`.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHAT = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}assistant:"
WIDTH, HEADS = 128, 4  # 32 per head, the minimum for attention on CPUs


def write_model(folder: Path) -> None:
    """Write the model with reproducible weights."""
    torch.manual_seed(0)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: at for at, word in enumerate(["<s>", "</s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=CHAT)
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=1,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # only letters are likely, so that the text is readable
        for word, at in vocabulary.items():
            if not (len(word) == 1 and word.isascii()):
                model.lm_head.weight[at] = 0
    model.save_pretrained(folder)


def write_adapter(folder: Path, rank: int = 8) -> None:
    """Write a LoRA adapter for the query projections, strong enough to change the text."""
    folder.mkdir(parents=True)
    prefix = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
    shapes = {"A": (rank, WIDTH), "B": (WIDTH, rank)}
    weights = {prefix.format(layer, side): torch.randn(*shape) for layer in range(2) for side, shape in shapes.items()}
    save_file(weights, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 64, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps({**config, "task_type": "CAUSAL_LM"}))


if __name__ == "__main__":
    write_model(Path(sys.argv[1]))
    write_adapter(Path(sys.argv[1]) / "adapters/loud")
