/* request.h: one generation on a session, and the three ways to receive its tokens. Part of leoam.h. */
#include "leoam/leoam.h" /* outside the guard: it includes this file where its turn is */

#ifndef LEOAM_REQUEST_H
#define LEOAM_REQUEST_H

#ifdef __cplusplus
extern "C" {
#endif

/* The stages run in this order: penalty, temperature, top-k, top-p, min-p, draw. */
typedef struct leoam_sampler_options {
  uint32_t struct_size;
  float temperature;                 /* 0: greedy, the lowest id among equals; the stages below are off */
  uint32_t top_k;                    /* 0: off */
  float top_p;                       /* 0 or 1: off */
  float min_p;                       /* 0: off; relative to the most likely token */
  float repetition_penalty;          /* 0 or 1: off; also works when greedy */
  uint32_t repetition_window_tokens; /* how far back the penalty looks; 0: 64 */
  uint32_t reserved;
  uint64_t seed; /* the same seed, logits and options give the same tokens */
} leoam_sampler_options;

typedef int32_t leoam_delivery;
enum {
  LEOAM_DELIVERY_POLL = 0, /* generation goes on in the background and waits while 256 events are untaken */
  LEOAM_DELIVERY_CALLBACK = 1, /* on_event is called on a thread of the library, in order, one at a time */
  LEOAM_DELIVERY_STEP = 2      /* nothing runs except inside leoam_request_step */
};

typedef int32_t leoam_finish_reason;
enum {
  LEOAM_FINISH_NONE = 0,      /* not finished */
  LEOAM_FINISH_STOP = 1,      /* an end-of-generation token or a stop string */
  LEOAM_FINISH_LENGTH = 2,    /* max_tokens, or the context is full */
  LEOAM_FINISH_CANCELLED = 3, /* by cancel, a callback, detach or release */
  LEOAM_FINISH_FAILED = 4     /* leoam_request_get_result says why; the session keeps the tokens before */
};

typedef int32_t leoam_event_kind;
enum {
  LEOAM_EVENT_NONE = 0,    /* nothing new (poll only) */
  LEOAM_EVENT_PREFILL = 1, /* done_tokens of total_tokens of the prompt */
  LEOAM_EVENT_TOKEN = 2,   /* a token was drawn; text is what became complete with it, may be empty */
  LEOAM_EVENT_FINISHED = 3 /* the last event: finish_reason; text is what was held back until then */
};

/* Text is whole code points, never part of a stop string. It is valid during the callback, or until the next
 * poll or the release of its request. */
typedef struct leoam_event {
  uint32_t struct_size;
  leoam_event_kind kind;
  leoam_string text;
  int32_t token; /* of LEOAM_EVENT_TOKEN, else -1 */
  leoam_finish_reason finish_reason;
  uint64_t done_tokens;  /* prefill: of the prompt; token: generated so far */
  uint64_t total_tokens; /* prefill: of the prompt; token: max_tokens */
  float coverage; /* token: of the step that it was drawn from, see leoam_session_copy_coverage: the least of
                     all layers and heads; else 1 */
  uint32_t reserved;
} leoam_event;

/* One event of a request. The event's struct_size is the library's. */
typedef int32_t (*leoam_event_function)(const leoam_event* event, void* user_data);

/* Logits [n_vocab] before each draw, to be changed in place; on the thread that steps. */
typedef int32_t (*leoam_sampler_function)(float* logits, uint64_t n_vocab, void* user_data);

/* Flags of leoam_request_options. */
#define LEOAM_REQUEST_IGNORE_END ((uint64_t)1)   /* end-of-generation tokens do not stop and are passed on */
#define LEOAM_REQUEST_SHOW_SPECIAL ((uint64_t)2) /* spells out control tokens in the text */
#define LEOAM_REQUEST_PREFILL_ONLY \
  ((uint64_t)4) /* finishes with LENGTH after the prompt; max_tokens must be 0 */

typedef struct leoam_request_options {
  uint32_t struct_size;
  leoam_delivery delivery;
  uint64_t flags;        /* LEOAM_REQUEST_ */
  const int32_t* prompt; /* appended to the session first; empty continues a session that has logits */
  uint64_t n_prompt;
  const leoam_sampler_options* sampler; /* NULL: greedy */
  const leoam_string* stop;             /* at most 64 of 1 to 256 bytes */
  uint64_t n_stop;
  uint32_t max_tokens; /* 0: 256 */
  uint32_t reserved;
  leoam_event_function on_event;    /* needed with LEOAM_DELIVERY_CALLBACK, else NULL */
  leoam_sampler_function on_logits; /* or NULL */
  void* user_data;                  /* of both functions */
} leoam_request_options;

typedef struct leoam_request_statistics {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t prompt_tokens;
  uint64_t prefilled_tokens; /* of them, computed so far; not those that another session had computed */
  uint64_t generated_tokens;
  uint64_t time_to_first_token_us; /* from submission; 0 before it */
  uint64_t prefill_us;             /* time inside prefill steps */
  uint64_t decode_us;              /* time inside decode steps */
  uint64_t kv_bytes_read;          /* KV bytes that attention read */
  uint64_t weight_bytes_read;      /* weight bytes that the steps read, shared ones once a step */
} leoam_request_statistics;

/* Starts a generation; everything in options is copied. With LEOAM_DELIVERY_CALLBACK events may come before
 * this returns. The session is busy until the request has finished. Fails with INVALID_ARGUMENT (an option, a
 * token id, a prompt that the context cannot hold, an empty one without logits), BUSY. [driver; not in
 * callbacks] */
LEOAM_API leoam_status leoam_session_submit(leoam_session* session, const leoam_request_options* options,
                                            leoam_request** out_request, leoam_error* error) LEOAM_NOEXCEPT;

/* Takes the next event, of kind LEOAM_EVENT_NONE when there is none now. For LEOAM_DELIVERY_POLL and _STEP;
 * INVALID_ARGUMENT with _CALLBACK. [driver] */
LEOAM_API leoam_status leoam_request_poll(leoam_request* request, leoam_event* out_event,
                                          leoam_error* error) LEOAM_NOEXCEPT;

/* A file descriptor that is readable (poll, epoll, select) while events wait. Owned by the request: do not
 * read or close it. For LEOAM_DELIVERY_POLL; INVALID_ARGUMENT with others. [any] */
LEOAM_API leoam_status leoam_request_get_event_fd(leoam_request* request, int32_t* out_fd,
                                                  leoam_error* error) LEOAM_NOEXCEPT;

/* Advances the work on the calling thread and the instance's for about budget_us (0: one indivisible piece);
 * the overrun is at most one layer of one piece. *out_finished is 1 when the request has finished, else 0.
 * For LEOAM_DELIVERY_STEP; INVALID_ARGUMENT with others. [driver; not in callbacks] */
LEOAM_API leoam_status leoam_request_step(leoam_request* request, uint64_t budget_us, int32_t* out_finished,
                                          leoam_error* error) LEOAM_NOEXCEPT;

/* The request finishes within 100 ms of work; events up to then stay. Lock-free: allowed in a signal handler,
 * as long as the request is not released meanwhile. [any] */
LEOAM_API leoam_status leoam_request_cancel(leoam_request* request) LEOAM_NOEXCEPT;

/* Returns when the request has finished, or with BUSY after timeout_us (UINT64_MAX: no limit; 0: does not
 * wait). A finished request has still its events to be polled; a stepped one finishes inside step only. [any;
 * not in callbacks] */
LEOAM_API leoam_status leoam_request_wait(leoam_request* request, uint64_t timeout_us,
                                          leoam_error* error) LEOAM_NOEXCEPT;

/* Cancels, and when it returns no callback of the request is running and none will start. From inside a
 * callback it returns at once and that callback is the last. [any] */
LEOAM_API leoam_status leoam_request_detach(leoam_request* request, leoam_error* error) LEOAM_NOEXCEPT;

/* Why the request has finished, LEOAM_FINISH_NONE before. When the reason is LEOAM_FINISH_FAILED, the
 * function returns the failure with its detail. [any] */
LEOAM_API leoam_status leoam_request_get_result(leoam_request* request, leoam_finish_reason* out_reason,
                                                leoam_error* error) LEOAM_NOEXCEPT;

/* Cheap enough for every frame. [any] */
LEOAM_API leoam_status leoam_request_get_statistics(leoam_request* request,
                                                    leoam_request_statistics* out_statistics,
                                                    leoam_error* error) LEOAM_NOEXCEPT;

/* Detaches, then gives the handle back; the session is free again when it returns, except from inside a
 * callback. [any] */
LEOAM_API leoam_status leoam_request_release(leoam_request* request) LEOAM_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif /* LEOAM_REQUEST_H */
