"""leoam bench as the judge of policies and budgets, and the pages with charts that bench and eval write.

usage: bench_test.py LEOAM WRITE_TINY_MODEL
"""
import json
import os
import re
import resource
import subprocess
import sys
import unittest
import xml.etree.ElementTree as xml

from command import LEOAM, expect_failure, path_of, run, run_json, write

MODEL = path_of("deep.gguf")  # the first two layers attend to everything
COMPARISON = ("bench", MODEL, "--policy", "exact,leoam", "--host-budget", "all,40%", "--generate", "4", "--repeat", "1")
FIELDS = ("policy", "host_budget", "host_budget_bytes", "context_tokens", "batch", "kv_type", "kv_bytes",
          "prefill_tokens_per_second", "tokens_per_second", "tokens_per_second_spread", "sequence_tokens_per_second",
          "ms_per_token", "sequences_per_step", "disk_read_bytes_per_token", "disk_reads_per_token", "stalled_share",
          "kv_read_bytes_per_token", "record_read_bytes_per_token", "code_read_bytes_per_token", "hidden_share",
          "guessed_share", "chunks_evaluated",
          "host_kv_peak_bytes", "disk_kv_bytes", "attended_share", "mean_coverage", "least_coverage", "captured_mass",
          "worst_layer", "heads", "layer_times", "samples")


