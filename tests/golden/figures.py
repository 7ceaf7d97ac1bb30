"""How far one engine's log-probabilities are from the exact ones."""

import numpy as np

TOP = 20


def mean_nll(rows, tokens):
    """Mean of -log p(token i + 1 | tokens 0..i)."""
    return -float(np.mean([row[token] for row, token in zip(rows, tokens[1:])], dtype=np.float64))


def row_positions(n_tokens):
    """The positions whose 20 best tokens count: both sides of page and tile boundaries, a spread, the last one."""
    edges = [0, 1, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, n_tokens - 1]
    return sorted({p for p in [*edges, *range(0, n_tokens, 16)] if p < n_tokens})


def distance(exact, other, tokens):
    """nll_relative: of the mean NLLs. next_rms: of the log-probability of the token that follows. best_equal: share of
    positions with the same best token. top_rms, top_max: of the log-probabilities at the exact pass's 20 best tokens of
    row_positions(). Both arguments are read once, in order."""
    exact_next, other_next, top, same = [], [], [], 0
    wanted = set(row_positions(len(tokens)))
    for i, (a, b) in enumerate(zip(exact, other)):
        if i in wanted:
            best = np.argsort(-a, kind="stable")[:TOP]
            top.append(a[best] - b[best])
        same += int(np.argmax(a) == np.argmax(b))
        if i + 1 < len(tokens):
            exact_next.append(a[tokens[i + 1]])
            other_next.append(b[tokens[i + 1]])
    exact_next, other_next, top = np.array(exact_next), np.array(other_next), np.array(top)
    return {
        "nll_relative": round(float(other_next.mean() / exact_next.mean() - 1), 8),
        "next_rms": round(float(np.sqrt(np.mean((exact_next - other_next) ** 2))), 7),
        "best_equal": round(same / len(tokens), 4),
        "top_rms": round(float(np.sqrt(np.mean(top**2))), 7),
        "top_max": round(float(np.abs(top).max()), 7),
    }
