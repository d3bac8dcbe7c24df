"""The HF Trainer on the same model, rows and steps as the given job's first task; prints its training wall time in
seconds as JSON. Usage: training_hf.py job.json"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import Trainer, TrainingArguments

from espalier_trainer.data import collate, read_rows, tokenize
from espalier_trainer.model import Classifier, graph_inputs, load_encoder, load_tokenizer, read_config

task = json.loads(Path(sys.argv[1]).read_text())["tasks"][0]
spec = task["training"]
torch.set_num_threads(spec["threads"])
config = read_config(Path(task["model"]), task["maxLength"])
encoder = load_encoder(Path(task["model"]), config)
inputs = graph_inputs(encoder)


class WithLoss(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.classifier = Classifier(encoder, len(task["labels"]), task["pooling"], spec["dropout"], spec["seed"])

    def forward(self, labels: torch.Tensor, **named: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.classifier(named)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def rows_of(split: str):
    return tokenize(load_tokenizer(Path(task["model"]), config), *read_rows(Path(task[split]), task["labels"]), task["maxLength"])


class Indices(torch.utils.data.Dataset):
    def __init__(self, rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int):
        return self.rows, index


def batch(items):
    rows = items[0][0]
    named, targets = collate(rows, torch.tensor([index for _, index in items]).numpy(), config.pad_token_id or 0, inputs, torch.device("cpu"))
    return {**named, "labels": targets}


trainer = Trainer(
    model=WithLoss(),
    args=TrainingArguments(
        output_dir=tempfile.mkdtemp(), num_train_epochs=spec["epochs"], per_device_train_batch_size=spec["batchSize"],
        per_device_eval_batch_size=64, learning_rate=spec["learningRate"], weight_decay=spec["weightDecay"], eval_strategy="epoch",
        save_strategy="epoch", save_total_limit=2, logging_steps=1, max_grad_norm=spec["maxGradientNorm"], seed=spec["seed"],
        report_to=[], disable_tqdm=True, use_cpu=True, dataloader_pin_memory=False, remove_unused_columns=False, label_names=["labels"],
    ),  # fmt: skip
    train_dataset=Indices(rows_of("train")),
    eval_dataset=Indices(rows_of("validation")),
    data_collator=batch,
)
began = time.monotonic()
trainer.train()
print(json.dumps({"seconds": time.monotonic() - began, "steps": trainer.state.global_step}))
