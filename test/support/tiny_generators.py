"""Writes a random, tiny causal language model of every supported architecture: `tiny_generators.py FOLDER_OF_TINY_GPT FOLDER`.
Seeded; all with the tiny GPT's tokenizer."""

import shutil
import sys
from pathlib import Path

import torch
import transformers

from espalier_trainer.tasks.causal_lm import LM_LORA_TARGETS

source, root = Path(sys.argv[1]), Path(sys.argv[2])
small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 96}
grouped = {**small, "num_key_value_heads": 2}
shapes = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 96},
    "gpt_neox": small,
    "llama": grouped,
    # A window shorter than the texts: what is out of it must not be seen.
    "mistral": {**grouped, "sliding_window": 16},
    "qwen2": grouped,
}
for kind in LM_LORA_TARGETS:
    torch.manual_seed(1)
    config = transformers.CONFIG_MAPPING[kind](**shapes[kind], vocab_size=320, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)](config).save_pretrained(root / kind)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(source / name, root / kind / name)
