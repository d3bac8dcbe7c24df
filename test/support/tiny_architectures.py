"""A random two-layer model of every supported architecture, with the tiny BERT's tokenizer. Usage:
tiny_architectures.py TINY_MODEL FOLDER."""

import shutil
import sys
from pathlib import Path

import torch
from transformers import CONFIG_MAPPING, MODEL_MAPPING

from espalier_trainer.model import LORA_TARGETS

tiny, root = Path(sys.argv[1]), Path(sys.argv[2])
small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 130}
shapes = {
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 130},
    "albert": {**small, "embedding_size": 16},
    "electra": {**small, "embedding_size": 16},
    "deberta-v2": {
        **small, "type_vocab_size": 0, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 16,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False, "max_relative_positions": -1,
    },
}  # fmt: skip
for kind in ("roberta", "xlm-roberta", "camembert", "mpnet"):
    shapes[kind] = {**small, "pad_token_id": 1, "type_vocab_size": 1}
for kind in LORA_TARGETS:
    torch.manual_seed(1)
    config = CONFIG_MAPPING[kind](**{"vocab_size": 261, "pad_token_id": 0, **shapes.get(kind, small)})
    MODEL_MAPPING[type(config)](config).save_pretrained(root / kind)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tiny / name, root / kind / name)
