#!/usr/bin/env python3
"""Writes tests/oracles/onnx_expected.txt: small ONNX models, one per operator and a few whole networks, with what onnxruntime says of them.

    pip install torch onnx onnxscript onnxruntime numpy && python3 tests/oracles/onnx_oracle.py

Per case: "case NAME", "model HEX", then "in" and "out" lines: type (f or i), rank, extents, values with 9 digits. Read by
tests/models/onnx_graph_test.cpp. The networks come out of both of PyTorch's exporters, so that what exporters write is what is tested.
"""
import io
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node
random = np.random.default_rng(20261122)
cases = []


def values(*shape, low=-2.0, high=2.0):
    return random.uniform(low, high, shape).astype(np.float32)


def plain(model):
    """Without what only people and debuggers read."""
    for holder in [model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        holder.doc_string = ""
        if hasattr(holder, "metadata_props"):
            del holder.metadata_props[:]
    del model.metadata_props[:]
    del model.graph.value_info[:]
    model.doc_string = ""
    return model


def add(name, model, inputs):
    data = plain(model).SerializeToString()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    outputs = session.run(None, {i.name: v for i, v in zip(session.get_inputs(), inputs)})
    cases.append((name, data, inputs, outputs))


KINDS = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64, np.dtype(np.bool_): TensorProto.BOOL,
         np.dtype(np.float64): TensorProto.DOUBLE, np.dtype(np.int32): TensorProto.INT32}


