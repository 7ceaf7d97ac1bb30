"""llama.cpp (PyPI package `llama-cpp-python` 0.3.36) as the second engine: log-probabilities and tokens."""

import ctypes

import llama_cpp as ll
import numpy as np


@ll.llama_log_callback
def _drop_log(level, text, user_data):
    pass


ll.llama_log_set(_drop_log, ctypes.c_void_p(0))
ll.llama_backend_init()


def _load(path, **options):
    params = ll.llama_model_default_params()
    for name, value in options.items():
        setattr(params, name, value)
    model = ll.llama_model_load_from_file(str(path).encode(), params)
    if not model:
        raise RuntimeError(f"llama.cpp cannot load {path}")
    return model


def tokenize(path, text, add_special=True):
    model = _load(path, vocab_only=True)
    data = text.encode()
    room = (ll.llama_token * (len(data) + 16))()
    n = ll.llama_tokenize(ll.llama_model_get_vocab(model), data, len(data), room, len(room), add_special, False)
    ll.llama_model_free(model)
    return list(room[:n])


def log_probabilities(path, tokens, exact_kv=False, flash=False):
    """[n_tokens][n_vocab] for one sequence; exact_kv: keys and values in f32 where the default is f16."""
    model = _load(path)
    params = ll.llama_context_default_params()
    params.n_ctx = params.n_batch = max(256, len(tokens))
    params.n_threads = params.n_threads_batch = 2
    params.flash_attn_type = int(flash)
    if exact_kv:
        params.type_k = params.type_v = 0
    context = ll.llama_init_from_model(model, params)
    batch = ll.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for i, token in enumerate(tokens):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, True
        batch.seq_id[i][0] = 0
    if ll.llama_decode(context, batch) != 0:
        raise RuntimeError("llama_decode failed")
    n_vocab = ll.llama_vocab_n_tokens(ll.llama_model_get_vocab(model))
    rows = np.ctypeslib.as_array(ll.llama_get_logits(context), (len(tokens), n_vocab)).copy()
    ll.llama_batch_free(batch)
    ll.llama_free(context)
    ll.llama_model_free(model)
    for begin in range(0, len(rows), 64):
        piece = rows[begin : begin + 64]
        piece -= piece.max(axis=1, keepdims=True)
        piece -= np.log(np.exp(piece.astype(np.float64)).sum(axis=1, keepdims=True)).astype(np.float32)
    return rows
