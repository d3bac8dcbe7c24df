"""Encoders and classifiers of texts as ONNX: one file, dynamic batch and sequence, the same bytes every time. Those of
pictures are in export_images.py."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim

from .calibration import calibrate, calibrate_labels
from .data import Text, collate, read_rows, tokenize
from .events import Events
from .export_images import export_image_classifier, export_image_encoder
from .graphs import save_graph
from .guard import StopFlag
from .model import (
    Classifier, copy_tokenizer_files, graph_inputs, load_classifier, load_encoder, load_tokenizer, mean_by_row, pool, position_limit, read_config,
)  # fmt: skip
from .windows import Windows

# One number is fitted: more rows do not change it, and only cost time.
MOST_CALIBRATION_ROWS = 2000
# Short, long, empty-looking, other scripts, emoji and special tokens: where exports and tokenizers tend to differ.
PARITY_TEXTS = [
    "Where is my order?",
    "I was charged twice for the same subscription, please refund one of the payments as soon as possible.",
    "ok",
    "?!",
    "PLEASE HELP!!! My account has been locked since yesterday",
    "¿Dónde está mi paquete? Ça ne marche pas. Über 3 Wochen!",
    "返品したいのですが、どうすればいいですか",
    "أين طلبي؟ Где мой заказ?",
    "love it 😍👍🏽 but 👩‍👩‍👧 can't log in",
    "[CLS] [SEP] <s> </s> [MASK]",
    "a\tb\nc\u200bd",
    "parcel " * 400,
]
# Asked of models of pairs besides: short beside long, empty beside full, both too long, special tokens in either.
PARITY_PAIRS = [
    ("Where is my order?", "Your parcel is with the carrier and will arrive on Monday."),
    ("", "ok"),
    ("ok", ""),
    ("parcel " * 400, "short"),
    ("short", "parcel " * 400),
    ("parcel " * 300, "where " * 300),
    ("[SEP] </s>", "[CLS] <s> 返品 😍"),
]


def export_encoder(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/weights` (the first `layers` layers, ready for training), `out/encoder` (ONNX) and `out/parity.json`."""
    if task.get("task") == "image-classification":
        return export_image_encoder(task, events, stop)
    source, out = Path(task["model"]), Path(task["out"])
    config = read_config(source, task["maxLength"], task["layers"])
    encoder = load_encoder(source, config)
    tokenizer = load_tokenizer(source, config)
    weights = out / "weights"
    weights.mkdir(parents=True)
    save_file({name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}, weights / "model.safetensors", {"format": "pt"})
    encoder.config.architectures = [type(encoder).__name__]
    encoder.config.to_json_file(weights / "config.json")  # without defaults: among them is the path it came from
    copy_tokenizer_files(source, weights)
    tokenizer.save(str(weights / "tokenizer.json"))

    graph = EncoderGraph(encoder, task["pooling"]).eval()
    about = {
        "kind": "encoder",
        "maxLength": task["maxLength"],
        "pooling": task["pooling"],
        "dimension": config.hidden_size,
        "inputs": graph_inputs(encoder),
    } | ({"windows": task["windows"]} if task.get("windows") else {})
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    write_graph(graph, ["embedding"], out / "encoder", about, tokenizer, config, stop)
    embeddings = run_graph(graph, tokenizer, config, about)
    write_parity(out, about, embeddings=embeddings)
    return {
        "weights": str(weights),
        "encoder": str(out / "encoder"),
        "parity": str(out / "parity.json"),
        "dimension": config.hidden_size,
        "layers": config.num_hidden_layers,
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
    }


