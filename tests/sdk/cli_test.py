"""The leoam command as scripts use it: forms of output, exit status, interruption.

usage: cli_test.py LEOAM WRITE_TINY_MODEL
"""
import fcntl
import json
import math
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import termios
import time
import unittest

from command import FOLDER, LEOAM, expect_failure, path_of, run, run_json, write

WRITE_TINY_MODEL = sys.argv[2]
MODEL = path_of("tiny.gguf")


class Forms(unittest.TestCase):
    def test_doctor(self):
        facts = run_json("doctor", "--no-io-uring", "--disk-budget", "3 MiB")
        self.assertIn("cpu.chosen", facts)
        self.assertEqual(facts["kv.disk_budget_bytes"], str(3 << 20))
        self.assertTrue(facts["io.io_uring"].startswith("no: "))
        self.assertIn("encrypted", facts["kv.scratch"])
        folder = os.path.join(FOLDER.name, "other")
        self.assertEqual(run_json("doctor", "--state-dir", folder)["state.folder"], folder)
        self.assertFalse(os.path.exists(folder))

    def test_info(self):
        info = run_json("info", MODEL, "--kv", "f32", "--context", "1024")
        self.assertEqual(info["architecture"], "llama")
        self.assertEqual(info["plan"]["context_tokens"], 1024)
        self.assertIn("general.architecture", run_json("info", MODEL, "--metadata")["metadata"])

    def test_plan(self):
        plan = run_json("plan", MODEL, "--context", "512", "--host-budget", "64KiB")
        self.assertEqual(plan["context_tokens"], 512)
        self.assertGreater(plan["kv_bytes"], 64 << 10)
        self.assertIn("kv_bytes", run("plan", MODEL).stdout)
        self.assertEqual(plan["session_file_bytes"], 0)
        self.assertIn(plan["piece_tokens"], (256, 512, 1024, 2048))
        self.assertEqual(plan["kv_type"], "f16")
        self.assertIn(run_json("plan", MODEL, "--kv", "auto")["kv_type"], ("f16", "k8v8", "k8v4"))
        self.assertLess(run_json("plan", MODEL, "--kv", "int8")["kv_token_bytes"], plan["kv_token_bytes"])
        saved = run_json("plan", MODEL, "--context", "512", "--host-budget", "64KiB", "--saved")
        self.assertGreater(saved["session_file_bytes"], saved["kv_bytes"])
        self.assertGreater(saved["disk_written_bytes"], plan["disk_written_bytes"])

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
        exact = run_json("eval", MODEL, "--tokens-file", tokens, "--kv", "f32")["mean_nll"]
        of_type = {name: run_json("eval", MODEL, "--tokens-file", tokens, "--kv", name)["mean_nll"]
                   for name in ("f16", "int8")}
        self.assertLess(abs(of_type["int8"] - exact), 0.01 * exact)
        self.assertLess(abs(of_type["f16"] - exact), abs(of_type["int8"] - exact))
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
        self.assertEqual(result["kv_type"], "f16")
        chosen = run_json("ask", MODEL, "--document", document, "What is green?", "--max-tokens", "5", "--kv", "auto",
                          "--host-budget", "96KiB", "--context", "2048")
        self.assertEqual(chosen["kv_type"], "k8v4")
        self.assertGreater(result["document_tokens"], 50)
        self.assertGreater(result["kv_bytes"], 0)
        words = run("ask", MODEL, "--document", document, "What?", "--max-tokens", "5").stdout
        self.assertRegex(words.splitlines()[-1], r"^\[document \d+ tokens, first token after .* tokens/s, KV .*\]$")

    def test_ask_with_a_policy(self):
        document = write("document", "The sky is green, and the sea is not. " * 40)
        # The first two layers attend to everything.
        model = path_of("deep.gguf")
        subprocess.run([WRITE_TINY_MODEL, model, "llama", "5"], check=True)
        ask = ("ask", model, "--document", document, "What?", "--max-tokens", "5")
        self.assertIsNone(run_json(*ask)["selection"])
        result = run_json(*ask, "--policy", "leoam", "--budget-tokens", "256")
        self.assertLess(result["selection"]["attended_share"], 0.9)
        self.assertLess(result["selection"]["mean_coverage"], 1)
        self.assertNotIn("captured_mass", result["selection"])
        audited = run_json(*ask, "--policy", "leoam", "--budget-tokens", "256", "--audit")
        self.assertEqual(audited["tokens"], result["tokens"])
        self.assertLess(audited["selection"]["captured_mass"], 1)
        self.assertGreater(audited["selection"]["captured_mass"], result["selection"]["attended_share"] / 2)
        floor = run_json(*ask, "--policy", "leoam", "--budget-tokens", "256", "--coverage-floor", "0.95")
        self.assertGreaterEqual(floor["selection"]["mean_coverage"], 0.95)
        self.assertGreater(floor["selection"]["attended_share"], result["selection"]["attended_share"])
        words = run(*ask, "--policy", "leoam", "--budget-tokens", "256").stdout
        self.assertRegex(words.splitlines()[-1], r"of RAM, .* % of it attended to, .* of attention certainly in it\]$")

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
            self.assertEqual(row["disk_bytes_read"] + row["disk_bytes_written"], 0)
            self.assertNotIn("floor_us", row)

    def test_bench_beyond_the_host_budget(self):
        row = run_json("bench", MODEL, "--prompt", "0", "--generate", "4", "--depth", "400", "--repeat", "1",
                       "--host-budget", "80KiB", "--plaintext-scratch")["rows"][0]
        for key in ("disk_bytes_read_per_token", "kv_bytes_read_per_token", "disk_bytes_per_second", "floor_us",
                    "floor_ratio", "resident_tokens_per_second", "stall_us_per_token"):
            self.assertGreater(row[key], 0, key)


