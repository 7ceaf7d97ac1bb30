/* session.h: a sequence of tokens with its KV, what it attends to, and what that took. Part of leoam.h. */
#include "leoam/leoam.h" /* outside the guard: it includes this file where its turn is */

#ifndef LEOAM_SESSION_H
#define LEOAM_SESSION_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct leoam_session_options {
  uint32_t struct_size;
  leoam_kv_type kv_type;
  leoam_string policy;     /* which KV a drawn token attends to: "exact" (empty means it), "leoam", "quest",
                              "window", "h2o"; prompts attend to everything, unless sparse_prefill_tokens
                              says otherwise. "h2o" keeps for each KV head the
                              most recent tokens and those with the most attention over all tokens so far;
                              what it has dropped stays dropped. It counts that attention beside prompts,
                              which slows them and whose KV it does not take from other sessions, keeps 4
                              bytes for each token and KV head in RAM, also of a suspended session, and does
                              not save them: an opened session begins anew, all its tokens alike */
  uint32_t page_tokens;    /* 16, 32, 64 or 128; 0: 32 */
  uint32_t context_tokens; /* most tokens the session may hold; 0: the model's context */
  uint32_t piece_tokens; /* tokens of a prefill piece; 0: 256, or what leoam_plan says where the context does
                            not fit RAM and the speed of the machine was measured (LEOAM_PLAN_SPEED, once).
                            Logits are byte-identical for one number, whatever the budgets. Between
                            numbers they agree within 1e-3 in log-probability where weights are floats;
                            quantised ones meet activations of 8 bits, whose rounding may fall either way:
                            there they differ by as much as such activations cost */
  uint32_t reserved;
  double importance;      /* share of the context that a policy attends to in a layer, the first and the most
                             recent tokens counted, on average over its KV heads: above 0, at most 1; 0: 0.1.
                             "leoam" keeps to it on average over layers and tokens: layers with flat
                             attention take more, a token at most half as much again */
  uint32_t budget_tokens; /* the same as a number of tokens; 0: by importance. A context that fits it has the
                             bytes of "exact" */
  uint32_t n_channels;    /* "leoam": channels of a key that have codes, those that count most in the first 64
                             tokens or more that are read at once: more cost time and room and find the right
                             tokens more often; 0: half of them */
  double breadth;         /* "leoam": codes are read of so many times the tokens attended to, where bounds
                             allow the most; above 0; 0: 12 */
  double page_spread; /* "leoam": what is attended to comes from at most so many pages as it would fill: fewer
                         bytes move where KV is not in place, and something is lost; 0: from any */
  double coverage_floor;     /* more is attended to, in the end everything, while the coverage of some head is
                                below (leoam_session_copy_coverage): at least 0 (no floor), below 1 */
  double most_kv_divergence; /* LEOAM_KV_AUTO: of what is drawn, from F16, that a codec may cost as it was
                                measured on one small model (KL): K8V8 0.00002, K8V4 0.0004, K4V4 0.004; 0:
                                0.0005 */
  uint64_t sparse_prefill_tokens; /* "leoam" and "quest": pieces of a prompt with so many tokens before them
                                     or more attend to a selection too, made for every 32 tokens by the codes
                                     of keys; 0: prompts attend to everything. The command takes 32768 */
} leoam_session_options;

/* Flags of leoam_session_info. */
#define LEOAM_SESSION_HAS_FILE ((uint64_t)1) /* it was saved, or opened from a file */

