"""Classes of texts: an encoder, pooling and a linear head. Rows are `{text, label}`, or `{text, pair, label}`."""

from pathlib import Path

import numpy
import torch

from ..data import Rows, are_pairs, collate, read_rows, tokenize
from ..events import BAD_DATA, TrainerError
from ..guard import StopFlag
from ..job import sha256_file
from ..model import Classifier, adapt, graph_inputs, load_encoder, load_tokenizer, read_config, save_classifier
from ..windows import Windows
from . import Batch
from .classification import Classification


class TextClassification(Classification):
    head, evaluation_rows, batched_normalisation = "head.", 64, False
    multi_label = False

    def __init__(self, task: dict, device: torch.device, stop: StopFlag):
        self._task, self._spec, self._device, self._source = task, task["training"], device, Path(task["model"])
        config = read_config(self._source, task["maxLength"])
        texts = {split: read_rows(Path(task[split]), task["labels"], self.multi_label) for split in ("train", "validation")}
        self._pairs = are_pairs(texts["train"][0])
        if are_pairs(texts["validation"][0]) != self._pairs:
            raise TrainerError(BAD_DATA, "of the rows to train on and those to validate on, only one file has pairs of texts")
        encoder = load_encoder(self._source, config)
        self.inputs, self._pad = graph_inputs(encoder), config.pad_token_id or 0
        self.module = Classifier(encoder, len(task["labels"]), task["pooling"], self._spec["dropout"], self._spec["seed"])
        adapt(self.module, self._spec["method"], self._spec["lora"], self._spec["seed"])
        self.frozen = [self.module.encoder] if self._spec["method"] == "head" else []
        tokenizer = load_tokenizer(self._source, config)
        self.rows: dict[str, Rows] = {split: tokenize(tokenizer, *texts[split], task["maxLength"], Windows.of(task.get("windows"))) for split in texts}
        self.weigh_classes(self.rows["train"].targets, len(task["labels"]))

    def length(self, split: str) -> int:
        return len(self.rows[split])

    def batch(self, split: str, rows: numpy.ndarray, epoch: int | None) -> Batch:
        return collate(self.rows[split], rows, self._pad, self.inputs, self._device)

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.module(inputs)

    def evaluation_order(self, split: str) -> numpy.ndarray:
        return numpy.argsort([len(tokens) for tokens in self.rows[split].tokens], kind="stable")

    def config(self) -> dict:
        windows = {} if self._task.get("windows") is None else {"windows": self._task["windows"]}
        return {key: self._task[key] for key in ("labels", "pooling", "maxLength")} | windows | ({"pairs": True} if self._pairs else {})

    def data(self) -> dict[str, str]:
        return {split: sha256_file(Path(self._task[split])) for split in ("train", "validation")}

    def save(self, out: Path) -> None:
        if self._spec["method"] == "lora":
            self.module.encoder = self.module.encoder.merge_and_unload()
        save_classifier(self.module, self._source, out, {**self.config(), "method": self._spec["method"]})
