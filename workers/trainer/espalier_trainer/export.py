"""Encoders and classifiers as ONNX: one file, dynamic batch and sequence, the same bytes every time."""

import json
from pathlib import Path

import onnx
import torch
from safetensors.torch import save_file
from torch import nn
from torch.export import Dim

from .calibration import calibrate
from .data import collate, read_rows, tokenize
from .events import Events, Stopped
from .guard import StopFlag
from .model import Classifier, copy_tokenizer_files, graph_inputs, load_classifier, load_encoder, load_tokenizer, pool, position_limit, read_config

OPSET = 18
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


def export_encoder(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/weights` (the first `layers` layers, ready for training), `out/encoder` (ONNX) and `out/parity.json`."""
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
    }
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    write_graph(graph, ["embedding"], out / "encoder", about, tokenizer, config, stop)
    embeddings = run_graph(graph, tokenizer, config, about)
    write_parity(out, embeddings=embeddings)
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
    classifier, trained = load_classifier(source)
    config = classifier.encoder.config
    tokenizer = load_tokenizer(source, config)
    temperature = 1.0
    if calibration := task.get("calibration"):
        texts = read_rows(Path(calibration), trained["labels"])
        rows = tokenize(tokenizer, *(part[:MOST_CALIBRATION_ROWS] for part in texts), trained["maxLength"])
        temperature = calibrate(classifier, rows, config.pad_token_id or 0, stop)
    graph = ClassifierGraph(classifier).eval()
    about = {
        "kind": "classifier",
        "maxLength": trained["maxLength"],
        "pooling": trained["pooling"],
        "dimension": config.hidden_size,
        "inputs": graph_inputs(classifier.encoder),
        "labels": trained["labels"],
    }
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    write_graph(graph, ["probabilities", "logits", "embedding"], out / "classifier", about, tokenizer, config, stop)
    probabilities, _, _ = run_graph(graph, tokenizer, config, about)
    write_parity(out, probabilities=probabilities)
    return {"classifier": str(out / "classifier"), "parity": str(out / "parity.json"), "temperature": temperature}


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
        return logits.softmax(-1), logits, embedding


def write_graph(graph: nn.Module, outputs: list[str], folder: Path, about: dict, tokenizer, config, stop: StopFlag) -> None:
    """`model.onnx`, `tokenizer.json` and `<kind>.json`."""
    if stop:
        raise Stopped
    folder.mkdir(parents=True)
    inputs = about["inputs"]
    sample = {name: torch.ones(2, 7, dtype=torch.int64) for name in inputs}
    if "token_type_ids" in sample:
        sample["token_type_ids"] = torch.zeros(2, 7, dtype=torch.int64)
    # Names and axes by keyword: a tokenizer's order of inputs is not the model's.
    axes = {0: Dim("batch", min=1), 1: Dim("seq", min=1, max=position_limit(config))}
    program = torch.onnx.export(
        graph, args=(), kwargs=sample, dynamo=True, opset_version=OPSET, verbose=False,
        input_names=inputs, output_names=[f"output:{name}" for name in outputs], dynamic_shapes={name: axes for name in inputs},
    )  # fmt: skip
    model = program.model_proto
    name_outputs(model.graph, outputs)
    strip_machine(model)
    onnx.save(model, folder / "model.onnx")
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / f"{about['kind']}.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if stop:
        raise Stopped


def strip_machine(model: onnx.ModelProto) -> None:
    """Takes out what tells of the machine that exported: stack traces with its paths."""
    for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:], model.graph.value_info[:]


def name_outputs(graph: onnx.GraphProto, outputs: list[str]) -> None:
    """Gives the outputs their names, renaming inner values that have them already: the exporter names values after
    operators (`embedding`) and does not look for clashes."""
    names = {name: f"inner:{name}" for name in outputs} | {f"output:{name}": name for name in outputs}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in [*graph.output, *graph.initializer]:
        value.name = names.get(value.name, value.name)


@torch.no_grad()
def run_graph(graph: nn.Module, tokenizer, config, about: dict) -> torch.Tensor | tuple[torch.Tensor, ...]:
    rows = tokenize(tokenizer, PARITY_TEXTS, [0] * len(PARITY_TEXTS), about["maxLength"])
    inputs, _ = collate(rows, range(len(rows)), config.pad_token_id or 0, about["inputs"], torch.device("cpu"))
    return graph(**inputs)


def write_parity(out: Path, **values: torch.Tensor) -> None:
    """The texts and what PyTorch says to them; the Node side compares its runtime with it."""
    parity = {"texts": PARITY_TEXTS} | {name: value.tolist() for name, value in values.items()}
    (out / "parity.json").write_text(json.dumps(parity, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
