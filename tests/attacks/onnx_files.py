"""ONNX files with a small generator, put in the ways of many exporters."""

import numpy as np
import pytest

from tests.attacks.test_foreign import LATENTS, SHAPE, WEIGHTS
from tests.attacks.test_foreign import made_of as made_of

CLASSES = 3
SHIFTS = np.random.default_rng(1).normal(size=(CLASSES, 72)).astype("float32")


def write(
    path, *, batch="n", maps=False, first=False, classes=0, kind=1, scale=1.0, shift=0.0
):
    """A file with the generator of `made_of`, put as one likes."""
    onnx = pytest.importorskip("onnx")
    helper, numbers = onnx.helper, onnx.numpy_helper.from_array
    latents = [batch, LATENTS, *([1, 1] if maps else [])]
    inputs = [helper.make_tensor_value_info("z", kind, latents)]
    shape = np.array([-1, *SHAPE])
    constants = [numbers(WEIGHTS, "w"), numbers(shape, "shape")]
    constants += [numbers(np.array([-1, LATENTS]), "flat")]
    constants += [numbers(np.float32(scale), "scale")]
    constants += [numbers(np.float32(shift), "offset")]
    nodes = [
        helper.make_node("Reshape", ["z", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "w"], ["product"]),
    ]
    last = "product"
    if classes:
        inputs.append(helper.make_tensor_value_info("y", kind, [batch, classes]))
        constants.append(numbers(SHIFTS, "shifts"))
        nodes.append(helper.make_node("MatMul", ["y", "shifts"], ["shift"]))
        nodes.append(helper.make_node("Add", [last, "shift"], ["sum"]))
        last = "sum"
    nodes += [
        helper.make_node("Tanh", [last], ["tanh"]),
        helper.make_node("Mul", ["tanh", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["moved"]),
        helper.make_node("Reshape", ["moved", "shape"], ["images"]),
    ]
    if first:
        nodes.append(
            helper.make_node("Transpose", ["images"], ["x"], perm=[0, 3, 1, 2])
        )
    output = helper.make_tensor_value_info("x" if first else "images", kind, None)
    graph = helper.make_graph(nodes, "g", inputs, [output], constants)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path
