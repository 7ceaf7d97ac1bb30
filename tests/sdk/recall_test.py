"""The recall model in the real engine: under full attention every question of its texts is answered right.

usage: recall_test.py LEOAM TOKENS ...
"""
import json
import os
import sys
import unittest

from command import path_of, run_json, write

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import recall_model

LENGTHS = [int(argument) for argument in sys.argv[2:]]
KINDS = {"pair": 20, "near": 5, "hops": 3, "count": 1, "count_shared": 1}


def make_text(n_tokens, clustered, seed=1):
    return recall_model.make_text(n_tokens, clustered, seed)


def model(flat=True):
    path = path_of("mixed.gguf" if flat else "peaked.gguf")
    if not os.path.exists(path):
        recall_model.write_model(path, 1 << 19, flat)
    return path


def answers(text, *options, flat=True):
    row, = run_json("eval", model(flat), "--recall", write("text.json", json.dumps(text)), *options,
                    timeout=3000)["policies"]
    return row


class Recall(unittest.TestCase):
    def test_exact_recalls_everything(self):
        for n_tokens in LENGTHS:
            for clustered in (True, False):
                with self.subTest(n_tokens=n_tokens, clustered=clustered):
                    row = answers(make_text(n_tokens, clustered))
                    self.assertEqual(row["wrong"], [])
                    self.assertEqual(row["kinds"], {kind: {"asked": n, "right": n} for kind, n in KINDS.items()})

    def test_a_tenth_chosen_by_codes_recalls_and_counts_as_well(self):
        for n_tokens in LENGTHS:
            for clustered in (True, False):
                with self.subTest(n_tokens=n_tokens, clustered=clustered):
                    row = answers(make_text(max(n_tokens, 4000), clustered), "--policy", "leoam", "--importance", "0.1")
                    self.assertEqual(row["wrong"], [])

    def test_a_question_in_a_prompt_that_was_read_sparsely_is_answered(self):
        for n_tokens in LENGTHS:
            for clustered in (True, False):
                with self.subTest(n_tokens=n_tokens, clustered=clustered):
                    row = answers(make_text(max(n_tokens, 6000), clustered), "--policy", "leoam", "--importance", "0.1",
                                  "--sparse-prefill=2048")
                    self.assertLess(row["read_attended_share"], 0.2)
                    for kind in ("pair", "near", "hops"):
                        self.assertEqual(row["kinds"][kind]["right"], KINDS[kind])

    def test_bounds_recall_where_they_are_tight_and_recency_and_eviction_nothing(self):
        def right(clustered, policy):
            kinds = answers(make_text(4000, clustered), "--policy", policy, "--importance", "0.1")["kinds"]
            return sum(kinds[kind]["right"] for kind in ("pair", "near", "hops"))

        self.assertGreaterEqual(right(True, "quest"), 26)
        self.assertLess(right(False, "quest"), 14)
        self.assertLess(right(True, "window"), 3)
        self.assertLess(right(True, "h2o"), 3)

    def test_peaked_heads_alone_recall_and_do_not_count(self):
        kinds = answers(make_text(2000, False), flat=False)["kinds"]
        for kind in ("pair", "near", "hops"):
            self.assertEqual(kinds[kind]["right"], KINDS[kind])
        self.assertEqual(kinds["count"]["right"] + kinds["count_shared"]["right"], 0)

    def test_what_is_not_there_is_not_recalled(self):
        """The questions test the middle of the text: its two ends, where every policy looks, do not answer them."""
        for clustered in (True, False):
            text = make_text(4000, clustered)
            text["tokens"] = text["tokens"][:128] + text["tokens"][-512:]
            kinds = answers(text)["kinds"]
            self.assertEqual(sum(kinds[kind]["right"] for kind in ("pair", "near", "hops")), 0)


class Texts(unittest.TestCase):
    def test_the_same_seed_gives_the_same_text(self):
        self.assertEqual(make_text(2000, True), make_text(2000, True))
        self.assertNotEqual(make_text(2000, True), make_text(2000, True, seed=2))

    def test_answers_are_what_the_text_says(self):
        for clustered in (True, False):
            text = make_text(5000, clustered)
            tokens = text["tokens"]
            self.assertEqual(len(tokens), 5000)
            successor = dict(zip(tokens, tokens[1:]))
            for question in text["questions"]:
                asked = question["ask"][0]
                if question["kind"].startswith("count"):
                    which = asked - recall_model.ASK_COUNT
                    mean = sum(recall_model.classes(token)[which] for token in tokens) / (len(tokens) + 1)
                    step = question["answer"][0] - recall_model.level_token(which, 0)
                    self.assertAlmostEqual(mean, step / recall_model.N_STEPS, delta=0.001)
                    continue
                self.assertEqual(tokens.count(asked), 1)
                self.assertEqual(tokens[question["at"]], asked)
                for answer in question["answer"]:
                    self.assertEqual(successor[asked], answer)
                    # A link stands for the key that it asks for next.
                    asked = recall_model.KEYS + 4 * (answer - recall_model.LINKS)
                if question["kind"] == "near":
                    self.assertLess({question["ask"][0] + i for i in range(4)}, set(tokens))

    def test_bounds_are_tight_in_clustered_text_and_blind_in_the_other(self):
        """How many of the 64 signs take both values within a page, sorted over the pages."""
        codes = recall_model.names()

        def mixed(clustered):
            tokens = make_text(8000, clustered)["tokens"]
            counts = []
            for start in range(0, len(tokens), 32):
                chunk = [codes[token] for token in tokens[start:start + 32]]
                ones, zeros = 0, 0
                for code in chunk:
                    ones |= code
                    zeros |= ~code
                counts.append(bin(ones & zeros & (2**64 - 1)).count("1"))
            return sorted(counts)

        self.assertEqual(mixed(False)[0], 64)
        pages = mixed(True)
        self.assertLessEqual(pages[len(pages) // 2], 64 - recall_model.TOPIC_SIGNS)
        self.assertGreater(pages[-1], 32)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
