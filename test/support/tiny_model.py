"""Writes a random, tiny BERT with a real WordPiece tokenizer: the same bytes for the same seed. Usage: tiny_model.py FOLDER"""

import json
import string
import sys
from pathlib import Path

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

HIDDEN, LAYERS, HEADS, INTERMEDIATE, POSITIONS = 32, 2, 4, 64, 128
WORDS = """i my me you your we it this that is was are be am not no yes do does did can could will would have has had to of in on
at for from with and or but if when where why how what who please thanks help want need get got give send sent pay paid
payment card bank account money refund return order item package parcel delivery deliver late lost broken wrong size
color cancel change update address email phone name password login log sign code error app website page screen crash
slow fast open close closed hours time today tomorrow yesterday week month day price cost charge charged twice bill
invoice receipt subscription plan upgrade free trial discount coupon good bad great terrible very too still never again
just now new old first last one two three ticket agent human person speak talk call store shop product stock sold out""".split()
CARD = """---
license: apache-2.0
language: en
---
# tiny-bert

A randomly initialised two-layer BERT made for Espalier's own tests. It knows nothing.
"""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    characters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    vocabulary += [f"##{character}" for character in string.ascii_lowercase + string.digits]
    vocabulary += [word for word in dict.fromkeys(WORDS) if word not in vocabulary]
    ids = {token: index for index, token in enumerate(vocabulary)}

    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(vocabulary[:5])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "pad_token": "[PAD]"})
    write_json(folder / "config.json", {
        "architectures": ["BertModel"], "model_type": "bert", "hidden_act": "gelu",
        "attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1, "layer_norm_eps": 1e-12,
        "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "intermediate_size": INTERMEDIATE, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "vocab_size": len(vocabulary), "pad_token_id": 0,
    })  # fmt: skip
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    save_file(weights(len(vocabulary)), folder / "model.safetensors", metadata={"format": "pt"})


def weights(vocabulary_size: int) -> dict[str, numpy.ndarray]:
    random = numpy.random.Generator(numpy.random.PCG64(20261))
    tensors: dict[str, numpy.ndarray] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        tensors[f"{name}.weight"] = random.normal(0, inputs**-0.5, (outputs, inputs)).astype(numpy.float32)
        tensors[f"{name}.bias"] = numpy.zeros(outputs, numpy.float32)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = numpy.ones(HIDDEN, numpy.float32)
        tensors[f"{name}.bias"] = numpy.zeros(HIDDEN, numpy.float32)

    for name, rows in (("word", vocabulary_size), ("position", POSITIONS), ("token_type", 2)):
        tensors[f"embeddings.{name}_embeddings.weight"] = random.normal(0, 0.3, (rows, HIDDEN)).astype(numpy.float32)
    norm("embeddings.LayerNorm")
    for layer in (f"encoder.layer.{index}" for index in range(LAYERS)):
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            linear(f"{layer}.attention.{part}", HIDDEN, HIDDEN)
        norm(f"{layer}.attention.output.LayerNorm")
        linear(f"{layer}.intermediate.dense", INTERMEDIATE, HIDDEN)
        linear(f"{layer}.output.dense", HIDDEN, INTERMEDIATE)
        norm(f"{layer}.output.LayerNorm")
    linear("pooler.dense", HIDDEN, HIDDEN)
    return tensors


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


main(Path(sys.argv[1]))
