#!/usr/bin/env python3
"""Counts what the convolutions' innermost loops cost, from the compiler's own assembly.

    benches/instructions.py ASSEMBLY [--mca LLVM_MCA --cpu NAME...]

For each level and type of products it takes the loop that makes the most of them an instruction and
prints its instructions, its multiply-accumulates (of 8 or 16 bits) and their ratio; with --mca also
what llvm-mca expects of each CPU, in multiply-accumulates a cycle, from its tables: a model, which
knows no caches, and not a measurement. `make bench-instructions` runs it.
"""

import argparse
import re
import subprocess
import sys

# Multiply-accumulates of an instruction by its name and the type of its destination.
PRODUCTS = {
    "sdot": {"4s": ("8 bits", 16)},
    "smlal": {"8h": ("8 bits", 8), "4s": ("16 bits", 4)},
    "smull": {"8h": ("8 bits", 8), "4s": ("16 bits", 4)},
    "pmaddubsw": {"xmm": ("8 bits", 16), "ymm": ("8 bits", 32)},
    "pmaddwd": {"xmm": ("16 bits", 8), "ymm": ("16 bits", 16)},
    "pdpbusd": {"ymm": ("8 bits", 32), "zmm": ("8 bits", 64)},
    "pdpwssd": {"ymm": ("16 bits", 16), "zmm": ("16 bits", 32)},
}

FUNCTION = re.compile(r"^_ZN9sidelight.*7kernels\d+(?:x86|aarch64)\d+([A-Z0-9_]+)8conv_row3row17h\w+:")
LABEL = re.compile(r"^(\.L\w+|[A-Za-z_.$][\w.$]*):")


def products(line):
    """The type and number of an instruction's products, or None."""
    name, operands = (line.replace("{vex}", "").split(maxsplit=1) + [""])[:2]
    name = name.removeprefix("v").removesuffix("2")
    by_type = PRODUCTS.get(name)
    if not by_type:
        return None
    destination = operands.split(",")[0] if "." in operands.split(",")[0] else operands.split(",")[-1]
    for kind, found in by_type.items():
        if kind in destination:
            return found
    return None


def loops(assembly):
    """(level, instructions) of every block of a kernel that ends with a jump to itself."""
    level, label, block = None, None, []
    for line in assembly:
        if match := FUNCTION.match(line):
            level, label, block = match[1], None, []
        elif match := LABEL.match(line):
            if not match[1].startswith(".L"):
                level = None
            label, block = match[1], []
        elif level and label and line.startswith("\t") and not line.startswith("\t."):
            instruction = line.split("//")[0].rstrip()
            if not instruction.strip() or instruction.startswith("\t#"):
                continue
            block.append(instruction)
            operands = instruction.split()
            if re.match(r"(b\.|j|cbn?z|tbn?z)", operands[0]):
                if operands[-1] == label:
                    yield level, block
                label, block = None, []


def model(mca, cpu, triple, block, count):
    """Multiply-accumulates a cycle that llvm-mca expects, or - for a CPU without the instructions."""
    rounds = 200
    command = [mca, f"-mtriple={triple}", f"-mcpu={cpu}", f"-iterations={rounds}", "-instruction-info=0",
               "-resource-pressure=0"]
    run = subprocess.run(command, input="\n".join(block), capture_output=True, text=True)
    cycles = re.search(r"Total Cycles:\s+(\d+)", run.stdout)
    return f"{count * rounds / int(cycles[1]):.1f}" if cycles else "-"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("assembly")
    arguments.add_argument("--mca", help="the program llvm-mca")
    arguments.add_argument("--cpu", nargs="+", default=[], help="names of LLVM's CPUs")
    options = arguments.parse_args()

    best = {}
    with open(options.assembly, encoding="utf-8") as assembly:
        for level, block in loops(assembly):
            found = [p for p in map(products, block) if p]
            for kind in {kind for kind, _ in found}:
                count = sum(n for of, n in found if of == kind)
                # Others are for narrow rows and for what a wide block leaves.
                fewest = best.get((level, kind), (0, [None]))
                if count / len(block) > fewest[0] / len(fewest[1]):
                    best[level, kind] = (count, block)
    if not best:
        sys.exit("no kernel's loop in " + options.assembly)

    triple = "x86_64" if any("x86" in line for line in open(options.assembly)) else "aarch64"
    print("| level | products | instructions | multiply-accumulates | an instruction |"
          + "".join(f" {cpu}: a cycle |" for cpu in options.cpu))
    print("|---|---|---|---|---|" + "---|" * len(options.cpu))
    for (level, kind), (count, block) in sorted(best.items()):
        cycles = [f" {model(options.mca, cpu, triple, block, count)} |" for cpu in options.cpu]
        print(f"| {level} | {kind} | {len(block)} | {count} | {count / len(block):.2f} |" + "".join(cycles))


if __name__ == "__main__":
    main()
