"""The leoam command as scripts use it: forms of output, exit status, interruption.

usage: cli_test.py LEOAM WRITE_TINY_MODEL
"""
import json
import math
import os
import pathlib
import pty
import signal
import subprocess
import sys
import tempfile
import time
import unittest

LEOAM, WRITE_TINY_MODEL = sys.argv[1:3]
FOLDER = tempfile.TemporaryDirectory()
MODEL = os.path.join(FOLDER.name, "tiny.gguf")


def run(*arguments, text=None, check=True):
    done = subprocess.run([LEOAM, *arguments], input=text, capture_output=True, text=True, timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(f"{arguments}: exit {done.returncode}: {done.stderr}")
    return done


def run_json(*arguments, text=None):
    """Exactly one JSON object on standard output."""
    out = run(*arguments, "--json", text=text).stdout
    assert out.endswith("\n") and out.count("\n") == 1, out
    return json.loads(out)


def write(name, content):
    path = os.path.join(FOLDER.name, name)
    pathlib.Path(path).write_text(content, encoding="utf-8")
    return path


class Forms(unittest.TestCase):
    def test_doctor(self):
        self.assertIn("cpu.chosen", run_json("doctor"))

    def test_info(self):
        info = run_json("info", MODEL, "--kv", "f32", "--context", "1024")
        self.assertEqual(info["architecture"], "llama")
        self.assertEqual(info["plan"]["context_tokens"], 1024)
        self.assertIn("general.architecture", run_json("info", MODEL, "--metadata")["metadata"])

    def test_tokenize(self):
        words = "hello, wörld 🙂"
        for result in (run_json("tokenize", MODEL, "-", text=words),
                       run_json("tokenize", MODEL, "--text-file", write("words", words))):
            self.assertEqual(set(result), {"tokens", "pieces"})
            self.assertEqual(len(result["tokens"]), len(result["pieces"]))
        marked = run_json("tokenize", MODEL, "-", text="<|im_start|>")["tokens"]
        special = run_json("tokenize", MODEL, "--special", "-", text="<|im_start|>")["tokens"]
        self.assertGreater(len(marked), 1)
        self.assertEqual(len(special), 1)

    def test_eval(self):
        tokens = write("tokens.json", json.dumps([i * 7 % 256 for i in range(40)]))
        result = run_json("eval", MODEL, "--tokens-file", tokens, "--logits-at", "0,39", "--top", "5")
        self.assertEqual(result["n_tokens"], 40)
        self.assertAlmostEqual(result["perplexity"], math.exp(result["mean_nll"]), places=6)
        self.assertEqual(set(result["rows"]), {"0", "39"})
        row = result["rows"]["39"]
        self.assertEqual(len(row["top"]), 5)
        self.assertEqual(row["logprob"], sorted(row["logprob"], reverse=True))
        half = run_json("eval", MODEL, "--tokens-file", tokens, "--tokens", "20", "--kv", "f32")
        self.assertEqual(half["n_tokens"], 20)
        self.assertEqual(half["rows"], {})
        self.assertGreater(run_json("eval", MODEL, "--text-file", write("t", "some text"))["n_tokens"], 1)

    def test_generate(self):
        common = ("generate", MODEL, "--max-tokens", "12", "--ignore-end")
        first = run_json(*common, "--prompt", "once upon")
        self.assertEqual(len(first["tokens"]), 12)
        self.assertEqual(first["finish"], "length")
        self.assertEqual(first["stats"]["generated_tokens"], 12)
        self.assertEqual(first["tokens"], run_json(*common, "--prompt-file", write("p", "once upon"))["tokens"])
        ids = run_json("tokenize", MODEL, "--bos", "-", text="once upon")["tokens"]
        self.assertEqual(first["tokens"], run_json(*common, "--tokens-file", write("i", json.dumps(ids)))["tokens"])
        drawn = [run_json(*common, "--prompt", "x", "--temperature", "2", "--seed", seed)["tokens"]
                 for seed in ("1", "1", "2")]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])

    def test_ask(self):
        document = write("document", "The sky is green. " * 20)
        result = run_json("ask", MODEL, "--document", document, "What is green?", "--max-tokens", "5")
        self.assertGreater(result["document_tokens"], 50)
        self.assertGreater(result["kv_bytes"], 0)
        words = run("ask", MODEL, "--document", document, "What?", "--max-tokens", "5").stdout
        self.assertRegex(words.splitlines()[-1], r"^\[document \d+ tokens, first token after .* tokens/s, KV .*\]$")

    def test_chat(self):
        out = run("chat", MODEL, "--json", "--max-tokens", "4", text="one\ntwo\n").stdout
        answers = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(len(answers), 2)
        # The second turn computes what is new only.
        self.assertLess(answers[1]["stats"]["prompt_tokens"], 60)

    def test_bench(self):
        result = run_json("bench", MODEL, "--prompt", "16", "--generate", "4", "--depth", "0,64", "--repeat", "1")
        self.assertEqual([row["depth"] for row in result["rows"]], [0, 64])
        for row in result["rows"]:
            for key in ("prefill_tokens_per_second", "decode_tokens_per_second", "bandwidth_bytes_per_second",
                        "bandwidth_share", "decode_bytes_read"):
                self.assertGreater(row[key], 0, key)


