#!/usr/bin/env python3
"""Compares the leoam command with llama.cpp (PyPI package `llama-cpp-python` 0.3.36, built from source) on one machine.

    tests/bench/compare_peer.py --leoam build/release/bin/leoam --peer-python venv/bin/python \\
        --model models/SmolLM2-135M-Instruct.Q4_1.gguf [--markdown FILE]

Both engines take turns in every round, so a slow minute of the machine meets both; figures are medians over the rounds.
The peer is measured without and with its flash attention and the better median of the two counts. Needs Python's
standard library only; the peer's Python runs peer_worker.py.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
MIB = 1024 * 1024
DEPTHS = (0, 4096)
PROMPT_TOKENS, GENERATE_TOKENS = 512, 64
QUESTION = "Under which conditions may I convey verbatim copies of the source code?"

# name: title, unit, target as (kind, bound); kinds: "ratio" of speeds at least, "time" share of the peer's at most,
# "absolute" at most.
FIGURES = {
    "decode_0": ("decode, empty context", "tokens/s", ("ratio", 1.0)),
    "decode_4096": ("decode at depth 4,096", "tokens/s", ("ratio", 2.0)),
    "prefill_0": ("prefill of 512, empty context", "tokens/s", ("ratio", 1.5)),
    "prefill_4096": ("prefill of 512 at depth 4,096", "tokens/s", ("ratio", 2.0)),
    "demo": ("the demo's whole prompt", "s", ("time", 0.4)),
    "first_token": ("load to first token of 10 tokens", "s", ("absolute", 0.5)),
    "memory": ("peak memory - file - KV", "MiB", ("absolute", 200.0)),
}


class Leoam:
    def __init__(self, binary, model, threads):
        self.binary, self.model, self.threads = binary, model, threads

    def run(self, *arguments):
        """The JSON that the command prints, its wall time and its peak memory."""
        begin = time.perf_counter()
        process = subprocess.Popen([self.binary, *arguments, "--json"], stdout=subprocess.PIPE, text=True)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{self.binary} {' '.join(arguments)}: exit status {process.returncode}")
        return json.loads(output), seconds, usage.ru_maxrss * 1024

    def bench(self):
        """{"decode_0": tokens a second, ...}"""
        result, _, _ = self.run("bench", self.model, "--prompt", str(PROMPT_TOKENS), "--generate", str(GENERATE_TOKENS),
                                "--depth", ",".join(map(str, DEPTHS)), "--repeat", "1", "--threads", str(self.threads))
        figures = {}
        for row in result["rows"]:
            figures[f"prefill_{row['depth']}"] = row["prefill_tokens_per_second"]
            figures[f"decode_{row['depth']}"] = row["decode_tokens_per_second"]
        return figures

    def generate_one(self, tokens):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(tokens, file)
            file.flush()
            return self.run("generate", self.model, "--tokens-file", file.name, "--max-tokens", "1", "--temperature",
                            "0", "--threads", str(self.threads))


class Peer:
    def __init__(self, python, model, threads):
        self.process = subprocess.Popen([python, str(HERE / "peer_worker.py"), model, str(threads)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, op, **arguments):
        self.process.stdin.write(json.dumps({"op": op, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the peer's worker ended")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Samples:
    """What was measured: (figure, engine) -> values, engine one of leoam, peer, peer_flash."""

    def __init__(self):
        self.values = {}

    def add(self, figure, engine, value):
        self.values.setdefault((figure, engine), []).append(value)
        print(f"  {figure:14} {engine:10} {value:.4g}", file=sys.stderr, flush=True)

    def median(self, figure, engine):
        values = self.values.get((figure, engine))
        return statistics.median(values) if values else None

    def best_peer(self, figure):
        medians = [m for m in (self.median(figure, "peer"), self.median(figure, "peer_flash")) if m is not None]
        if not medians:
            return None
        return max(medians) if FIGURES[figure][1] == "tokens/s" else min(medians)


def measure_speed(leoam, peer, samples):
    for figure, value in leoam.bench().items():
        samples.add(figure, "leoam", value)
    for depth in DEPTHS:
        for flash, engine in ((False, "peer"), (True, "peer_flash")):
            for op, n in (("prefill", PROMPT_TOKENS), ("decode", GENERATE_TOKENS)):
                answer = peer.ask(op, flash=flash, depth=depth, n=n)
                samples.add(f"{op}_{depth}", engine, answer["tokens_per_second"])


def measure_demo(leoam, peer, samples, tokens, kv_token_bytes, both_settings):
    result, _, peak_bytes = leoam.generate_one(tokens)
    samples.add("demo", "leoam", result["stats"]["time_to_first_token_us"] / 1e6)
    file_bytes = os.path.getsize(leoam.model)
    samples.add("memory", "leoam", (peak_bytes - file_bytes - kv_token_bytes * len(tokens)) / MIB)
    faster_flash = (samples.median("demo", "peer_flash") or 0) < (samples.median("demo", "peer") or 0)
    for flash, engine in ((False, "peer"), (True, "peer_flash")):
        if both_settings or flash == faster_flash:
            samples.add("demo", engine, peer.ask("tokens", flash=flash, tokens=tokens)["seconds"])


def measure_first_token(leoam, peer, samples, tokens):
    samples.add("first_token", "leoam", leoam.generate_one(tokens)[1])
    samples.add("first_token", "peer", peer.ask("first_token", n=len(tokens))["seconds"])


def table(samples, machine):
    lines = [f"Medians. Machine: {machine}", "",
             "| figure | leoam | peer | peer, flash attention | leoam to better peer | target | reached |",
             "|---|---|---|---|---|---|---|"]
    show = lambda value, digits=4: "-" if value is None else f"{value:.{digits}g}"
    for figure, (title, unit, (kind, bound)) in FIGURES.items():
        ours, other = samples.median(figure, "leoam"), samples.best_peer(figure)
        if ours is None:
            continue
        ratio = ours / other if other else None
        if kind == "ratio":
            target, reached = f">= {bound:g}x", ratio is not None and ratio >= bound
        elif kind == "time":
            target, reached = f"<= {bound:g}x", ratio is not None and ratio <= bound
        else:
            target, reached = f"<= {bound:g} {unit}", ours <= bound
        cells = [f"{title}, {unit}", show(ours), show(samples.median(figure, "peer")),
                 show(samples.median(figure, "peer_flash")), show(ratio, 3) + ("x" if ratio else ""), target,
                 "yes" if reached else "no"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def machine_name(threads):
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0] if names else 'unknown'}, {len(names)} CPUs, {threads} threads for each engine"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leoam", required=True, help="the leoam command")
    parser.add_argument("--peer-python", required=True, help="a Python that has llama-cpp-python and jinja2")
    parser.add_argument("--model", required=True)
    parser.add_argument("--document", default="/usr/share/common-licenses/GPL-3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", choices=("speed", "demo", "first_token"), help="measure one group")
    parser.add_argument("--markdown", help="also write the table to this file")
    arguments = parser.parse_args()

    leoam = Leoam(arguments.leoam, arguments.model, arguments.threads)
    peer = Peer(arguments.peer_python, arguments.model, arguments.threads)
    samples = Samples()
    demo = peer.ask("demo_prompt", document=arguments.document, question=QUESTION)
    wanted = lambda group: arguments.only in (None, group)
    if wanted("first_token"):
        leoam.generate_one(demo["tokens"][:10])  # warms the file cache
        for _ in range(arguments.repeat):
            measure_first_token(leoam, peer, samples, demo["tokens"][:10])
    if wanted("speed"):
        for _ in range(arguments.repeat):
            measure_speed(leoam, peer, samples)
    if wanted("demo"):
        for round_index in range(arguments.repeat):
            measure_demo(leoam, peer, samples, demo["tokens"], demo["kv_token_bytes"], both_settings=round_index == 0)
    peer.close()

    text = table(samples, machine_name(arguments.threads))
    print(text)
    if arguments.markdown:
        pathlib.Path(arguments.markdown).write_text(text)


if __name__ == "__main__":
    main()
