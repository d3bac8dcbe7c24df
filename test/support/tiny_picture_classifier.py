"""Writes a hand-made classifier of pictures whose outputs can be worked out on paper. Usage: tiny_picture_classifier.py [blind] FOLDER

Pictures are 8 by 8, red, green and blue from 0 to 1. The embedding of a picture is the mean of each channel; the logits are
eight times that, in the order of the labels red, green, blue. A blind one sees only how red a picture is, so that all its
embeddings point the same way.
"""

import json
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = Path(sys.argv[-1])
seen = [1, 0, 0] if "blind" in sys.argv[1:-1] else [1, 1, 1]
pixels = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, 8, 8])
nodes = [
    helper.make_node("ReduceMean", ["pixel_values"], ["means"], axes=[2, 3], keepdims=0),
    helper.make_node("Mul", ["means", "seen"], ["embedding"]),
    helper.make_node("Mul", ["embedding", "eight"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["probabilities"], axis=-1),
]
outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 3]) for name in ("embedding", "logits", "probabilities")]
eight = numpy_helper.from_array(numpy.array(8, numpy.float32), "eight")
weights = numpy_helper.from_array(numpy.array(seen, numpy.float32), "seen")
graph = helper.make_graph(nodes, "tiny", [pixels], outputs, [eight, weights])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
onnx.checker.check_model(model, full_check=True)
onnx.save(model, folder / "model.onnx")
processor = {"size": {"height": 8, "width": 8}, "resample": 2, "do_rescale": True, "do_normalize": False}
config = {"kind": "classifier", "input": "image", "processor": processor, "dimension": 3, "inputs": ["pixel_values"]}
(folder / "classifier.json").write_text(json.dumps({**config, "labels": ["red", "green", "blue"]}))
