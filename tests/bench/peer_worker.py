"""The peer's half of compare_peer.py: llama.cpp through the low-level interface of llama-cpp-python.

Run by the peer's Python. Reads one JSON request a line from standard input and answers with one JSON object a line:
  {"op": "prefill", "flash": true, "depth": 4096, "n": 512}  -> {"tokens_per_second": x}
  {"op": "decode",  "flash": true, "depth": 4096, "n": 64}   -> {"tokens_per_second": x}
  {"op": "demo_prompt", "document": F, "question": S}        -> {"tokens": [...], "kv_token_bytes": n}
  {"op": "tokens", "flash": true, "tokens": [...]}           -> {"seconds": x} for the prefill of exactly these
  {"op": "first_token", "n": 10}                             -> {"seconds": x} from load to first token
Only llama_decode and the wait for its logits are timed. A context stays filled to its depth between requests:
a measurement removes only what it added.
"""

import ctypes
import json
import sys
import time

import llama_cpp as ll


@ll.llama_log_callback
def drop_log(level, text, user_data):
    pass


def load_model(path):
    params = ll.llama_model_default_params()
    model = ll.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise SystemExit(f"peer: cannot load {path}")
    return model


class Context:
    def __init__(self, model, n_ctx, flash, threads):
        params = ll.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = 2048
        params.n_ubatch = 512
        params.n_threads = threads
        params.n_threads_batch = threads
        params.flash_attn_type = 1 if flash else 0
        self.handle = ll.llama_init_from_model(model, params)
        if not self.handle:
            raise SystemExit("peer: cannot create a context")
        self.memory = ll.llama_get_memory(self.handle)
        self.n_tokens = 0

    def decode(self, tokens):
        """Runs the tokens after what is there, in batches, and waits for the logits of the last one."""
        for begin in range(0, len(tokens), 2048):
            piece = tokens[begin : begin + 2048]
            array = (ll.llama_token * len(piece))(*piece)
            if ll.llama_decode(self.handle, ll.llama_batch_get_one(array, len(piece))) != 0:
                raise SystemExit("peer: llama_decode failed")
        ll.llama_synchronize(self.handle)
        ll.llama_get_logits_ith(self.handle, -1)
        self.n_tokens += len(tokens)

    def rewind(self, n_tokens):
        ll.llama_memory_seq_rm(self.memory, 0, n_tokens, -1)
        self.n_tokens = n_tokens

    def close(self):
        ll.llama_free(self.handle)


class Worker:
    def __init__(self, path, threads):
        self.path = path
        self.threads = threads
        self.model = load_model(path)
        self.vocab = ll.llama_model_get_vocab(self.model)
        self.n_vocab = ll.llama_vocab_n_tokens(self.vocab)
        self.contexts = {}

    def some_tokens(self, n):
        return [100 + (i * 7919) % min(self.n_vocab - 200, 30000) for i in range(n)]

    def at_depth(self, depth, flash):
        key = (depth, flash)
        if key not in self.contexts:
            context = Context(self.model, depth + 1024, flash, self.threads)
            context.decode(self.some_tokens(depth) if depth else self.some_tokens(32))
            context.rewind(depth)
            self.contexts[key] = context
        return self.contexts[key]

    def prefill(self, flash, depth, n):
        context = self.at_depth(depth, flash)
        tokens = self.some_tokens(n)
        begin = time.perf_counter()
        context.decode(tokens)
        seconds = time.perf_counter() - begin
        context.rewind(depth)
        return {"tokens_per_second": n / seconds}

    def decode(self, flash, depth, n):
        context = self.at_depth(depth, flash)
        tokens = self.some_tokens(n + 1)
        context.decode(tokens[:1])
        begin = time.perf_counter()
        for token in tokens[1:]:
            context.decode([token])
        seconds = time.perf_counter() - begin
        context.rewind(depth)
        return {"tokens_per_second": n / seconds}

    def tokens(self, flash, tokens):
        context = Context(self.model, len(tokens) + 256, flash, self.threads)
        context.decode(tokens[:32])
        context.rewind(0)
        begin = time.perf_counter()
        context.decode(tokens)
        seconds = time.perf_counter() - begin
        context.close()
        return {"seconds": seconds}

    def first_token(self, n):
        tokens = self.some_tokens(n)
        begin = time.perf_counter()
        model = load_model(self.path)
        context = Context(model, 512, False, self.threads)
        context.decode(tokens)
        seconds = time.perf_counter() - begin
        context.close()
        ll.llama_model_free(model)
        return {"seconds": seconds}

    def demo_prompt(self, document, question):
        """The conversation that `leoam ask` holds: the document and the question in one message of the user."""
        import jinja2

        template = ll.llama_model_chat_template(self.model, None).decode()
        with open(document, encoding="utf-8") as file:
            content = file.read() + "\n\n" + question
        text = jinja2.Template(template).render(
            messages=[{"role": "user", "content": content}], add_generation_prompt=True, bos_token="", eos_token="")
        data = text.encode()
        room = (ll.llama_token * (len(data) + 16))()
        n = ll.llama_tokenize(self.vocab, data, len(data), room, len(room), False, True)
        kv_heads = ll.llama_model_n_head_kv(self.model)
        head_dim = ll.llama_model_n_embd(self.model) // ll.llama_model_n_head(self.model)
        kv_token_bytes = ll.llama_model_n_layer(self.model) * kv_heads * head_dim * 2 * 2  # keys and values in f16
        return {"tokens": list(room[:n]), "kv_token_bytes": kv_token_bytes}


def main():
    path, threads = sys.argv[1], int(sys.argv[2])
    ll.llama_log_set(drop_log, ctypes.c_void_p(0))
    ll.llama_backend_init()
    worker = Worker(path, threads)
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("op"))(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