def export_classifier(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/classifier` (ONNX) and `out/parity.json` for a folder written by `train`."""
    source, out = Path(task["model"]), Path(task["out"])
    if trained_task(source) == "image-classification":
        return export_image_classifier(task, events, stop)
    classifier, trained = load_classifier(source)
    config = classifier.encoder.config
    tokenizer = load_tokenizer(source, config)
    multi_label, temperature, calibrated = trained.get("multiLabel", False), 1.0, 0
    if calibration := task.get("calibration"):
        texts = read_rows(Path(calibration), trained["labels"], multi_label)
        rows = tokenize(tokenizer, *(part[:MOST_CALIBRATION_ROWS] for part in texts), trained["maxLength"], Windows.of(trained.get("windows")))
        if multi_label:
            calibrated = calibrate_labels(classifier, rows, config.pad_token_id or 0, stop)
        else:
            temperature = calibrate(classifier, rows, config.pad_token_id or 0, stop)
    graph = (MultiLabelGraph if multi_label else ClassifierGraph)(classifier).eval()
    about = {
        "kind": "classifier",
        "maxLength": trained["maxLength"],
        "pooling": trained["pooling"],
        "dimension": config.hidden_size,
        "inputs": graph_inputs(classifier.encoder),
        "labels": trained["labels"],
    } | {key: trained[key] for key in ("pairs", "windows") if trained.get(key)}
    about |= {"thresholds": [0.5] * len(trained["labels"])} if multi_label else {}
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    write_graph(graph, ["probabilities", "logits", "embedding"], out / "classifier", about, tokenizer, config, stop)
    logits = run_graph(graph, tokenizer, config, about, output=1)
    write_parity(out, about, probabilities=graph.probabilities(logits))
    return {"classifier": str(out / "classifier"), "parity": str(out / "parity.json"), "temperature": temperature} | (
        {"calibratedLabels": calibrated} if multi_label else {}
    )


def trained_task(folder: Path) -> str | None:
    """The task of the classifier in the folder; None where that cannot be read: loading it will say why."""
    try:
        return json.loads((folder / "espalier.json").read_text(encoding="utf-8")).get("task")
    except (OSError, ValueError, AttributeError):
        return None


class EncoderGraph(nn.Module):
    def __init__(self, encoder: nn.Module, pooling: str):
        super().__init__()
        self.encoder, self.pooling = encoder, pooling

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> torch.Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        return pool(hidden, attention_mask, self.pooling)


class ClassifierGraph(EncoderGraph):
    def __init__(self, classifier: Classifier):
        super().__init__(classifier.encoder, classifier.pooling)
        self.head = classifier.head

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None) -> tuple[torch.Tensor, ...]:
        embedding = super().forward(input_ids, attention_mask, token_type_ids)
        logits = self.head(embedding)
        return self.probabilities(logits), logits, embedding

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(-1)


class MultiLabelGraph(ClassifierGraph):
    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.sigmoid()


def write_graph(graph: nn.Module, outputs: list[str], folder: Path, about: dict, tokenizer, config, stop: StopFlag) -> None:
    """`model.onnx`, `tokenizer.json` and `<kind>.json`."""
    sample = {name: torch.ones(2, 7, dtype=torch.int64) for name in about["inputs"]}
    if "token_type_ids" in sample:
        sample["token_type_ids"] = torch.zeros(2, 7, dtype=torch.int64)
    axes = {0: Dim("batch", min=1), 1: Dim("seq", min=1, max=position_limit(config))}
    save_graph(graph, sample, dict.fromkeys(sample, axes), outputs, folder, about, stop)
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))


@torch.no_grad()
def run_graph(graph: nn.Module, tokenizer, config, about: dict, output: int | None = None) -> torch.Tensor:
    """What the graph says to the parity texts, or one of its outputs; of one read in windows, the mean of theirs."""
    texts = parity_texts(about)
    rows = tokenize(tokenizer, texts, [0] * len(texts), about["maxLength"], Windows.of(about.get("windows")))
    inputs, _ = collate(rows, range(len(rows)), config.pad_token_id or 0, about["inputs"], torch.device("cpu"))
    owners, said = inputs.pop("row", None), graph(**inputs)
    values = said if output is None else said[output]
    return values if owners is None else mean_by_row(values, owners)


def parity_texts(about: dict) -> list[Text]:
    return [*PARITY_TEXTS, *(PARITY_PAIRS if about.get("pairs") else [])]


def write_parity(out: Path, about: dict, **values: torch.Tensor) -> None:
    """The texts and what PyTorch says to them; the Node side compares its runtime with it."""
    parity = {"texts": parity_texts(about)} | {name: value.tolist() for name, value in values.items()}
    (out / "parity.json").write_text(json.dumps(parity, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
