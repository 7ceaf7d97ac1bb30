"""leoam eval as the judge of policies: figures, refusals, planted facts, questions by token.

usage: eval_test.py LEOAM WRITE_TINY_MODEL
"""
import json
import subprocess
import sys
import unittest

from command import expect_failure, path_of, run, run_json, write

MODEL = path_of("tiny.gguf")
TOKENS = [i * 7 % 251 for i in range(300)]
COSTS = ("kv_bytes", "resident_kv_bytes", "disk_read_bytes", "raised_bytes", "seconds")


def tokens_file(count=len(TOKENS)):
    return write(f"tokens{count}.json", json.dumps(TOKENS[:count]))


class Divergence(unittest.TestCase):
    def test_exact_is_exact(self):
        result = run_json("eval", MODEL, "--tokens-file", tokens_file(), "--policy", "exact", "--positions", "40")
        self.assertEqual((result["n_tokens"], result["positions"]), (300, 40))
        row, = result["policies"]
        self.assertEqual(row["policy"], "exact")
        self.assertEqual([row[key] for key in ("kl_mean", "kl_p99", "kl_worst")], [0, 0, 0])
        self.assertEqual(row["top1_agreement"], 1)
        self.assertIsNone(row["importance"])
        for key in COSTS:
            self.assertIn(key, row)
        self.assertGreater(row["kv_bytes"], 0)

    def test_the_likelihood_is_that_of_the_last_positions(self):
        def summed(count):
            return run_json("eval", MODEL, "--tokens-file", tokens_file(count), "--kv", "f32")["mean_nll"] * (count - 1)

        row = run_json("eval", MODEL, "--tokens-file", tokens_file(), "--kv", "f32", "--policy", "exact",
                       "--positions", "40")["policies"][0]
        # The last position has no next token.
        self.assertAlmostEqual(row["mean_nll"] * 39, summed(300) - summed(300 - 39), delta=0.02)

    def test_the_context_cuts_the_text(self):
        result = run_json("eval", MODEL, "--tokens-file", tokens_file(), "--policy", "exact,exact", "--positions", "8",
                          "--context", "100")
        self.assertEqual(result["n_tokens"], 100)
        self.assertEqual(len(result["policies"]), 2)

    def test_a_table_for_people(self):
        lines = run("eval", MODEL, "--tokens-file", tokens_file(), "--policy", "exact", "--positions", "8").stdout
        self.assertRegex(lines.splitlines()[-1], r"^exact +\d+\.\d+ +0\.0+ +0\.0+ +0\.0+ +1\.0+ +- +- +- +\d+\.\d$")

    def test_what_is_left_out_is_read_from_the_disk_too(self):
        arguments = ("eval", MODEL, "--tokens-file", tokens_file(), "--policy", "exact", "--positions", "8")
        row = run_json(*arguments, "--host-budget", "80KiB", "--plaintext-scratch")["policies"][0]
        self.assertGreater(row["disk_read_bytes"], 0)
        self.assertEqual(row["kl_worst"], 0)


class Sessions(unittest.TestCase):
    def test_a_context_is_read_once(self):
        key = write("key", "00112233445566778899aabbccddeeff" * 2 + "\n")
        for name, protection in (("plain", ("--plaintext",)), ("sealed", ("--key-file", key))):
            arguments = ("eval", MODEL, "--tokens-file", tokens_file(), "--policy", "exact,exact", "--positions", "8",
                         "--session", path_of(name), *protection)
            alone = run_json(*arguments[:-len(protection) - 2])["policies"][0]
            for _ in range(2):
                result = run_json(*arguments)["policies"]
                for row in result:
                    self.assertEqual(row["kl_worst"], 0)
                    self.assertEqual(row["mean_nll"], alone["mean_nll"])
            self.assertEqual(run_json("session", path_of(name), "info", *protection[:2 * (name == "sealed")])["tokens"], 292)
        other = write("other.json", json.dumps(TOKENS[::-1]))
        expect_failure(self, 1, "other tokens", "eval", MODEL, "--tokens-file", other, "--policy", "exact",
                       "--positions", "8", "--session", path_of("plain"), "--plaintext")
        expect_failure(self, 1, "--session", "eval", MODEL, "--tokens-file", other, "--session", path_of("more"),
                       "--plaintext")