def model_of(nodes, inputs, weights, opset, outputs=("y",), kind=TensorProto.FLOAT):
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(n, KINDS[v.dtype], [None] * v.ndim) for n, v in inputs.items()],
                              [helper.make_tensor_value_info(n, kind, None) for n in outputs],
                              [numpy_helper.from_array(v, n) for n, v in weights.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def op(kind, *inputs, opset=17, weights=(), name=None, outputs=1, type=TensorProto.FLOAT, **attributes):
    """One node; the first inputs are given at run time, `weights` are in the file (None: left out)."""
    given = {"x%d" % i: v for i, v in enumerate(inputs)}
    kept = {"w%d" % i: v for i, v in enumerate(weights) if v is not None}
    names = list(given) + ["" if v is None else "w%d" % i for i, v in enumerate(weights)]
    outs = ["y"] if outputs == 1 else ["y%d" % i for i in range(outputs)]
    one = node(kind, names, outs, name="the_node", **attributes)
    add(name or kind, model_of([one], given, kept, opset, outs, type), list(inputs))


def ints(*v):
    return np.array(v, np.int64)


# --- one operator each -------------------------------------------------------------------------------------------------------------------
x = values(3, 5)
for kind in "Neg Abs Exp Erf Sin Cos Tanh Sigmoid Relu Softplus Floor Ceil Round Sign Tan Identity".split():
    op(kind, x)
for kind in "Sqrt Log Reciprocal".split():
    op(kind, values(3, 5, low=0.1))
op("LeakyRelu", x, alpha=0.2)
op("PRelu", x, weights=[values(5)], opset=16)
op("Elu", x, alpha=0.7)
op("Selu", x)
op("Gelu", x, opset=20)
op("Gelu", x, opset=20, approximate="tanh", name="Gelu tanh")
op("Mish", x, opset=18)
op("HardSigmoid", x, alpha=0.3, beta=0.4)
op("HardSwish", 2 * x)
op("Clip", x, weights=[np.float32(-0.5), np.float32(1.0)])
op("Clip", x, weights=[None, np.float32(1.0)], name="Clip above")
op("Clip", x, opset=6 + 1, min=-1.0, max=0.25, name="Clip of version 7")
op("Dropout", x, opset=13)
for kind in "Add Sub Mul Div".split():
    op(kind, x, weights=[values(5, low=0.5)], name=kind + " row")
    op(kind, values(2, 1, 4), values(3, 1, low=0.5), name=kind + " broadcast")
op("Pow", np.abs(x), weights=[values(3, 1)])
op("Pow", x, weights=[np.float32(2)], name="Pow square")
op("Pow", np.abs(x), weights=[np.float32(0.5)], name="Pow root")
op("Min", x, values(5), values(3, 1))
op("Max", x, values(5), values(3, 1))
op("Sum", x, values(5), values(3, 1))
add("Where", model_of([node("Greater", ["x", "z"], ["c"]), node("Where", ["c", "x", "m"], ["y"])], {"x": x},
                      {"z": np.float32(0.1), "m": np.float32(-np.inf)}, 17), [x])
add("logic", model_of([node("Less", ["x", "z"], ["a"]), node("Equal", ["x", "x"], ["b"]), node("Not", ["a"], ["n"]),
                       node("And", ["n", "b"], ["c"]), node("LessOrEqual", ["x", "z"], ["d"]), node("Or", ["c", "d"], ["e"]),
                       node("Xor", ["e", "a"], ["f"]), node("Cast", ["f"], ["y"], to=1)], {"x": x}, {"z": np.float32(0.1)}, 17), [x])
op("Cast", 3 * x, to=TensorProto.INT64, type=TensorProto.INT64)
op("Cast", ints(1, -2, 3), to=TensorProto.FLOAT, name="Cast to real")

op("MatMul", x, weights=[values(5, 4)])
op("MatMul", values(2, 3, 4), values(4, 2), name="MatMul batch")
op("MatMul", values(2, 1, 3, 4), values(5, 4, 2), name="MatMul batches")
op("MatMul", values(4), weights=[values(4, 3)], name="MatMul vector")
op("Gemm", x, weights=[values(4, 5), values(4)], transB=1)
op("Gemm", values(5, 3), weights=[values(5, 4), values(1, 4)], transA=1, alpha=0.5, beta=1.5, name="Gemm scaled")
op("Gemm", x, weights=[values(5, 2)], name="Gemm bare")

op("Softmax", x)
op("Softmax", values(2, 3, 4), axis=1, name="Softmax inner")
op("Softmax", values(2, 3, 4), axis=1, opset=11, name="Softmax joined")
op("LogSoftmax", x)
op("LayerNormalization", values(2, 3, 6), weights=[values(6), values(6)], epsilon=1e-4)
op("LayerNormalization", values(2, 3, 4), weights=[values(3, 4), values(3, 4)], axis=1, name="LayerNormalization of two axes")
op("LayerNormalization", x, weights=[values(5)], name="LayerNormalization without shift")
picture = values(2, 4, 6, 5)
op("InstanceNormalization", picture, weights=[values(4), values(4)])
op("GroupNormalization", picture, weights=[values(4), values(4)], num_groups=2, opset=21)
op("GroupNormalization", picture, weights=[values(2), values(2)], num_groups=2, opset=18, name="GroupNormalization of version 18")
op("BatchNormalization", picture, weights=[values(4), values(4), values(4), values(4, low=0.1)])
for kind in "ReduceMean ReduceMax ReduceMin ReduceSumSquare ReduceL2".split():
    op(kind, values(2, 3, 4), axes=[1], name=kind)
op("ReduceSum", values(2, 3, 4), weights=[ints(0, -1)], keepdims=0)
op("ReduceMean", values(2, 3, 4), keepdims=0, name="ReduceMean of all")
op("ReduceMean", values(2, 3, 4), weights=[ints(2)], opset=18, name="ReduceMean of version 18")

op("Reshape", values(2, 3, 4), weights=[ints(0, -1)])
op("Flatten", values(2, 3, 4), axis=2)
op("Transpose", values(2, 3, 4), perm=[2, 0, 1])
op("Transpose", values(2, 3, 4), name="Transpose turned")
op("Squeeze", values(1, 3, 1), weights=[ints(2)])
op("Squeeze", values(1, 3, 1), name="Squeeze all")
op("Unsqueeze", x, weights=[ints(0, -1)])
op("Unsqueeze", x, opset=11, axes=[1], name="Unsqueeze of version 11")
op("Expand", values(3, 1), weights=[ints(2, 1, 4)])
op("Concat", x, values(3, 2), axis=1)
op("Split", x, weights=[ints(2, 3)], axis=1, outputs=2)
op("Split", values(4, 6), axis=1, outputs=3, opset=11, name="Split even")
op("Split", values(4, 5), axis=1, outputs=2, opset=18, num_outputs=2, name="Split uneven")
op("Slice", values(4, 6), weights=[ints(1, -1), ints(4, -6), ints(0, 1), ints(1, -2)])
op("Slice", values(4, 6), weights=[ints(2), ints(2**63 - 1), ints(1)], name="Slice to the end")
op("Slice", values(4, 6), opset=9, starts=[1], ends=[-1], axes=[1], name="Slice of version 9")
op("Gather", values(4, 3), weights=[ints(2, 0, -1)])
op("Gather", values(4, 3), weights=[np.int64(1)], axis=1, name="Gather one")
op("Gather", values(2, 5, 3), weights=[ints(4, 1).reshape(1, 2)], axis=1, name="Gather inner")
op("Tile", x, weights=[ints(2, 1)])
op("Pad", values(2, 3), weights=[ints(1, 0, 0, 2), np.float32(0.5)])
op("Pad", values(2, 4), weights=[ints(0, 2, 0, 1)], mode="reflect", name="Pad reflect")
op("Pad", values(2, 4), weights=[ints(1, 2, 0, 1)], mode="edge", name="Pad edge")
op("DepthToSpace", values(1, 8, 2, 3), blocksize=2)
op("DepthToSpace", values(1, 8, 2, 3), blocksize=2, mode="CRD", name="DepthToSpace CRD")
op("SpaceToDepth", values(1, 2, 4, 6), blocksize=2)
add("shape arithmetic", model_of(
    [node("Shape", ["x"], ["s"]), node("Gather", ["s", "one"], ["n"]), node("Mul", ["n", "two"], ["m"]),
     node("Div", ["m", "three"], ["d"]), node("Unsqueeze", ["d", "zero"], ["u"]), node("Concat", ["u", "minus"], ["t"], axis=0),
     node("Range", ["start", "n", "step"], ["r"]), node("Cast", ["r"], ["f"], to=1), node("Add", ["x", "f"], ["a"]),
     node("Slice", ["a", "zero", "u", "axis"], ["b"]), node("Reshape", ["b", "back"], ["y"])],
    {"x": x}, {"one": np.int64(1), "two": np.int64(2), "three": np.int64(3), "zero": ints(0), "minus": ints(-1), "start": np.int64(0), "step": np.int64(1),
               "axis": ints(1), "back": ints(-1)}, 17), [x])
add("ConstantOfShape", model_of([node("Shape", ["x"], ["s"]),
                                 node("ConstantOfShape", ["s"], ["c"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.75])),
                                 node("Add", ["x", "c"], ["y"])], {"x": x}, {}, 17), [x])