class Failures(unittest.TestCase):
    def expect(self, status, fragment, *arguments, text=None):
        done = run(*arguments, text=text, check=False)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(fragment, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_usage_is_2(self):
        for arguments in ((), ("fly",), ("generate", MODEL), ("generate",), ("tokenize", MODEL),
                          ("generate", MODEL, "--prompt", "a", "--prompt-file", "b"),
                          ("ask", MODEL, "question"), ("bench", MODEL, "--repeat", "0"),
                          ("generate", MODEL, "--prompt", "a", "--max-tokens", "0"),
                          ("generate", MODEL, "--prompt", "a", "--kv", "f8"),
                          ("generate", MODEL, "--prompt", "a", "--kv-budget", "12 parsecs")):
            self.assertEqual(run(*arguments, check=False).returncode, 2, arguments)

    def test_an_unknown_command_is_named(self):
        self.expect(2, "fly", "fly")

    def test_help_is_0(self):
        self.assertIn("generate", run("--help").stdout)
        self.assertIn("--temperature", run("generate", "--help").stdout)

    def test_failures_are_1_with_the_reason(self):
        self.expect(1, "not_found", "info", "/no/such/model.gguf")
        self.expect(1, "", "info", FOLDER.name)
        self.expect(1, "corrupt", "info", write("bad.gguf", "this is no model"))
        self.expect(1, "/no/file", "ask", MODEL, "--document", "/no/file", "why?")
        self.expect(1, "array", "eval", MODEL, "--tokens-file", write("bad.json", "{}"))
        self.expect(1, "token", "eval", MODEL, "--tokens-file", write("big.json", "[99999]"))
        self.expect(1, "policy", "generate", MODEL, "--prompt", "a", "--policy", "psychic")
        self.expect(1, "top_p", "generate", MODEL, "--prompt", "a", "--temperature", "1", "--top-p", "7")
        self.expect(1, "no_space", "eval", MODEL, "--text-file", write("long", "word " * 300),
                    "--kv-budget", "16KiB", "--json")

    def test_a_full_disk_is_a_failure(self):
        if os.path.exists("/dev/full"):
            for arguments in (["doctor", "--json"], ["--help"], ["generate", MODEL, "--prompt", "a", "--ignore-end"]):
                with open("/dev/full", "w") as full:
                    done = subprocess.run([LEOAM, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60)
                self.assertEqual(done.returncode, 1, arguments)
                self.assertIn(b"cannot write", done.stderr)


class Interruption(unittest.TestCase):
    def test_ctrl_c_ends_a_generation_cleanly(self):
        process = subprocess.Popen([LEOAM, "generate", MODEL, "--prompt", "a", "--ignore-end", "--max-tokens", "2000",
                                    "--context", "1000000", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.15)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        if process.returncode == -signal.SIGINT:
            self.skipTest("interrupted before the generation began")
        self.assertEqual(process.returncode, 0)
        self.assertIn(json.loads(out)["finish"], ("cancelled", "length"))

    def test_progress_goes_to_a_terminal_only(self):
        self.assertEqual(run("generate", MODEL, "--prompt", "a", "--max-tokens", "1", "--json").stderr, "")
        leader, follower = pty.openpty()
        done = subprocess.run([LEOAM, "generate", MODEL, "--prompt", "a " * 300, "--max-tokens", "1", "--json"],
                              stdout=subprocess.PIPE, stderr=follower, timeout=60)
        os.close(follower)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"load [", os.read(leader, 65536))
        json.loads(done.stdout)


if __name__ == "__main__":
    subprocess.run([WRITE_TINY_MODEL, MODEL], check=True)
    unittest.main(argv=sys.argv[:1])