class Refusals(unittest.TestCase):
    def expect(self, status, fragment, *arguments):
        expect_failure(self, status, fragment, "eval", MODEL, *arguments)

    def test_an_unknown_policy(self):
        text = ("--tokens-file", tokens_file())
        self.expect(1, "psychic", *text, "--policy", "exact,psychic")
        self.expect(1, "psychic", *text, "--policy", "psychic", "--importance", "0.1,0.2")
        self.expect(1, "empty name", *text, "--policy", "exact,")
        self.expect(1, "psychic", "--recall", write("r.json", QUESTIONS), "--policy", "psychic")
        self.expect(1, "psychic", "--text-file", write("t", "words. " * 99), "--needles", "2", "--policy", "psychic")

    def test_a_budget_of_exact(self):
        text = ("--tokens-file", tokens_file(), "--policy", "exact")
        for budget in (("--importance", "0.1"), ("--budget-tokens", "64")):
            self.expect(1, "other than exact", *text, *budget)

    def test_too_few_tokens(self):
        self.expect(1, "--positions", "--tokens-file", tokens_file(100), "--policy", "exact")
        self.expect(1, "too short", "--text-file", write("t", "words"), "--needles", "24", "--context", "512")

    def test_usage(self):
        text = ("--text-file", write("t", "some words"))
        for arguments in (("--importance", "0.1"), ("--positions", "5"), ("--policy", "exact", "--positions", "0"),
                          ("--policy", "exact", "--importance", "1.5"), ("--second-question",), ("--needles", "25"),
                          ("--policy", "exact", "--logits-at", "1"),
                          ("--recall", "r.json")):
            self.expect(2, "", *text, *arguments)
        self.expect(2, "", "--tokens-file", tokens_file(), "--needles", "2")

    def test_a_saved_context_for_a_policy_that_needs_more(self):
        self.expect(1, "h2o", "--tokens-file", tokens_file(), "--policy", "leoam,h2o", "--session", path_of("a.session"))

    def test_a_recall_file_that_is_none(self):
        for content, fragment in (("[]", "questions"), ('{"tokens": [1]}', "questions"),
                                  ('{"tokens": [1], "questions": []}', "no questions"),
                                  ('{"tokens": ["a"], "questions": [{}]}', "entry 0"),
                                  ('{"tokens": [1], "questions": [{"ask": [1]}]}', "question 0"),
                                  ('{"tokens": [1], "questions": [{"ask": [], "answer": [1]}]}', "no tokens"),
                                  ('{"tokens": [1], "questions": [{"ask": [99999], "answer": [1]}]}', "token")):
            self.expect(1, fragment, "--recall", write("bad.json", content))


QUESTIONS = json.dumps({"tokens": [1, 2, 3], "questions": [{"kind": "a", "ask": [4], "answer": [5]}]})


class Selections(unittest.TestCase):
    def test_a_budget_that_covers_the_context_changes_nothing(self):
        text = ("--tokens-file", tokens_file(), "--positions", "8")
        rows = run_json("eval", MODEL, *text, "--policy", "leoam,quest,window,h2o", "--importance", "1")["policies"]
        self.assertEqual(["leoam", "quest", "window", "h2o"], [row["policy"] for row in rows])
        for row in rows:
            self.assertEqual((0, 1, None), (row["kl_mean"], row["top1_agreement"], row["attended_share"]), row)


class Questions(unittest.TestCase):
    def test_answers_are_judged_by_token(self):
        def drawn(ask):
            prompt = write("prompt.json", json.dumps(TOKENS[:50] + ask))
            return run_json("generate", MODEL, "--tokens-file", prompt, "--max-tokens", "3", "--ignore-end")["tokens"]

        right = drawn([9])
        questions = [{"kind": "a", "ask": [9], "answer": right},
                     {"kind": "a", "ask": [9], "answer": right[:1] + [right[1] ^ 1] + right[2:]},
                     {"kind": "b", "ask": [8, 7], "answer": drawn([8, 7])[:1]}]
        path = write("recall.json", json.dumps({"tokens": TOKENS[:50], "questions": questions}))
        row, = run_json("eval", MODEL, "--recall", path)["policies"]
        self.assertEqual((row["asked"], row["right"]), (3, 2))
        self.assertEqual(row["kinds"], {"a": {"asked": 2, "right": 1}, "b": {"asked": 1, "right": 1}})
        # Nothing is drawn behind the first wrong token.
        self.assertEqual(row["wrong"], [{"question": 1, "kind": "a", "drawn": right[:2], "answer": questions[1]["answer"]}])
        self.assertEqual(run("eval", MODEL, "--recall", path).stdout, "exact: 2 of 3, a 1 of 2, b 1 of 1\n")


class Needles(unittest.TestCase):
    def test_facts_are_planted_and_asked_for(self):
        text = write("hay", "Some words that say nothing. " * 200)
        result = run_json("eval", MODEL, "--text-file", text, "--needles", "3", "--second-question", "--context", "1500")
        # The text fills what the questions leave.
        self.assertLess(result["n_tokens"], 1500)
        self.assertGreater(result["n_tokens"], 1000)
        row, = result["policies"]
        self.assertEqual(row["needles"], 3)
        self.assertEqual(len({answer["code"] for answer in row["answers"]}), 3)
        for i, answer in enumerate(row["answers"]):
            self.assertEqual(answer["second"]["code"], row["answers"][(i + 1) % 3]["code"])
            for one in (answer, answer["second"]):
                self.assertEqual(one["found"], one["code"] in one["answer"])
        self.assertEqual(row["found"], sum(answer["found"] for answer in row["answers"]))
        self.assertEqual(row["second_found"], sum(answer["second"]["found"] for answer in row["answers"]))
        one = run_json("eval", MODEL, "--text-file", text, "--needles", "1")["policies"][0]
        self.assertNotIn("second_found", one)


if __name__ == "__main__":
    subprocess.run([sys.argv[2], MODEL], check=True)
    unittest.main(argv=sys.argv[:1])
