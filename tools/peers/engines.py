#!/usr/bin/env python3
"""Times Sidelight's filter and inference engines that run the same network, in turns.

    engines.py --tool TOOL --libtorch PROGRAM --model MODEL.slm [--model-i8 MODEL.slm]
        --pictures FOLDER --work FOLDER --out RESULT.json

Every engine is a process of its own (engine.py, libtorch.cpp, `sidelight-tools time-filter`) that is
asked for one frame after the other: A B C ... A B C ..., so that what else the machine does hits all
alike; medians over the rounds count. Before, each filters the frame once and the outcome is compared
with Sidelight's. docs/evaluation.md says how to read the table.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime

import engine
import graphs

HERE = Path(__file__).parent
PACKAGES = ["openvino", "onnxruntime", "ncnn", "torch"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def busy(pid):
    """Ticks of all cores' work, less those of a process."""
    cores = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    own = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    idle = cores[3] + cores[4]
    return sum(cores) - idle - sum(map(int, own))


def progress(text):
    if sys.stderr.isatty():
        print(f"\r{text:60}", end="", file=sys.stderr, flush=True)


class Process:
    """One engine."""

    def __init__(self, name, command, filtered):
        self.name, self.filtered, self.command = name, filtered, command
        environment = os.environ | engine.ENVIRONMENT
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [str(c) for c in command], stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.ready = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} has ended: {shlex.join(map(str, self.command))}")
        return json.loads(line)

    def time(self, planes, threads):
        """Milliseconds of a frame, and how many cores other processes took meanwhile."""
        before, start = busy(self.process.pid), time.monotonic()
        print(planes, threads, 1, file=self.process.stdin, flush=True)
        ms = self.answer()[0]
        after, seconds = busy(self.process.pid), time.monotonic() - start
        return ms, (after - before) / os.sysconf("SC_CLK_TCK") / seconds

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def run_onnx(model, inputs):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def difference(a, b, size, planes, border):
    """Largest in grey levels, and PSNR, over all samples but a border."""
    width, height = size
    shapes = [(height, width, border)]
    if planes == "colour":
        shapes += [(height // 2, width // 2, border // 2)] * 2
    parts, at = [], 0
    for h, w, edge in shapes:
        part = a[at : at + h * w].astype(int) - b[at : at + h * w]
        parts.append(part.reshape(h, w)[edge : h - edge, edge : w - edge].ravel())
        at += h * w
    d = np.concatenate(parts)
    mse = np.mean(d.astype(float) ** 2)
    return {"max": int(np.abs(d).max()), "psnr": 10 * np.log10(255**2 / mse) if mse else None}


def macs(ready, planes):
    """Multiply-accumulates of a frame, by the arithmetic of their layers."""
    luma, chroma = ready["luma"], ready["chroma"] if planes == "colour" else {}
    return {arithmetic: n + chroma.get(arithmetic, 0) for arithmetic, n in luma.items()}


def start(o):
    """All processes, ours first, after comparing what they make of the frame."""
    work = Path(o.work)
    work.mkdir(parents=True, exist_ok=True)
    size = [str(n) for n in o.size]
    tool = lambda *arguments: subprocess.run([o.tool, *map(str, arguments)], check=True)
    files = {n: work / n for n in ("network.json", "frame.yuv", "scales.json", "libtorch.net")}
    network_json, frame, scales, libtorch = files.values()
    tool("network", "--model", o.model, "--quality", o.quality, "--out", network_json)
    quality = o.quality if json.loads(network_json.read_text())["codec"] == "jpeg" else 30
    tool("frame", "--pictures", o.pictures, "--size", *size, "--quality", quality, "--out", frame)
    network = graphs.read(network_json, not o.without_phases)
    planes = network.planes[0]
    feeds = engine.inputs(frame, *o.size, planes)
    say("calibrating")
    scales.write_text(json.dumps(graphs.calibrate(network, feeds, run_onnx)))
    libtorch.write_bytes(graphs.libtorch_file(network))

    processes = []
    models = {"i16": o.model} | ({"i8": o.model_i8} if o.model_i8 else {})
    for arithmetic, model in models.items():
        filtered = work / f"{arithmetic}.yuv"
        command = [o.tool, "time-filter", "--model", model, "--quality", o.quality]
        command += ["--frame", frame, "--size", *size, "--cpu", o.cpu, "--filtered", filtered]
        processes.append(Process(arithmetic, command, filtered))
    if len({sum(macs(p.ready, planes).values()) for p in processes}) > 1:
        sys.exit("the two models are not of one shape")
    for name in [*engine.ENGINES, "libtorch-fp32"]:
        say(f"starting {name}")
        filtered = work / f"{name}.yuv"
        if name == "libtorch-fp32":
            command = [o.libtorch, libtorch, frame, *size, filtered]
        else:
            command = [sys.executable, HERE / "engine.py", name, "--network", network_json]
            command += ["--frame", frame, "--scales", scales, "--size", *size]
            command += ["--filtered", filtered]
            command += ["--without-phases"] if o.without_phases else []
        try:
            processes.append(Process(name, command, filtered))
        except RuntimeError as error:
            say(f"left out: {error}")

    read = lambda p: np.fromfile(p.filtered, np.uint8)
    compare = lambda a, border: difference(a, read(processes[0]), o.size, planes, border)
    edge = graphs.onnx_model(network, planes, *o.size[::-1], edge=True)
    exact = np.concatenate([np.floor(r.ravel() + 0.5) for r in run_onnx(edge, feeds)])
    differences = {"fp32, borders repeated, whole frame": compare(exact.astype(np.uint8), 0)}
    for p in processes[1:]:
        differences[p.name] = compare(read(p), network.border)
    if not o.without_phases:
        for name, d in differences.items():
            if "fp32" in name and d["max"] > 1:
                sys.exit(f"{name} is another filter: it differs by {d['max']} grey levels")
    return network, processes, differences


def peaks(o, threads):
    said = subprocess.run(
        [o.tool, "peak", "--threads", ",".join(map(str, threads))],
        stdout=subprocess.PIPE,
        check=True,
    )
    return {(p["cpu"], p["arithmetic"], p["threads"]): p["gmacs"] for p in json.loads(said.stdout)}


def measure(o, network, processes):
    """Milliseconds by planes, threads and engine, and how many of the times are disturbed: others took
    more than the cores that were left, and patience was at its end."""
    times, disturbed = {}, {}
    cores, patience = len(os.sched_getaffinity(0)), o.patience
    for planes in network.planes:
        for threads in o.threads:
            for p in processes:
                p.time(planes, threads)  # some prepare what they need only now
            of = times[planes, threads] = {p.name: [] for p in processes}
            disturbed[planes, threads] = 0
            for i in range(o.rounds):
                for p in processes:
                    progress(f"{planes}, threads: {threads}, round {i + 1} of {o.rounds}: {p.name}")
                    ms, others = p.time(planes, threads)
                    while others > max(cores - threads, 0) + 0.1 and patience > 0:
                        start = time.monotonic()
                        time.sleep(0.3)
                        ms, others = p.time(planes, threads)
                        patience -= time.monotonic() - start
                    of[p.name].append(ms)
                    disturbed[planes, threads] += others > max(cores - threads, 0) + 0.1
            said = f"{disturbed[planes, threads]} times disturbed"
            say(f"\r{planes}, threads: {threads}, {o.rounds} rounds, {said}{'':20}")
    return times, disturbed


def result(of, planes, threads, ready, peak):
    """What one frame took, and what follows from that."""
    ms = {name: median(values) for name, values in of.items()}
    ours = {name: ms.pop(name) for name in ready}
    best = lambda kind: min((v for n, v in ms.items() if n.endswith(kind)), default=None)
    ratios = lambda kind: {n: best(kind) / v if best(kind) else None for n, v in ours.items()}
    percent = {}
    for name, v in ours.items():
        # Some layers of a model of 8 bits have 16.
        work = macs(ready[name], planes).items()
        at = {a: peak.get((ready[name]["cpu"], a, threads)) for a, n in work if n}
        least = sum(n / (1e6 * at[a]) for a, n in work if n) if all(at.values()) else None
        percent[name] = least and 100 * least / v
    total = sum(macs(ready["i16"], planes).values())
    return {
        "ours_ms": ours,
        "peers_ms": ms,
        "ratio_best_fp32_peer": ratios("fp32"),
        "ratio_best_int8_peer": ratios("int8"),
        "percent_of_peak": percent,
        "gmacs": {name: total / (1e6 * v) for name, v in (ours | ms).items()},
        "samples_ms": of,
    }


def table(results, differences):
    columns = [(planes, threads) for planes, of in results.items() for threads in of]
    cells = [results[planes][threads] for planes, threads in columns]
    rows = [["ms a frame", *(f"{p}, {t} thr." for p, t in columns), "differs by at most, PSNR"]]
    number = lambda v, digits: "-" if v is None else f"{v:.{digits}f}"

    def row(name, values, digits, last=""):
        rows.append([name, *(number(v, digits) for v in values), last])

    for name in cells[0]["ours_ms"]:
        row(f"Sidelight {name}", [c["ours_ms"][name] for c in cells], 1)
    for name in cells[0]["peers_ms"]:
        d = differences[name]
        said = f"{d['max']}, {number(d['psnr'], 1)} dB"
        row(name, [c["peers_ms"][name] for c in cells], 1, said)
    row("times disturbed, of all", [c["disturbed"] for c in cells], 0)
    for name in cells[0]["ours_ms"]:
        for kind in ("fp32", "int8"):
            ratios = [c[f"ratio_best_{kind}_peer"][name] for c in cells]
            row(f"best {kind} peer / {name}", ratios, 2)
        row(f"% of peak, {name}", [c["percent_of_peak"][name] for c in cells], 0)
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(r, widths)) + " |" for r in rows]
    return "\n".join([lines[0], "|" + "---|" * len(widths), *lines[1:]])