add("Constant", model_of([node("Constant", [], ["c"], value_floats=[1.0, 2.0, 3.0, 4.0, 5.0]), node("Constant", [], ["d"], value_float=0.5),
                          node("Mul", ["x", "c"], ["m"]), node("Add", ["m", "d"], ["y"])], {"x": x}, {}, 17), [x])

op("Conv", picture, weights=[values(3, 4, 3, 3), values(3)], pads=[1, 1, 1, 1], name="Conv")
op("Conv", picture, weights=[values(4, 2, 3, 2)], group=2, strides=[2, 1], dilations=[1, 2], pads=[1, 0, 0, 2], name="Conv grouped, uneven")
op("Conv", picture, weights=[values(3, 4, 3, 3)], auto_pad="SAME_UPPER", strides=[2, 2], name="Conv same")
op("Conv", values(2, 3, 7), weights=[values(4, 3, 3), values(4)], pads=[1, 1], name="Conv of signals")
op("ConvTranspose", picture, weights=[values(4, 2, 3, 3), values(2)], strides=[2, 2], pads=[1, 0, 1, 1], output_padding=[1, 0])
op("MaxPool", picture, kernel_shape=[2, 2], strides=[2, 2])
op("MaxPool", picture, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 0, 1], name="MaxPool uneven")
op("AveragePool", picture, kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1])
op("AveragePool", picture, kernel_shape=[2, 2], count_include_pad=1, pads=[1, 1, 1, 1], name="AveragePool with pads")
op("GlobalAveragePool", picture)
op("GlobalMaxPool", picture)
small = values(1, 1, 4, 4)
for mode, place, nearest in [("nearest", "asymmetric", "floor"), ("nearest", "half_pixel", "round_prefer_floor"), ("nearest", "half_pixel", "round_prefer_ceil"),
                             ("linear", "half_pixel", "floor"), ("linear", "align_corners", "floor"), ("linear", "pytorch_half_pixel", "floor"),
                             ("linear", "asymmetric", "floor")]:
    op("Resize", small, weights=[None, np.array([1, 1, 2, 1.5], np.float32)], mode=mode, nearest_mode=nearest,
       coordinate_transformation_mode=place, name="Resize %s %s %s" % (mode, place, nearest))
