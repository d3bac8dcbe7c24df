"""Writes a hand-made backbone of pictures as a graph alone, without config or weights. Usage: tiny_graph_backbone.py small|large FOLDER

Pictures are 28 by 28, and the features are the mean of each channel: red, green and blue are told apart at once. The large one takes
them, and 13 zeros, by a convolution as large as a picture: 150 kB, more than the tiny ResNet of tiny_families.py; the small one has 1 kB.
"""

import json
import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, CHANNELS, FEATURES = 28, 3, 16
large, folder = sys.argv[1] == "large", Path(sys.argv[2])
kernels = numpy.zeros((FEATURES, CHANNELS, SIDE, SIDE), numpy.float32)
for channel in range(CHANNELS):
    kernels[channel, channel] = 1 / SIDE**2
convolution = helper.make_node("Conv", ["pixel_values", "kernels"], ["features"])
mean = helper.make_node("GlobalAveragePool", ["pixel_values"], ["features"])
graph = helper.make_graph(
    [convolution if large else mean],
    "means",
    [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", CHANNELS, SIDE, SIDE])],
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", FEATURES if large else CHANNELS, 1, 1])],
    [numpy_helper.from_array(kernels, "kernels")] if large else [],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
onnx.checker.check_model(model, full_check=True)
folder.mkdir(parents=True, exist_ok=True)
onnx.save(model, folder / "model.onnx")
processor = {
    "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
}  # fmt: skip
(folder / "preprocessor_config.json").write_text(json.dumps(processor))
