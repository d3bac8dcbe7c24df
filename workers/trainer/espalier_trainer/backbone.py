"""Frozen backbones that come as an ONNX graph: found out, cut down to the features, given names of ours, and given a head.
Only the graph is edited; nothing of it is run."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from .graphs import strip_machine
from .model import bad_model

# The first of these that a graph has; else its only output.
FEATURES = ("embedding", "features", "pooler_output", "pooled_output", "image_embeds")
OLDEST_OPSET = 9
PREFIX = "backbone/"


@dataclass(frozen=True)
class Backbone:
    model: onnx.ModelProto
    # Its own names of what it takes and of what became the embedding.
    input: str
    output: str
    dimension: int
    parameters: int
    # Convolutions.
    layers: int


def backbone_of(path: Path, height: int, width: int) -> Backbone:
    """The graph from `pixel_values` [batch, 3, height, width] to `embedding` [batch, dimension]; features that still have
    places are averaged over them. Raises TrainerError 64 for a graph that takes or gives something else."""
    model = read(path)
    graph = model.graph
    picture = picture_input(graph, height, width)
    output = features_of(graph)
    shape = shape_of(model, output)
    if len(shape) not in (2, 4) or not shape[1]:
        raise bad_model(f"model.onnx gives '{output}' of shape {shape}: features of [batch, dimension] or [batch, dimension, height, width] are needed")
    model = compose.add_prefix(model, PREFIX)
    graph = model.graph
    nodes = [helper.make_node("Identity", ["pixel_values"], [PREFIX + picture]), *graph.node]
    flat = PREFIX + output
    if len(shape) == 4:
        nodes += [helper.make_node("GlobalAveragePool", [flat], ["pooled"]), helper.make_node("Flatten", ["pooled"], ["embedding"], axis=1)]
    else:
        nodes += [helper.make_node("Identity", [flat], ["embedding"])]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(needed(nodes, "embedding"))
    used = {name for node in graph.node for name in inputs_of(node)}
    weights = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(weights)
    graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, height, width]))
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", shape[1]]))
    strip_machine(model)
    parameters = sum(int(numpy.prod(tensor.dims)) for tensor in weights if tensor.data_type == TensorProto.FLOAT)
    return Backbone(model, picture, output, shape[1], parameters, sum(node.op_type == "Conv" for node in graph.node))


def with_head(path: Path, weights: numpy.ndarray, bias: numpy.ndarray) -> tuple[onnx.ModelProto, int]:
    """What `backbone_of` made with a linear head behind it. `weights` [classes, dimension], `bias` [classes]."""
    model = read(path)
    graph = model.graph
    dimension = graph.output[0].type.tensor_type.shape.dim[1].dim_value
    if weights.shape != (len(bias), dimension):
        raise bad_model(f"head.json has weights of shape {weights.shape} and {len(bias)} biases for a backbone of {dimension} features")
    graph.initializer.extend([numpy_helper.from_array(weights, "head/weights"), numpy_helper.from_array(bias, "head/bias")])
    graph.node.extend([
        helper.make_node("Gemm", ["embedding", "head/weights", "head/bias"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ])  # fmt: skip
    for name in ("probabilities", "logits"):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", len(bias)]))
    return model, dimension


def read(path: Path) -> onnx.ModelProto:
    """The whole model, weights beside it included."""
    try:
        model = onnx.load(path)
    except Exception as error:  # protobuf's errors have no common base
        raise bad_model(f"model.onnx cannot be read: {error}") from error
    version = next((opset.version for opset in model.opset_import if opset.domain in ("", "ai.onnx")), 0)
    if version < OLDEST_OPSET:
        raise bad_model(f"model.onnx is of opset {version}", f"export it with opset {OLDEST_OPSET} or newer")
    return model


def picture_input(graph: onnx.GraphProto, height: int, width: int) -> str:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    fix = "export it with one input, float32 [batch, 3, height, width]"
    if len(inputs) != 1:
        raise bad_model(f"model.onnx has {len(inputs)} inputs ({', '.join(value.name for value in inputs)})", fix)
    kind = inputs[0].type.tensor_type
    shape = [axis.dim_value for axis in kind.shape.dim]
    if kind.elem_type != TensorProto.FLOAT or len(shape) != 4 or shape[1] not in (0, 3):
        raise bad_model(f"model.onnx takes '{inputs[0].name}' of shape {shape} and type {TensorProto.DataType.Name(kind.elem_type)}", fix)
    if any(given not in (0, wanted) for given, wanted in zip(shape[2:], (height, width), strict=True)):
        fix = "make size or crop_size of preprocessor_config.json what the graph takes"
        raise bad_model(f"model.onnx takes pictures of {shape[2]} × {shape[3]}, but its preprocessing gives {height} × {width}", fix)
    return inputs[0].name


def features_of(graph: onnx.GraphProto) -> str:
    names = [value.name for value in graph.output]
    known = next((name for name in FEATURES if name in names), None)
    if known is None and len(names) != 1:
        raise bad_model(f"model.onnx has the outputs {', '.join(names)}: none is called {' or '.join(FEATURES)}", "name its features 'features'")
    return known or names[0]


def shape_of(model: onnx.ModelProto, output: str) -> list[int]:
    """Its axes; 0 for an open one."""
    value = next(value for value in model.graph.output if value.name == output)
    shape = [axis.dim_value for axis in value.type.tensor_type.shape.dim]
    if len(shape) > 1 and shape[1]:
        return shape
    inferred = onnx.shape_inference.infer_shapes(model)
    value = next(value for value in inferred.graph.output if value.name == output)
    return [axis.dim_value for axis in value.type.tensor_type.shape.dim]


def needed(nodes: list[onnx.NodeProto], output: str) -> list[onnx.NodeProto]:
    """The nodes that the output depends on, in their order."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(inputs_of(node))
            kept.append(node)
    return kept[::-1]


def inputs_of(node: onnx.NodeProto) -> Iterable[str]:
    """Names that the node reads, those its branches take from outside included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            for inner in graph.node:
                yield from inputs_of(inner)
            yield from (value.name for value in graph.output)