op("Resize", small, weights=[None, None, ints(1, 1, 9, 3)], mode="linear", name="Resize to a size")
op("Resize", small, weights=[np.array([1, 1, 2, 2], np.float32)], opset=10, mode="nearest", name="Resize of version 10")


# --- whole networks, as PyTorch exports them ---------------------------------------------------------------------------------------------
torch.manual_seed(7)


class PointNetwork(torch.nn.Module):
    """Sinusoids of the time, SiLU: what people write for points."""
    def __init__(self, d=2, width=16):
        super().__init__()
        self.time = torch.nn.Linear(8, width)
        self.first, self.middle, self.last = torch.nn.Linear(d, width), torch.nn.Linear(width, width), torch.nn.Linear(width, d)
        self.norm = torch.nn.LayerNorm(width)

    def forward(self, x, t):
        f = torch.exp(torch.arange(4, dtype=torch.float32) * -1.5)
        a = 1000 * t[:, None] * f[None]
        e = torch.nn.functional.silu(self.time(torch.cat([a.sin(), a.cos()], dim=-1)))
        h = torch.nn.functional.silu(self.first(x) + e)
        h = h + torch.nn.functional.gelu(self.middle(self.norm(h)))
        return self.last(h)


class PictureNetwork(torch.nn.Module):
    """A tiny U-Net: group norm, a step down and up, attention among the pixels below, a skip."""
    def __init__(self, c=1, width=4):
        super().__init__()
        self.time = torch.nn.Linear(4, width)
        self.begin, self.down = torch.nn.Conv2d(c, width, 3, padding=1), torch.nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.norm, self.qkv, self.out = torch.nn.GroupNorm(2, width), torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.end = torch.nn.Conv2d(2 * width, c, 3, padding=1)

    def forward(self, x, t):
        f = torch.exp(torch.arange(2, dtype=torch.float32) * -3.0)
        a = t.float()[:, None] * f[None]
        e = self.time(torch.cat([a.sin(), a.cos()], dim=-1))
        h = torch.nn.functional.silu(self.begin(x) + e[:, :, None, None])
        low = self.norm(self.down(h))
        b, c, m, n = low.shape
        tokens = low.flatten(2).transpose(1, 2)
        q, k, v = self.qkv(tokens).chunk(3, dim=-1)
        weights = torch.softmax(q @ k.transpose(1, 2) / c**0.5, dim=-1)
        low = low + self.out(weights @ v).transpose(1, 2).reshape(b, c, m, n)
        up = torch.nn.functional.interpolate(low, scale_factor=2, mode="nearest")
        return self.end(torch.cat([h, up], dim=1))


def export(network, example, dynamo):
    network.eval()
    if dynamo:
        batch = torch.export.Dim("batch")
        program = torch.onnx.export(network, example, dynamo=True, opset_version=18, input_names=["x", "t"], output_names=["y"],
                                    dynamic_shapes=({0: batch}, {0: batch}), verbose=False)
        return program.model_proto
    file = io.BytesIO()
    torch.onnx.export(network, example, file, dynamo=False, opset_version=17, input_names=["x", "t"], output_names=["y"],
                      dynamic_axes={"x": {0: "batch"}, "t": {0: "batch"}, "y": {0: "batch"}})
    return onnx.load_from_string(file.getvalue())


for dynamo in (False, True):
    kind = "the new exporter" if dynamo else "the old exporter"
    add("points by " + kind, export(PointNetwork(), (torch.randn(3, 2), torch.rand(3)), dynamo), [values(4, 2), values(4, low=0.0, high=1.0)])
    add("pictures by " + kind, export(PictureNetwork(), (torch.randn(2, 1, 6, 8), torch.randint(0, 1000, (2,))), dynamo),
        [values(3, 1, 6, 8), random.integers(0, 1000, 3)])


def line(word, v):
    v = np.asarray(v)
    kind = "f" if v.dtype.kind == "f" else "i"
    numbers = ["%.9g" % n if kind == "f" else "%d" % n for n in v.reshape(-1)]
    return " ".join([word, kind, str(v.ndim), *map(str, v.shape), *numbers])


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx_expected.txt")
with open(path, "w") as out:
    for name, data, inputs, outputs in cases:
        print("case", name, file=out)
        print("model", data.hex(), file=out)
        for v in inputs:
            print(line("in", v), file=out)
        for v in outputs:
            print(line("out", v), file=out)
print(len(cases), "cases", os.path.getsize(path), "bytes", file=sys.stderr)
