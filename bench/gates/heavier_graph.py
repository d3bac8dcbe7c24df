"""The same graph made slower or larger, its answers unchanged. Usage: heavier_graph.py IN OUT OUTPUT PRODUCTS MEGABYTES

OUTPUT is what everything that is added hangs on, and what comes out as before: PRODUCTS products of 256 × 256 matrices, one after
the other, that come to nothing and have no weights of their own; and a table of MEGABYTES of which a row of zeros is looked up. Both
depend on the input, so that no runtime works them out once and drops them.
"""

import sys
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 256
COLUMNS = 4096

source, target, output, products, megabytes = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
model = onnx.load(source)
graph = model.graph
nodes = list(graph.node)
producer = next(place for place, node in enumerate(nodes) if output in node.output)
inner = f"{output}/as-it-was"
nodes[producer].output[:] = [inner if name == output else name for name in nodes[producer].output]


def constant(name: str, value: numpy.ndarray) -> str:
    graph.initializer.append(numpy_helper.from_array(value, f"heavier/{name}"))
    return f"heavier/{name}"


def node(kind: str, inputs: list[str], name: str, **attributes: object) -> str:
    added.append(helper.make_node(kind, inputs, [f"heavier/{name}"], **attributes))
    return f"heavier/{name}"


added: list[onnx.NodeProto] = []
mean = node("ReduceMean", [inner], "mean", keepdims=0)
nothing = node("Mul", [mean, constant("zero", numpy.float32(0))], "nothing")
sums = [nothing]
if products > 0:
    side = constant("side", numpy.array([SIDE, SIDE], numpy.int64))
    share = numpy_helper.from_array(numpy.array([1 / SIDE], numpy.float32))
    weights = node("ConstantOfShape", [side], "weights", value=share)
    matrix = node("Expand", [nothing, side], "matrix")
    for place in range(products):
        matrix = node("MatMul", [matrix, weights], f"product-{place}")
    sums.append(node("ReduceMean", [matrix], "products", keepdims=0))
if megabytes > 0:
    rows = megabytes * 10**6 // (4 * COLUMNS)
    table = numpy.random.default_rng(0).standard_normal((rows, COLUMNS), numpy.float32)
    table[0] = 0
    row = node("Cast", [nothing], "row", to=TensorProto.INT64)
    looked_up = node("Gather", [constant("table", table), row], "looked-up")
    sums.append(node("ReduceMean", [looked_up], "table-mean", keepdims=0))
total = sums[0]
for place, one in enumerate(sums[1:]):
    total = node("Add", [total, one], f"total-{place}")
added.append(helper.make_node("Add", [inner, total], [output]))
del graph.node[:]
graph.node.extend([*nodes[: producer + 1], *added, *nodes[producer + 1 :]])
onnx.checker.check_model(model)
onnx.save(model, target)