def machine():
    cpu = dict(
        (k.strip(), v.strip())
        for k, _, v in (l.partition(":") for l in Path("/proc/cpuinfo").read_text().splitlines())
    )
    wanted = ("sse4_1", "avx2", "fma", "avx512f", "avx512bw", "avx512_vnni", "avx_vnni")
    return {
        "cpu": cpu.get("model name"),
        "family_model_stepping": [cpu.get(k) for k in ("cpu family", "model", "stepping")],
        "flags": [f for f in cpu.get("flags", "").split() if f in wanted],
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "load": os.getloadavg(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tool", required=True, help="sidelight-tools")
    parser.add_argument("--libtorch", required=True, help="what libtorch.cpp is compiled to")
    parser.add_argument("--model", required=True, help="model file, 16-bit arithmetic")
    parser.add_argument("--model-i8", help="another of the same shape, whose arithmetic has 8 bits")
    parser.add_argument("--quality", type=int, default=30, help="JPEG quality, or HEVC's QP")
    parser.add_argument("--pictures", required=True, help="folder of PNG that the frame is made of")
    parser.add_argument("--size", nargs=2, type=int, default=[1920, 1080], help="even numbers")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--patience",
        type=float,
        default=60,
        help="seconds to spend on repeating times that other processes disturbed",
    )
    parser.add_argument("--cpu", default="best", help="Sidelight's highest instruction set")
    parser.add_argument(
        "--without-phases",
        action="store_true",
        help="the engines' networks have no phase bias: less work, another result",
    )
    parser.add_argument("--work", required=True, help="folder for what the engines are given")
    parser.add_argument("--out", required=True, help="JSON file to write")
    o = parser.parse_args()

    network, processes, differences = start(o)
    for name, d in differences.items():
        say(f"{name}: differs by at most {d['max']}, {d['psnr'] or float('inf'):.1f} dB")
    ready = {p.name: p.ready for p in processes if "cpu" in p.ready}
    # Whatever else runs can only lower it.
    say("measuring the CPU's peak")
    before, load = peaks(o, o.threads), os.getloadavg()
    times, disturbed = measure(o, network, processes)
    peak = {k: max(v, before[k]) for k, v in peaks(o, o.threads).items()}
    for p in processes:
        p.end()

    results = {}
    for (planes, threads), of in times.items():
        of = result(of, planes, threads, ready, peak)
        of["disturbed"] = disturbed[planes, threads]
        results.setdefault(planes, {})[str(threads)] = of
    text = table(results, differences)
    describe = ["git", "-C", HERE, "describe", "--always", "--dirty"]
    said = subprocess.run(describe, capture_output=True, text=True).stdout.strip()
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": said or "unknown",
        "command": shlex.join(sys.argv),
        "machine": machine() | {"load_before": load},
        "engines": {name: importlib.metadata.version(name) for name in PACKAGES},
        "model": {"i16": o.model, "i8": o.model_i8},
        "size": o.size,
        "rounds": o.rounds,
        "phases": not o.without_phases,
        "kernels": {name: r["cpu"] for name, r in ready.items()},
        "macs": {name: {p: macs(r, p) for p in network.planes} for name, r in ready.items()},
        "peak_gmacs": {f"{cpu} {a}, {t} threads": v for (cpu, a, t), v in peak.items()},
        "differences": differences,
        "results": results,
        "table": text,
    }
    Path(o.out).write_text(json.dumps(report, indent=1))
    print(f"{report['machine']['cpu']}, {o.size[0]}x{o.size[1]}, {o.model}")
    print(f"medians of {o.rounds} rounds; load average {load[0]:.1f} to {os.getloadavg()[0]:.1f}")
    print(text)


if __name__ == "__main__":
    main()
