#!/usr/bin/env python3
"""One inference engine as a process that is asked for timings, as `sidelight-tools time-filter` is.

    engine.py NAME --network NETWORK.json --frame FRAME --scales SCALES.json [--filtered FILE]

Answers each line `luma|colour THREADS FRAMES` on stdin with a JSON list of milliseconds on stdout.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

# Threads that wait in a loop would take the others' time.
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
os.environ.update(ENVIRONMENT)

import numpy as np  # noqa: E402

import graphs  # noqa: E402


def inputs(path, width, height, planes):
    """The planes of a raw 4:2:0 frame as tensors."""
    raw = np.fromfile(path, np.uint8).astype(np.float32)
    y, c = raw[: width * height], raw[width * height :]
    out = {"y": y.reshape(1, 1, height, width)}
    if planes == "colour":
        out["c"] = c.reshape(1, 2, height // 2, width // 2)
    return out


class OpenVino:
    def __init__(self, threads, model, feeds):
        import openvino

        core = openvino.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
        self.request = compiled.create_infer_request()
        self.feeds = feeds  # their memory is used as it is, here and below
        for name, value in feeds.items():
            self.request.set_tensor(name, openvino.Tensor(value, shared_memory=True))
        self.outputs = [self.request.get_output_tensor(i).data for i in range(len(feeds))]

    def __call__(self):
        self.request.infer()

    def result(self):
        return self.outputs


class OnnxRuntime:
    def __init__(self, threads, model, feeds):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=providers
        )
        self.binding, self.feeds = self.session.io_binding(), feeds
        for name, value in feeds.items():
            self.binding.bind_cpu_input(name, value)
        self.outputs = []
        for output, value in zip(self.session.get_outputs(), feeds.values()):
            self.outputs.append(onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros_like(value)))
            self.binding.bind_ortvalue_output(output.name, self.outputs[-1])

    def __call__(self):
        self.session.run_with_iobinding(self.binding)

    def result(self):
        return [o.numpy() for o in self.outputs]


class Ncnn:
    def __init__(self, threads, files, feeds):
        import ncnn

        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.opt.openmp_blocktime = 0
        self.pools = ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator()
        self.net.opt.blob_allocator, self.net.opt.workspace_allocator = self.pools
        # Storing what lies between layers in 16 bits is another precision.
        self.net.opt.use_bf16_storage = self.net.opt.use_fp16_storage = False
        with tempfile.TemporaryDirectory() as folder:
            parameters, weights = Path(folder) / "net.param", Path(folder) / "net.bin"
            parameters.write_text(files[0])
            weights.write_bytes(files[1])
            if self.net.load_param(str(parameters)) or self.net.load_model(str(weights)):
                raise RuntimeError("ncnn does not take its files")
        self.feeds = feeds
        self.mats = {name: ncnn.Mat(value[0]) for name, value in feeds.items()}
        self.outputs = []

    def __call__(self):
        extractor = self.net.create_extractor()
        for name, value in self.mats.items():
            extractor.input(name, value)
        self.outputs = [extractor.extract(f"{name}_out")[1] for name in self.feeds]

    def result(self):
        return [np.array(o) for o in self.outputs]


ENGINES = {
    "openvino-fp32": OpenVino,
    "openvino-int8": OpenVino,
    "onnxruntime-fp32": OnnxRuntime,
    "onnxruntime-int8": OnnxRuntime,
    "ncnn-fp32": Ncnn,
    "ncnn-int8": Ncnn,
}


def weight_max():
    """Without VNNI engines add two products in 16 bits that saturate: then weights get 7 bits."""
    flags = Path("/proc/cpuinfo").read_text()
    return 127 if "vnni" in flags else 63


def make(name, network, scales, planes, threads, feeds):
    engine = ENGINES[name]
    height, width = feeds["y"].shape[2:]
    scales = scales if name.endswith("int8") else None
    if engine is Ncnn:
        graph = graphs.ncnn_files(network, planes, height, width, scales)
    else:
        graph = graphs.onnx_model(network, planes, height, width, scales, weight_max())
    return engine(threads, graph, feeds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=ENGINES)
    parser.add_argument("--network", required=True)
    parser.add_argument("--frame", required=True)
    parser.add_argument("--scales", required=True)
    parser.add_argument("--size", nargs=2, type=int, default=[1920, 1080])
    parser.add_argument("--without-phases", action="store_true")
    parser.add_argument("--filtered", help="file to write the filtered planes to")
    o = parser.parse_args()
    network = graphs.read(o.network, not o.without_phases)
    scales = json.loads(Path(o.scales).read_text())
    if o.filtered:
        planes = network.planes[0]
        run = make(o.name, network, scales, planes, 1, inputs(o.frame, *o.size, planes))
        run()
        planes = [np.floor(np.asarray(r).ravel() + 0.5) for r in run.result()]
        np.concatenate(planes).astype(np.uint8).tofile(o.filtered)
        del run
    print(json.dumps({"engine": o.name}), flush=True)
    made = run = None
    for line in sys.stdin:
        planes, threads, frames = line.split()
        if made != (planes, threads):
            # One at a time: each holds all its feature maps.
            run = None
            feeds = inputs(o.frame, *o.size, planes)
            run = make(o.name, network, scales, planes, int(threads), feeds)
            made = (planes, threads)
        times = []
        for _ in range(int(frames)):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()
