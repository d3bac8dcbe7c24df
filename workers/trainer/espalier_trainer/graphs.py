"""A module as an ONNX file: the names are ours, no trace of the machine is in it, and the same module is the same bytes."""

import json
from pathlib import Path

import onnx
import torch
from torch import nn

from .events import Stopped
from .guard import StopFlag

OPSET = 18


def save_graph(
    graph: nn.Module, sample: dict[str, torch.Tensor], shapes: dict[str, dict], outputs: list[str], folder: Path, about: dict, stop: StopFlag
) -> None:
    """`model.onnx` and `<kind>.json` in a new folder. `sample` has an example of every input, `shapes` its open axes."""
    if stop:
        raise Stopped
    folder.mkdir(parents=True)
    # Names and axes by keyword: a tokenizer's order of inputs is not the model's.
    program = torch.onnx.export(
        graph, args=(), kwargs=sample, dynamo=True, opset_version=OPSET, verbose=False,
        input_names=list(sample), output_names=[f"output:{name}" for name in outputs], dynamic_shapes=shapes,
    )  # fmt: skip
    model = program.model_proto
    name_outputs(model.graph, outputs)
    strip_machine(model)
    write(model, folder, about)
    if stop:
        raise Stopped


def save_model(model: onnx.ModelProto, folder: Path, about: dict) -> None:
    """The same for a graph that is there already."""
    folder.mkdir(parents=True)
    write(model, folder, about)


def name_outputs(graph: onnx.GraphProto, outputs: list[str]) -> None:
    """Gives the outputs their names, renaming inner values that have them already: the exporter names values after
    operators (`embedding`) and does not look for clashes."""
    names = {name: f"inner:{name}" for name in outputs} | {f"output:{name}": name for name in outputs}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in [*graph.output, *graph.initializer]:
        value.name = names.get(value.name, value.name)


def strip_machine(model: onnx.ModelProto) -> None:
    """Takes out what tells of the machine that exported: stack traces with its paths."""
    for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:], model.graph.value_info[:]


def write(model: onnx.ModelProto, folder: Path, about: dict) -> None:
    onnx.save(model, folder / "model.onnx")
    (folder / f"{about['kind']}.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