def counter():
    counter.n = getattr(counter, "n", 0) + 1
    return counter.n


class Sessions(unittest.TestCase):
    """Sessions that live in files: chat and ask go on where they stopped."""

    def setUp(self):
        self.file = os.path.join(FOLDER.name, f"session{counter()}")
        self.key = write("key", "00112233445566778899aabbccddeeff" * 2 + "\n")

    def chat(self, line, *arguments):
        out = run("chat", MODEL, "--session", self.file, "--json", "--max-tokens", "4", *arguments, text=line).stdout
        return [json.loads(answer) for answer in out.splitlines()]

    def test_chat_goes_on(self):
        for key in (("--plaintext",), ("--key-file", self.key), ("--passphrase-file", write("pass", "open it\n"))):
            self.file += "x"
            first = self.chat("one\ntwo\n", *key)
            self.assertEqual(os.stat(self.file).st_mode & 0o777, 0o600)
            second = self.chat("three\n", *key)[0]
            self.assertGreater(second["session_tokens"], first[-1]["session_tokens"])
            # What the file has is not computed again: the turn's tokens are all there is to do.
            # (The last token drawn before had no KV yet.)
            self.assertEqual(second["session_tokens"] - first[-1]["session_tokens"],
                             second["stats"]["prompt_tokens"] - 1 + second["stats"]["generated_tokens"])
            info = run_json("session", self.file, "info", *(key if key != ("--plaintext",) else ()))
            self.assertEqual(info["encrypted"], key != ("--plaintext",))
            self.assertEqual(info["tokens"], second["session_tokens"])
            self.assertEqual(info["generation"], 3)
        salt = self.file + ".salt"
        self.assertEqual(os.stat(salt).st_mode & 0o777, 0o600)
        run("session", self.file, "delete")
        self.assertFalse(os.path.exists(self.file) or os.path.exists(salt))

    def test_a_passphrase_is_asked_for_on_the_terminal(self):
        leader, follower = pty.openpty()
        process = subprocess.Popen([LEOAM, "chat", MODEL, "--session", self.file, "--max-tokens", "2"], stdin=follower,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(follower)

        def expect(words):
            seen = b""
            while words not in seen:
                ready, _, _ = select.select([leader], [], [], 60)
                self.assertTrue(ready, seen)
                seen += os.read(leader, 1024)
            time.sleep(0.05)  # what is typed before the terminal is quiet is thrown away
            return seen

        expect(b"Passphrase of")
        time.sleep(0.3)
        os.write(leader, b"secret words\n")
        self.assertNotIn(b"secret", expect(b"again"))
        time.sleep(0.3)
        os.write(leader, b"secret words\n")
        time.sleep(0.3)
        os.write(leader, b"hello\n\x04")
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, errors)
        os.close(leader)
        self.assertTrue(self.chat("more\n", "--passphrase-file", write("said", "secret words")))

    def test_a_document_is_read_once(self):
        document = write("long", "The sky is green. " * 15)
        ask = ("ask", MODEL, "--document", document, "--max-tokens", "3")
        saved = (*ask, "--session", self.file, "--key-file", self.key)
        first = run_json(*saved, "What is green?")
        self.assertEqual(first["reused_tokens"], 0)
        size = os.path.getsize(self.file)
        second = run_json(*saved, "Why is that so?")
        self.assertGreater(second["reused_tokens"], second["document_tokens"] - 8)
        self.assertLess(second["stats"]["prompt_tokens"], 40)
        self.assertEqual(os.path.getsize(self.file), size)
        self.assertEqual(second["tokens"], run_json(*ask, "Why is that so?")["tokens"])

    def test_tokens_go_out_and_in(self):
        self.chat("one\n", "--plaintext")
        tokens = run_json("session", self.file, "export")["tokens"]
        self.assertEqual(run("session", self.file, "export").stdout.split(), [str(token) for token in tokens])
        copy = self.file + ".copy"
        run_json("session", copy, "import", MODEL, "--key-file", self.key, "--tokens-file",
                 write("log", json.dumps({"tokens": tokens})))
        self.assertEqual(run_json("session", copy, "export", "--key-file", self.key)["tokens"], tokens)

    def test_a_flipped_bit_is_found_and_repaired(self):
        key = ("--key-file", self.key)
        self.chat("a few words that fill more than one page of the cache, so that there is something to lose\n", *key)
        self.assertTrue(run_json("session", self.file, "verify", *key)["whole"])
        before = pathlib.Path(self.file).read_bytes()
        for at in range(len(before) // 16, len(before), 4096):
            damaged = bytearray(before)
            damaged[at] ^= 1
            pathlib.Path(self.file).write_bytes(damaged)
            done = run("session", self.file, "verify", "--json", *key, check=False)
            verdict = json.loads(done.stdout)
            self.assertEqual(done.returncode, 0 if verdict["whole"] else 1)
            if verdict["bad_pages"]:
                break
        self.assertGreater(verdict["bad_pages"], 0)
        self.assertGreater(verdict["recompute_tokens"], 0)
        self.assertTrue(verdict["findings"])
        self.assertIn("damaged", done.stderr)
        self.assertEqual(len(self.chat("more\n", *key)), 1)
        self.assertTrue(run_json("session", self.file, "verify", *key)["whole"])
        compacted = run_json("session", self.file, "compact", *key)
        self.assertLessEqual(compacted["file_bytes"], compacted["before_bytes"])

    def test_failures_have_their_names(self):
        self.chat("one\n", "--key-file", self.key)

        def fails(name, *arguments):
            done = run(*arguments, text="a\n", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
            self.assertIn(name, done.stderr)

        other = write("other", "ff" * 32)
        fails("invalid_argument", "session", self.file, "info")
        fails("invalid_argument", "session", self.file, "verify", "--key-file", other)
        fails("not_found", "session", self.file + ".gone", "info")
        fails("expected a key", "session", self.file, "info", "--key-file", write("short", "abc"))
        fails("needs --passphrase-file", "chat", MODEL, "--session", self.file + ".new")
        fails("not the salt", "session", self.file, "info", "--passphrase-file",
              (write(os.path.basename(self.file) + ".salt", "argon2id v=19 m=99999999 t=1 p=1 salt=00"), other)[1])
        with open(self.file, "rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            fails("busy", "session", self.file, "info", "--key-file", self.key)
            fails("busy", "session", self.file, "delete")
        for arguments in (("session", self.file), ("session", self.file, "fly"), ("chat", MODEL, "--plaintext"),
                          ("session", self.file, "info", "--plaintext", "--key-file", self.key)):
            self.assertEqual(run(*arguments, check=False).returncode, 2, arguments)


class Failures(unittest.TestCase):
    def expect(self, *arguments, **more):
        expect_failure(self, *arguments, **more)

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
                    "--kv-budget", "16KiB", "--disk-budget", "1", "--json")

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
        shown = self.shown("generate", MODEL, "--prompt", "a " * 300, "--max-tokens", "1", "--json")
        self.assertIn(b"load [", shown)

    def test_a_save_shows_progress(self):
        path = os.path.join(FOLDER.name, "progress")
        document = write("progress.txt", "words " * 60)
        ask = ["ask", MODEL, "--document", document, "--max-tokens", "1", "--json", "--session", path]
        self.assertIn(b"save [##############################] ", self.shown(*ask, "--plaintext", "why?"))

    def shown(self, *arguments):
        """What a terminal shows beside one JSON object on standard output."""
        leader, follower = pty.openpty()
        done = subprocess.run([LEOAM, *arguments], stdout=subprocess.PIPE, stderr=follower, timeout=60)
        os.close(follower)
        shown = os.read(leader, 65536)
        os.close(leader)
        self.assertEqual(done.returncode, 0, shown)
        json.loads(done.stdout)
        return shown


if __name__ == "__main__":
    subprocess.run([WRITE_TINY_MODEL, MODEL], check=True)
    unittest.main(argv=sys.argv[:1])