/* Cheap enough for every frame. `policy` lives as long as the session. */
typedef struct leoam_session_info {
  uint32_t struct_size;
  leoam_kv_type kv_type;
  leoam_string policy;
  uint64_t n_tokens; /* of the sequence; the last drawn ones may have no KV yet */
  uint64_t context_tokens;
  uint64_t kv_bytes; /* of this session, in memory and in files */
  uint32_t page_tokens;
  uint32_t n_vocab;      /* length of every array of logits */
  uint64_t flags;        /* LEOAM_SESSION_ */
  uint32_t piece_tokens; /* of a prefill piece */
  uint32_t reserved;
  uint64_t resident_kv_bytes; /* of kv_bytes, in memory: now, or during a forward pass as of an earlier one */
  /* What a policy chose, summed over tokens and the layers that select; 0 with "exact". */
  uint64_t n_selections;
  uint64_t n_attended_tokens;  /* mean over KV heads */
  uint64_t n_candidate_tokens; /* the context at that time */
  uint64_t n_chunks_evaluated; /* over all KV heads */
  uint64_t n_pages_needed;     /* by any KV head */
  uint64_t n_pages_fetched;    /* of KV and abstracts, where a layer was not in place as a whole */
  uint64_t n_pages_guessed;    /* of them, those that the step before had needed too */
  uint64_t n_widened;          /* selections that the coverage floor has made larger */
  double coverage_sum;         /* over selections, of the mean over their heads */
  double least_coverage;       /* of the newest step, all layers and heads; 1: everything was attended to */
  uint64_t n_audited;          /* of n_selections, those of LEOAM_EVALUATE_AUDIT */
  double captured_sum;         /* over these, of the mean over their heads */
  /* Of prompts read with sparse_prefill_tokens, over blocks of 32 tokens and the layers that select. */
  uint64_t n_prefill_attended_tokens;  /* mean over KV heads */
  uint64_t n_prefill_candidate_tokens; /* the context at that time */
} leoam_session_info;

/* What one query head of one layer attended to in the newest step; all 1 where that was everything. */
typedef struct leoam_head_attention {
  uint32_t struct_size; /* in an array all elements have the same one; it is the stride */
  float coverage;       /* certain share of the head's attention, as leoam_session_copy_coverage gives it */
  float captured;       /* the true share; -1 when the step was not audited (LEOAM_EVALUATE_AUDIT) */
  float attended_share; /* of the context */
} leoam_head_attention;

/* One layer of the newest step, which sequences of several sessions may have shared. Times are in us since
 * the step began. */
typedef struct leoam_layer_times {
  uint32_t struct_size; /* in an array all elements have the same one; it is the stride */
  uint32_t layer;
  uint64_t begin_us;
  uint64_t end_us;
  uint64_t computing_us; /* without waiting_us, and without pauses of a request that is stepped */
  uint64_t waiting_us;   /* for pages from slower tiers */
  uint64_t demand_bytes; /* KV and abstracts that were sent for when they were needed */
  uint64_t ahead_bytes;  /* and those before */
  int64_t sent_us;       /* the first of them was sent for, perhaps before the step began: then below 0 */
  int64_t arrived_us;    /* the last was in place; both 0: nothing was brought in */
} leoam_layer_times;

/* Why old pages become what they do with LEOAM_KV_AUTO: expectations for the next token when it was decided
 * last. Arrays are in the order F16, K8V8, K8V4, K4V4; 0: not looked at. */
typedef struct leoam_kv_choice {
  uint32_t struct_size;
  leoam_kv_type kv_type;             /* F16, K8V8, K8V4 or K4V4 */
  uint64_t n_tokens;                 /* of the context */
  uint64_t host_kv_budget_bytes;     /* UINT64_MAX: not bounded */
  double disk_read_bytes_per_second; /* 0: the machine has not been measured, or has no disk tier */
  double decode_seconds[4];
  uint64_t read_bytes[4]; /* from disk */
} leoam_kv_choice;

/* Logits [n_vocab] of one position, in ascending order of positions; valid during the call. */
typedef int32_t (*leoam_logits_function)(uint64_t position, const float* logits, uint64_t n_vocab,
                                         void* user_data);

/* Flags of leoam_evaluate_options. */
#define LEOAM_EVALUATE_ALL_LOGITS ((uint64_t)1) /* on_logits for every position, not only the last */
/* Steps of one token that attend to a selection also compute which share of each head's attention it has
 * captured (leoam_session_copy_attention), from all KV: slow. No logits change. */
#define LEOAM_EVALUATE_AUDIT ((uint64_t)2)