def page_of(path):
    """The titles of a page's sections; the page is well-formed and needs nothing but itself."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    doctype, html = text.split("\n", 1)
    assert doctype == "<!DOCTYPE html>", doctype
    for outside in ("http", "src=", "href", "<script", "@import", "url("):
        assert outside not in text, outside
    root = xml.fromstring(html)
    for section in root.iter("section"):
        for drawing in section.iter("svg"):
            assert drawing.get("aria-label")
    return [title.text for title in root.iter("h2")], text


class Comparison(unittest.TestCase):
    def test_policies_take_turns_under_budgets(self):
        result = run_json(*COMPARISON, "--context", "300,600", "--batch", "3", timeout=280)
        for part in ("machine", "build", "model"):
            self.assertTrue(result[part])
        self.assertEqual(result["model"]["n_layers"], 6)
        self.assertEqual([(case["policy"], case["host_budget"], case["context_tokens"]) for case in result["cases"]],
                         [(policy, budget, context) for context in (300, 600) for policy in ("exact", "leoam")
                          for budget in ("all", "40%")])
        for case in result["cases"]:
            for field in FIELDS:
                self.assertIn(field, case)
            self.assertGreater(case["tokens_per_second"], 0)
            self.assertAlmostEqual(case["sequence_tokens_per_second"] * 3, case["tokens_per_second"])
            # Requests on one instance share their steps, as far as what they need at once finds room.
            if case["host_budget"] == "all":
                self.assertEqual(case["sequences_per_step"], 3)
            self.assertLessEqual(case["host_kv_peak_bytes"], case["host_budget_bytes"])
            self.assertEqual(case["disk_read_bytes_per_token"] > 0, case["host_budget"] == "40%", case)
            self.assertEqual(len(case["layer_times"]), 6)
            self.assertEqual(sum(layer["demand_bytes"] + layer["ahead_bytes"] for layer in case["layer_times"]) > 0,
                             case["host_budget"] == "40%")
            self.assertGreater(len(case["samples"]), 5)
            if case["policy"] == "exact":
                self.assertEqual((case["attended_share"], case["captured_mass"], case["mean_coverage"]), (1, 1, 1))
                self.assertIsNone(case["heads"])
                continue
            self.assertLess(case["attended_share"], 1)
            self.assertGreater(case["captured_mass"], 0)
            self.assertLessEqual(case["worst_layer"]["captured_mass"], case["captured_mass"])
            self.assertEqual([row is None for row in case["heads"]["captured"]], [True] * 2 + [False] * 4)

    def test_a_text_fills_contexts(self):
        text = write("few words", "Some words that are repeated. ")
        result = run_json("bench", MODEL, "--context", "200", "--text-file", text, "--generate", "2", "--repeat", "1",
                          "--batch", "2")
        case, = result["cases"]
        self.assertEqual((result["text_file"], case["policy"], case["batch"]), (text, "exact", 2))
        self.assertIsNone(case["host_budget"])

    def test_a_table_for_people(self):
        lines = run(*COMPARISON, "--context", "500").stdout.splitlines()
        self.assertEqual(len(lines), 6)
        self.assertRegex(lines[-1], r"^leoam, RAM for 40% +500 +\d+\.\d+ \+- +\d+\.\d ")

    def test_refusals(self):
        for arguments in (("--host-budget", "10%"), ("--host-budget", "1MiB,2MiB"), ("--batch", "2"),
                          ("--context", "0"), ("--context", "64", "--depth", "8"), ("--text-file", "a"),
                          ("--context", "64", "--host-budget", "0%"), ("--context", "64", "--host-budget", "x%"),
                          ("--context", "64", "--generate", "0"), ("--report", "a.html"), ("--picture", "a.svg")):
            expect_failure(self, 2, "", "bench", MODEL, *arguments)
        expect_failure(self, 1, "empty name", "bench", MODEL, "--context", "64", "--policy", "exact,")
        expect_failure(self, 1, "psychic", "bench", MODEL, "--context", "64", "--policy", "psychic")
        expect_failure(self, 1, "no tokens", "bench", MODEL, "--context", "64", "--text-file", write("empty", ""))


class Pages(unittest.TestCase):
    def test_a_page_of_bench(self):
        text = write("a<b>&\"'.txt", "Some words, not many. ")
        page, picture = path_of("bench.html"), path_of("bench.svg")
        run(*COMPARISON, "--context", "300,600", "--text-file", text, "--report", page, "--picture", picture)
        sections, content = page_of(page)
        self.assertEqual(sections, ["Policies and budgets", "Speed against context", "Tiers over time",
                                    "One step, layer by layer", "Attention against selection"])
        self.assertIn("a&lt;b&gt;&amp;&quot;&#39;.txt", content)
        self.assertNotIn("<b>", content)
        self.assertIn("leoam, RAM for 40%", content)
        drawing = xml.parse(picture).getroot()
        self.assertEqual(drawing.tag, "{http://www.w3.org/2000/svg}svg")
        self.assertIn("prefers-color-scheme", "".join(drawing.itertext()))
        run("bench", MODEL, "--context", "200", "--generate", "2", "--repeat", "1", "--report", page)
        sections, _ = page_of(page)
        self.assertEqual(sections, ["Policies and budgets", "Tiers over time", "One step, layer by layer"])

    def test_a_page_of_eval(self):
        tokens = write("tokens.json", json.dumps([i * 7 % 251 for i in range(500)]))
        page = path_of("eval.html")
        judged = ("eval", MODEL, "--tokens-file", tokens, "--positions", "4", "--policy", "exact,leoam,window")
        rows = run_json(*judged, "--importance", "0.4,0.6", "--report", page)["policies"]
        sections, content = page_of(page)
        self.assertEqual(sections, ["Policies", "Quality against budget", "Attention against selection"])
        self.assertIn("leoam, 40 % of the context", content)
        self.assertIsNone(rows[0]["captured_mass"])
        for row in rows[1:]:
            self.assertGreaterEqual(row["captured_mass"], row["mean_coverage"] - 1e-5)
            self.assertLessEqual(row["worst_layer"]["captured_mass"], row["captured_mass"])
            self.assertIn(row["worst_layer"]["layer"], range(2, 6))
            self.assertEqual(len(row["heads"]["captured"][2]), 4)
        run(*judged, "--importance", "0.4", "--report", page)
        self.assertNotIn("Quality against budget", page_of(page)[0])
        quick = run_json(*judged, "--importance", "0.4", "--no-audit", "--report", page)["policies"]
        self.assertEqual([row["captured_mass"] for row in quick], [None] * 3)
        self.assertEqual([row["kl_mean"] for row in quick], [rows[i]["kl_mean"] for i in (0, 1, 3)])
        self.assertIn("Attention against selection", page_of(page)[0])

    def test_no_number_is_cut_off(self):
        page = path_of("wide.html")
        run(*COMPARISON, "--context", "300", "--report", page)
        _, content = page_of(page)
        for drawing in re.findall(r"<svg.*?</svg>", content, re.DOTALL):
            root = xml.fromstring(drawing)
            width, height = float(root.get("width")), float(root.get("height"))
            for text in root.iter("text"):
                if text.get("transform"):
                    continue
                x, y, words = float(text.get("x")), float(text.get("y")), 6.6 * len(text.text)
                left = x - {"end": words, "middle": words / 2}.get(text.get("text-anchor"), 0)
                self.assertGreaterEqual(left, -1, text.text)
                self.assertLessEqual(left + words, width + 1, text.text)
                self.assertLessEqual(y, height, text.text)

    def test_a_page_is_whole_or_not_there(self):
        short = ("bench", MODEL, "--context", "64", "--generate", "2", "--repeat", "1")
        missing = path_of("no/such/page.html")
        for command in (short, ("eval", MODEL, "--tokens-file", write("t.json", "[1, 2, 3, 4]"), "--positions", "2",
                                "--policy", "exact")):
            expect_failure(self, 1, "there is no folder", *command, "--report", missing)
        folder = path_of("pages")
        os.mkdir(folder)
        expect_failure(self, 1, "it is no file", *short, "--report", folder)
        page = os.path.join(folder, "page.html")
        # As on a disk that is full.
        done = subprocess.run([LEOAM, *short, "--report", page], capture_output=True, text=True, timeout=120,
                              restore_signals=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("cannot write " + page, done.stderr)
        self.assertEqual(os.listdir(folder), [])
        run(*short, "--report", page)
        self.assertEqual(os.listdir(folder), ["page.html"])


if __name__ == "__main__":
    subprocess.run([sys.argv[2], MODEL, "llama", "6"], check=True)
    unittest.main(argv=sys.argv[:1])
