"""Writes a random, tiny model with data for tests: `tiny_families.py image FOLDER` (a two-stage ResNet, `pictures/`) or
`tiny_families.py gpt FOLDER` (a two-layer GPT-2 with a byte-level tokenizer, `texts/`, `pairs/`). Seeded."""

import json
import sys
from pathlib import Path

import numpy
import torch
import transformers

LABELS = ["red", "green", "blue"]
SENTENCES = [
    "the parcel is late and the order was sent twice",
    "please refund the money that was charged to my card",
    "how do i change the password of my account",
    "the app is slow today and the screen stays black",
]
transformers.logging.disable_progress_bar()


def image(folder: Path) -> None:
    from PIL import Image

    torch.manual_seed(1)
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_channels=3,
        id2label=dict(enumerate(["other", "things"])), label2id={"other": 0, "things": 1},
    )  # fmt: skip
    transformers.ResNetForImageClassification(config).save_pretrained(folder / "model")
    write_json(folder / "model" / "preprocessor_config.json", {
        "do_resize": True, "size": {"shortest_edge": 28}, "crop_pct": 0.875, "resample": 3, "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "image_processor_type": "ConvNextImageProcessor",
    })  # fmt: skip
    random = numpy.random.Generator(numpy.random.PCG64(7))
    pictures = folder / "pictures"
    (pictures / "files").mkdir(parents=True)
    for split, count in (("train", 45), ("validation", 15)):
        rows = []
        for index in range(count):
            label = index % 3
            noise = random.integers(0, 200, (24 + int(random.integers(24)), 24 + int(random.integers(24)), 3))
            noise[..., label] += 55
            name = f"files/{split}-{index}.{'png' if index % 2 else 'jpg'}"
            Image.fromarray(noise.astype(numpy.uint8)).save(pictures / name)
            rows.append({"image": name, "label": LABELS[label]})
        write_rows(pictures / f"{split}.jsonl", rows)


def gpt(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<|endoftext|>"], initial_alphabet=sorted(alphabet), show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    (folder / "model").mkdir(parents=True)
    tokenizer.save(str(folder / "model" / "tokenizer.json"))
    write_json(folder / "model" / "tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>"})
    torch.manual_seed(1)
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
    )
    transformers.GPT2LMHeadModel(config).save_pretrained(folder / "model")
    random = numpy.random.Generator(numpy.random.PCG64(7))
    for kind in ("texts", "pairs"):
        (folder / kind).mkdir()
        for split, count in (("train", 48), ("validation", 12)):
            rows = []
            for index in range(count):
                words = SENTENCES[index % 4].split()
                cut = 1 + int(random.integers(len(words) - 2))
                pair = {"prompt": " ".join(words[:cut]), "completion": " " + " ".join(words[cut:])}
                rows.append(pair if kind == "pairs" else {"text": " ".join(words[: cut + 2])})
            write_rows(folder / kind / f"{split}.jsonl", rows)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


{"image": image, "gpt": gpt}[sys.argv[1]](Path(sys.argv[2]))
