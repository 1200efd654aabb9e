"""One of Sidelight's networks as other engines take it: ONNX, ncnn's files, a file for libtorch.

Samples go in as they are, 0 to 255, and come out filtered and clipped, not rounded, all in floating
point: what turns bytes into floats and back is not the engines' to pay.

Two things differ from the integer network. Activations are not rounded, and borders are padded with
zeros, as engines do for nothing, where it repeats them (`edge` gives the slow and exact graph). The phase
bias of the first layer is a constant map that is added to the convolution.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
# Samples whose receptive field leaves the picture differ where padding does.
BORDER = 2


@dataclass
class Layer:
    """A convolution with its multiplier folded in: `clip(weight * x + bias + map)`."""

    weight: np.ndarray  # [cout][cin][3][3]
    bias: np.ndarray  # [cout]
    phases: np.ndarray | None  # [cout][period][period], of mean 0
    low: float
    high: float


@dataclass
class Network:
    luma: list
    chroma: list

    @property
    def planes(self):
        return ["colour", "luma"] if self.chroma else ["luma"]

    @property
    def border(self):
        """Luma samples from the edge that padding may change."""
        return BORDER * max(len(self.luma), len(self.chroma))


def read(path, phases=True):
    """A network as `sidelight-tools network` writes it; without `phases` their mean stays."""
    data = json.loads(Path(path).read_text())
    return Network(*([*layers(data[of], phases)] for of in ("luma", "chroma")))


def layers(data, phases):
    for i, l in enumerate(data):
        cin, cout = l["cin"], l["cout"]
        scale = np.array(l["multiplier"]) / 2.0 ** l["shift"]
        weight = np.array(l["weights"], float).reshape(3, 3, cin, cout).transpose(3, 2, 0, 1)
        weight *= scale[:, None, None, None]
        bias = np.array(l["bias"], float).reshape(-1, cout) * scale
        low, high = l["low"], l["high"]
        if i == 0:
            # An activation is 16 · sample − 2048.
            bias -= 2048 * weight.sum(axis=(1, 2, 3))
            weight *= 16
        if i == len(data) - 1:
            weight, bias, low, high = weight / 16, bias / 16, low / 16, high / 16
        mean = bias.mean(axis=0)
        rest = (bias - mean).T.reshape(cout, l["period"], l["period"])
        yield Layer(weight, mean, rest if phases and l["period"] > 1 else None, low, high)


def phase_map(layer, height, width):
    period = layer.phases.shape[1]
    repeats = (1, -(-height // period), -(-width // period))
    return np.tile(layer.phases, repeats)[:, :height, :width].astype(np.float32)


class Graph:
    def __init__(self):
        self.nodes, self.constants = [], []

    def add(self, op, *inputs, name=None, **attributes):
        name = name or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, value):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def floats(self, value):
        return self.constant(np.asarray(value, np.float32))

    def model(self, inputs, outputs):
        info = lambda names: [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in names.items()
        ]
        graph = helper.make_graph(
            self.nodes, "filter", info(inputs), info(outputs), self.constants
        )
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=10)


def onnx_model(network, planes, height, width, scales=None, weight_max=127, edge=False):
    """The filter of `luma` or `colour`. `scales`: quantised to 8 bits with these scales of each
    network's hidden activations and residuals; the first layer, which adds a map, stays."""
    g, half = Graph(), (height // 2, width // 2)
    inputs, outputs = {"y": [1, 1, height, width]}, {"y_out": [1, 1, height, width]}
    x = g.add("SpaceToDepth", "y", blocksize=2)

    def quantised(x, scale, low):
        scale = g.floats(scale)
        zero = g.constant(np.zeros((), np.uint8 if low == 0 else np.int8))
        return g.add("DequantizeLinear", g.add("QuantizeLinear", x, scale, zero), scale, zero)

    def per_channel(value, scale, kind):
        integers = np.round(value / scale.reshape(-1, *[1] * (value.ndim - 1))).astype(kind)
        zeros = g.constant(np.zeros(len(scale), kind))
        return g.add(
            "DequantizeLinear", g.constant(integers), g.floats(scale), zeros, axis=0
        )

    def chain(x, layers, scales):
        for i, l in enumerate(layers):
            if scales is None or i == 0:
                weight, bias = g.floats(l.weight), g.floats(l.bias)
            else:
                scale = np.abs(l.weight).max(axis=(1, 2, 3)) / weight_max
                weight = per_channel(l.weight, scale, np.int8)
                # Engines add it to their integer sums.
                bias = per_channel(l.bias, scale * scales[i - 1], np.int32)
            if edge:
                pads = g.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
                x = g.add("Pad", x, pads, mode="edge")
            pads = [0 if edge else 1] * 4
            x = g.add("Conv", x, weight, bias, kernel_shape=[3, 3], pads=pads)
            if l.phases is not None:
                x = g.add("Add", x, g.floats(phase_map(l, *half)[None]))
            if scales is None:
                x = g.add("Clip", x, g.floats(l.low), g.floats(l.high))
            else:
                x = x if l.low < 0 else g.add("Relu", x)
                x = quantised(x, scales[i], l.low)
        return x

    def add(plane, residual, name):
        out = g.add("Add", plane, residual)
        g.add("Clip", out, g.floats(0), g.floats(255), name=name)

    scales = scales or {}
    residual = chain(x, network.luma, scales.get("luma"))
    add("y", g.add("DepthToSpace", residual, blocksize=2), "y_out")
    if planes == "colour":
        inputs["c"] = outputs["c_out"] = [1, 2, *half]
        residual = chain(g.add("Concat", x, "c", axis=1), network.chroma, scales.get("chroma"))
        add("c", residual, "c_out")
    return g.model(inputs, outputs)


def calibrate(network, inputs, run):
    """Scales of 8-bit activations: what one in ten thousand of a frame's exceeds is clipped.
    `run` gives an ONNX model's outputs for the inputs."""
    height, width = inputs["y"].shape[2:]
    model = onnx_model(network, network.planes[0], height, width)
    clips = [n for n in model.graph.node if n.op_type == "Clip" and "out" not in n.output[0]]
    for node in clips:
        model.graph.output.append(
            helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
        )
    values = iter(run(model, inputs)[len(inputs) :])
    scale = lambda l: float(np.quantile(np.abs(next(values)), 0.9999)) / (255 if l.low == 0 else 127)
    return {"luma": [*map(scale, network.luma)], "chroma": [*map(scale, network.chroma)]}


def ncnn_files(network, planes, height, width, scales=None):
    """ncnn's text of layers and its weights. `scales` as in `onnx_model`; ncnn's activations are
    signed, so theirs are doubled."""
    lines, blobs, weights = [], [], bytearray()
    half = (height // 2, width // 2)

    def layer(kind, inputs, outputs, parameters=""):
        blobs.extend(outputs)
        name = f"{kind}{len(lines)}"
        counts = f"{len(inputs)} {len(outputs)}"
        lines.append(" ".join([kind, name, counts, *inputs, *outputs, parameters]))
        return outputs[0]

    def floats(values):
        weights.extend(np.asarray(values, "<f4").tobytes())

    def chain(x, name, layers, scales):
        for i, l in enumerate(layers):
            cout, out = len(l.weight), f"{name}{i}"
            p = f"0={cout} 1=3 4=1 5=1 6={l.weight.size}"
            last = i == len(layers) - 1
            if l.phases is None:
                p += f" 9=3 -23310=2,{l.low:e},{l.high:e}"
            if scales is None or i == 0:
                weights.extend(struct.pack("<I", 0))
                floats(l.weight)
                floats(l.bias)
            else:
                of_weight = 127 / np.abs(l.weight).max(axis=(1, 2, 3))
                w = np.round(l.weight * of_weight[:, None, None, None]).astype(np.int8)
                weights.extend(struct.pack("<I", 0x000D4B38))
                weights.extend(w.tobytes())
                weights.extend(bytes(-len(weights) % 4))
                floats(l.bias)
                floats(of_weight)
                floats([1 / (2 * scales[i - 1])])
                if not last:
                    floats([1 / (2 * scales[i])])
                p += f" 8={1 if last else 101}"
            x = layer("Convolution", [x], [out], p)
            if l.phases is not None:
                m = layer("MemoryData", [], [f"{out}map"], f"0={half[1]} 1={half[0]} 2={cout}")
                floats(phase_map(l, *half))
                x = layer("BinaryOp", [x, m], [f"{out}sum"], "0=0")
                x = layer("Clip", [x], [f"{out}clip"], f"0={l.low:e} 1={l.high:e}")
        return x

    def add(plane, residual, out):
        layer("BinaryOp", [plane, residual], [f"{out}sum"], "0=0")
        layer("Clip", [f"{out}sum"], [out], "0=0 1=255")

    scales = scales or {}
    layer("Input", [], ["y"], f"0={width} 1={height} 2=1")
    layer("Split", ["y"], ["y0", "y1"])
    x = layer("Reorg", ["y0"], ["phases"], "0=2")
    if planes == "colour":
        layer("Input", [], ["c"], f"0={half[1]} 1={half[0]} 2=2")
        layer("Split", ["c"], ["c0", "c1"])
        layer("Split", ["phases"], ["phases0", "phases1"])
        layer("Concat", ["phases1", "c0"], ["all"], "0=0")
        add("c1", chain("all", "chroma", network.chroma, scales.get("chroma")), "c_out")
        x = "phases0"
    x = chain(x, "luma", network.luma, scales.get("luma"))
    add("y1", layer("PixelShuffle", [x], ["residual"], "0=2"), "y_out")
    return "\n".join(["7767517", f"{len(lines)} {len(blobs)}", *lines, ""]), bytes(weights)


def libtorch_file(network):
    """Little-endian: for luma, then chroma, the number of layers and of each cin, cout, period, low,
    high, weights and phases with their mean."""
    out = bytearray()
    for of in (network.luma, network.chroma):
        out += struct.pack("<i", len(of))
        for l in of:
            cout, cin = l.weight.shape[:2]
            period = 1 if l.phases is None else l.phases.shape[1]
            out += struct.pack("<iiiff", cin, cout, period, l.low, l.high)
            phases = np.zeros((cout, 1, 1)) if l.phases is None else l.phases
            for values in (l.weight, l.bias, phases):
                out += values.astype("<f4").tobytes()
    return bytes(out)