typedef struct leoam_evaluate_options {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t flags;                      /* LEOAM_EVALUATE_ */
  leoam_logits_function on_logits;     /* or NULL */
  leoam_progress_function on_progress; /* tokens done and in all, or NULL */
  void* user_data;
  leoam_cancel_flag* cancel; /* or NULL */
} leoam_evaluate_options;

/* Fails with INVALID_ARGUMENT, UNSUPPORTED (policy; a header-only model), OUT_OF_MEMORY. [any] */
LEOAM_API leoam_status leoam_session_create(leoam_model* model, const leoam_session_options* options,
                                            leoam_session** out_session, leoam_error* error) LEOAM_NOEXCEPT;

LEOAM_API leoam_status leoam_session_release(leoam_session* session) LEOAM_NOEXCEPT;

/* [any] */
LEOAM_API leoam_status leoam_session_get_info(leoam_session* session, leoam_session_info* out_info,
                                              leoam_error* error) LEOAM_NOEXCEPT;

/* Appends tokens and computes their KV on the calling thread and the instance's, in pieces. Fails with
 * INVALID_ARGUMENT (a token id, the context is full), NO_SPACE (the KV budget), CANCELLED (within 100 ms of
 * the flag, or by a callback). After NO_SPACE and CANCELLED the session keeps the whole pieces before;
 * leoam_session_get_info says how many tokens. [driver; not in callbacks] */
LEOAM_API leoam_status leoam_session_evaluate(leoam_session* session, const int32_t* tokens,
                                              uint64_t n_tokens, const leoam_evaluate_options* options,
                                              leoam_error* error) LEOAM_NOEXCEPT;

/* Drops the tokens from n_tokens on. Fails with INVALID_ARGUMENT beyond the end; UNSUPPORTED for models with
 * sliding layers when their window before n_tokens is gone (0 always works). [driver; not in callbacks] */
LEOAM_API leoam_status leoam_session_truncate(leoam_session* session, uint64_t n_tokens,
                                              leoam_error* error) LEOAM_NOEXCEPT;

/* Copies tokens [begin, begin + count). Fails with INVALID_ARGUMENT out of range. [driver] */
LEOAM_API leoam_status leoam_session_copy_tokens(leoam_session* session, uint64_t begin, int32_t* tokens,
                                                 uint64_t count, leoam_error* error) LEOAM_NOEXCEPT;

/* Copies the logits of the newest token; count must be n_vocab. Fails with INVALID_ARGUMENT when there are
 * none: the session is empty, was truncated, or its newest token was drawn by a request and has no KV yet.
 * [driver] */
LEOAM_API leoam_status leoam_session_copy_logits(leoam_session* session, float* logits, uint64_t count,
                                                 leoam_error* error) LEOAM_NOEXCEPT;

/* Copies the coverage of the newest step, [n_layers][n_heads]: a lower bound, which holds for certain, of the
 * share of a head's attention that lies in the tokens it attended to; 1 where these were all tokens. count
 * must be n_layers * n_heads. Fails with INVALID_ARGUMENT. [driver] */
LEOAM_API leoam_status leoam_session_copy_coverage(leoam_session* session, float* coverage, uint64_t count,
                                                   leoam_error* error) LEOAM_NOEXCEPT;

/* Fills heads [n_layers][n_heads], each element's struct_size set before; count must be n_layers * n_heads.
 * Fails with INVALID_ARGUMENT. [driver] */
LEOAM_API leoam_status leoam_session_copy_attention(leoam_session* session, leoam_head_attention* heads,
                                                    uint64_t count, leoam_error* error) LEOAM_NOEXCEPT;

/* Fills layers [n_layers], likewise: what each layer of the newest step took, zeros before the first. Fails
 * with INVALID_ARGUMENT. [driver] */
LEOAM_API leoam_status leoam_session_copy_layer_times(leoam_session* session, leoam_layer_times* layers,
                                                      uint64_t count, leoam_error* error) LEOAM_NOEXCEPT;

/* Zeros where nothing was to be decided yet. [any] */
LEOAM_API leoam_status leoam_session_get_kv_choice(leoam_session* session, leoam_kv_choice* out_choice,
                                                   leoam_error* error) LEOAM_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif /* LEOAM_SESSION_H */
