"""Writes a hand-made text model whose outputs can be worked out on paper. Usage: tiny_onnx.py FOLDER encoder|classifier VOCABULARY_SIZE

The embedding of a text is the mean over its tokens of (id, 1, id mod 3); the classifier's logits are (0, mean of id mod 3).
"""

import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

folder, kind, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ids = numpy.arange(size, dtype=numpy.float32)
table = numpy.stack([ids, numpy.ones(size, numpy.float32), ids % 3], axis=1)
constants = {
    "table": table,
    "last": numpy.array([-1], numpy.int64),
    "sequence": numpy.array([1], numpy.int64),
    "head": numpy.array([[0, 0], [0, 0], [0, 1]], numpy.float32),
}
nodes = [
    helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
    helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
    helper.make_node("Unsqueeze", ["mask", "last"], ["weights"]),
    helper.make_node("Mul", ["tokens", "weights"], ["kept"]),
    helper.make_node("ReduceSum", ["kept", "sequence"], ["sum"], keepdims=0),
    helper.make_node("ReduceSum", ["weights", "sequence"], ["count"], keepdims=0),
    helper.make_node("Div", ["sum", "count"], ["embedding"]),
]
outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 3])]
if kind == "classifier":
    nodes += [
        helper.make_node("MatMul", ["embedding", "head"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
    ]
    outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in ("logits", "probabilities")]
graph = helper.make_graph(
    nodes,
    "tiny",
    [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "seq"]) for name in ("input_ids", "attention_mask")],
    outputs,
    [numpy_helper.from_array(value, name) for name, value in constants.items() if kind == "classifier" or name != "head"],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, folder / "model.onnx")
