/* leoam.h: the C interface of LeoAM, local language models over very long context.
 *
 * Compiles as C99, C11 and C++. c_api/ABI.md of the source holds the rules in full; in short:
 *
 * - Objects are handles, never addresses: a stale, wrong-typed or NULL handle gives
 *   LEOAM_ERROR_INVALID_HANDLE. Release functions accept NULL. A parent that is released lives on until its
 *   children are gone.
 * - Functions return 0 or a positive LEOAM_ERROR_ code. The last parameter of most is an optional leoam_error
 *   that receives the reason; NULL when the code is enough. There is no "last error" anywhere else.
 * - Structs begin with struct_size, set by the caller (LEOAM_INIT does it). In structs that are read, every
 *   zero means the default, and a NULL pointer to options means all defaults; a shorter struct is extended
 *   with zeros, a longer one is accepted when what the library does not know is zero, else
 *   LEOAM_ERROR_VERSION. In structs that are filled, as many bytes as fit are written.
 * - Text is UTF-8, pointer and length, without a zero at the end. Sizes are in bytes unless the name says
 *   _tokens; times are in microseconds.
 * - Lists and texts are returned into the caller's buffer: the count needed is always reported; a NULL buffer
 *   of capacity 0 asks for it alone (LEOAM_OK), a buffer that is too small stays untouched
 *   (LEOAM_ERROR_NO_SPACE).
 * - Callbacks return LEOAM_CONTINUE or LEOAM_STOP, must not throw or jump out, and get the user_data that
 *   they were given with. Inside one, functions of the same instance that are marked "not in callbacks"
 *   return LEOAM_ERROR_BUSY.
 * - The library never prints, aborts, exits, installs signal handlers or touches locale and environment.
 *
 * Thread rule of each function: [any] from any thread at any time; [driver] one thread at a time for one
 * object, a second caller gets LEOAM_ERROR_BUSY. Handles may be released while other threads are inside calls
 * with them.
 */
#ifndef LEOAM_LEOAM_H
#define LEOAM_LEOAM_H

#include "leoam/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Library. */

/* Facts of the library file itself. The strings live as long as the library is loaded. */
typedef struct leoam_build_info {
  uint32_t struct_size;
  uint32_t api_version;   /* LEOAM_API_VERSION of the library */
  leoam_string version;   /* "0.1.0" */
  leoam_string compiler;  /* "gcc 12.2.0" */
  leoam_string build;     /* "release", "debug", "address,undefined" */
  leoam_string file_path; /* where the library was loaded from; empty when unknown */
} leoam_build_info;

/* The library's version as major << 16 | minor << 8 | patch. [any] */
LEOAM_API uint32_t leoam_version(void) LEOAM_NOEXCEPT;

/* [any] Fails with INVALID_ARGUMENT. */
LEOAM_API leoam_status leoam_get_build_info(leoam_build_info* out_info, leoam_error* error) LEOAM_NOEXCEPT;

/* "no_space" for LEOAM_ERROR_NO_SPACE, "unknown" for codes that the library does not know; terminated by
 * zero, lives as long as the library. [any] */
LEOAM_API const char* leoam_error_name(leoam_status code) LEOAM_NOEXCEPT;

/* Instance. */

/* done of total, in the unit of the call that takes the function. [the calling thread] */
typedef int32_t (*leoam_progress_function)(uint64_t done, uint64_t total, void* user_data);

typedef int32_t leoam_log_level;
enum {
  LEOAM_LOG_DEFAULT = 0,
  LEOAM_LOG_ERROR = 1,
  LEOAM_LOG_WARNING = 2,
  LEOAM_LOG_INFO = 3,
  LEOAM_LOG_DEBUG = 4
};

/* One message, valid during the call. Called from any thread of the library and from threads inside its
 * calls, one message at a time. Must not call the library. */
typedef void (*leoam_log_function)(leoam_log_level level, const char* text, uint64_t text_size,
                                   void* user_data);

/* Flags of leoam_instance_options. */
#define LEOAM_INSTANCE_PLAINTEXT_SCRATCH                                                                    \
  ((uint64_t)1) /* KV that leaves memory is checksummed only, else encrypted with a key that only RAM holds \
                 */
#define LEOAM_INSTANCE_NO_IO_URING ((uint64_t)2)  /* files are read and written by threads */
#define LEOAM_INSTANCE_NO_DIRECT_IO ((uint64_t)4) /* files go through the system's page cache */

typedef struct leoam_instance_options {
  uint32_t struct_size;
  uint32_t n_threads;     /* 0: the CPUs this process may use, at most 16 */
  leoam_string cpu_level; /* "scalar", "avx2" or "avx512"; empty: the best of the machine, at most LEOAM_CPU
                             of the environment */
  uint64_t host_kv_budget_bytes; /* most bytes of KV cache in memory; 0: half of the machine's memory */
  leoam_log_function log;        /* NULL: messages are dropped */
  void* log_user_data;
  leoam_log_level log_level; /* messages up to this level; default: warning */
  uint32_t reserved;
  uint64_t flags;                /* LEOAM_INSTANCE_ */
  uint64_t disk_kv_budget_bytes; /* most bytes of KV in files: scratch and open session files; 0: half of what
                                    is free on the disk of the state folder */
  uint64_t disk_write_cap_bytes; /* most bytes that the instance may write in its life; 0: no cap */
  leoam_string state_folder;     /* absolute; for KV that leaves memory. Empty: $XDG_STATE_HOME/leoam, else
                                    $HOME/.local/state/leoam; made (0700) when it is first needed */
  uint64_t device_kv_budget_bytes; /* most bytes of KV in the memory of a device that has its own; 0: half of
                                      it; without effect where the device computes in memory */
} leoam_instance_options;

typedef struct leoam_instance_statistics {
  uint32_t struct_size;
  uint32_t n_threads;
  uint64_t host_kv_budget_bytes;
  uint64_t host_kv_bytes;      /* in use by all sessions now: pages, tables, buffers of transfers */
  uint64_t host_kv_peak_bytes; /* at most so far */
  uint64_t weight_bytes;       /* of all loaded models, in memory */
  uint64_t workspace_bytes;    /* scratch of the forward pass */
  uint64_t n_steps;            /* forward passes so far */
  uint64_t disk_kv_budget_bytes;
  uint64_t disk_kv_bytes;          /* of scratch and open session files now */
  uint64_t disk_written_bytes;     /* so far, of whatever purpose */
  uint64_t disk_write_cap_bytes;   /* UINT64_MAX: none */
  uint64_t disk_read_bytes;        /* KV pages read so far */
  uint64_t n_disk_reads;           /* requests for them; adjacent pages are one */
  uint64_t stall_us;               /* forward passes have waited so long for files */
  uint64_t n_pages_hit;            /* pages that were asked for and in memory */
  uint64_t n_pages_missed;         /* read when they were asked for */
  uint64_t n_pages_ahead;          /* read before */
  uint64_t n_pages_damaged;        /* that had no whole copy */
  uint64_t recomputed_tokens;      /* computed again to replace damaged pages */
  uint64_t device_kv_budget_bytes; /* 0: the device computes in memory, as are those below */
  uint64_t device_kv_bytes;
  uint64_t device_kv_peak_bytes;
  uint64_t raised_bytes;  /* of KV, copied from memory to the device so far */
  uint64_t lowered_bytes; /* and back */
  /* Of disk_read_bytes; of KV, and of the two parts of abstracts: bounds with means, and codes of keys. */
  uint64_t kv_read_bytes;
  uint64_t record_read_bytes;
  uint64_t code_read_bytes;
  uint64_t reading_us; /* something was on its way from files so long: what of it stall_us does not have was
                          hidden behind the compute */
} leoam_instance_statistics;

/* Starts an instance; any number may live side by side. Fails with INVALID_ARGUMENT, UNSUPPORTED (a CPU level
 * that the machine lacks), OUT_OF_MEMORY. [any] */
LEOAM_API leoam_status leoam_instance_create(const leoam_instance_options* options,
                                             leoam_instance** out_instance,
                                             leoam_error* error) LEOAM_NOEXCEPT;

/* Gives the handle back. The instance ends when its models, sessions, requests and flags are released too.
 * [any] */
LEOAM_API leoam_status leoam_instance_release(leoam_instance* instance) LEOAM_NOEXCEPT;

/* leoam_instance_change_host_kv_budget without options. [any] */
LEOAM_API leoam_status leoam_instance_set_host_kv_budget(leoam_instance* instance, uint64_t bytes,
                                                         leoam_error* error) LEOAM_NOEXCEPT;

/* Cheap enough for every frame. [any] */
LEOAM_API leoam_status leoam_instance_get_statistics(leoam_instance* instance,
                                                     leoam_instance_statistics* out_statistics,
                                                     leoam_error* error) LEOAM_NOEXCEPT;

/* The index-th fact of a diagnosis, 0, 1, ... until NOT_FOUND: a dotted key ("cpu.chosen") and its value in
 * words: version, build, CPU levels found, the chosen kernels and why, device, memory, budgets, how files are
 * read and written and why not better, as they were at the first call, which may take some milliseconds. The
 * strings live as long as the instance. [any] */
LEOAM_API leoam_status leoam_instance_describe(leoam_instance* instance, uint64_t index,
                                               leoam_string* out_key, leoam_string* out_value,
                                               leoam_error* error) LEOAM_NOEXCEPT;

/* For hot reload: cancels all requests of the instance and drops its log function. When it returns, no
 * callback of a request or of the log is running and none will start; calls that take a callback of their own
 * (load, evaluate, step) are the caller's to end. From inside a callback it does not wait for that one, which
 * is the last. [any] */
LEOAM_API leoam_status leoam_instance_detach(leoam_instance* instance, leoam_error* error) LEOAM_NOEXCEPT;

/* Cancel flag. */

/* A flag that load and evaluate watch. One flag may serve many calls. [any] */
LEOAM_API leoam_status leoam_cancel_flag_create(leoam_instance* instance, leoam_cancel_flag** out_flag,
                                                leoam_error* error) LEOAM_NOEXCEPT;
/* Calls that watch the flag end with CANCELLED within 100 ms, as do later ones until it is cleared.
 * Lock-free: allowed in a signal handler, as long as the flag is not released meanwhile. [any] */
LEOAM_API leoam_status leoam_cancel_flag_set(leoam_cancel_flag* flag) LEOAM_NOEXCEPT;
LEOAM_API leoam_status leoam_cancel_flag_clear(leoam_cancel_flag* flag) LEOAM_NOEXCEPT;
LEOAM_API leoam_status leoam_cancel_flag_release(leoam_cancel_flag* flag) LEOAM_NOEXCEPT;

/* Model. */

typedef int32_t leoam_rope_scaling;
enum { LEOAM_ROPE_FROM_FILE = 0, LEOAM_ROPE_NONE = 1, LEOAM_ROPE_LINEAR = 2, LEOAM_ROPE_YARN = 3 };

/* What keys and values are kept as, in every tier and in session files. F16 is the default. INT8: 8 bits and
 * scales, a little more than half the bytes of F16, every token encoded when it is computed. K8V8, K8V4 and
 * K4V4: F16, of which pages that lie behind the 128 newest tokens and the first 32 are encoded in so many
 * bits for a key and for a value; a session with such pages takes none from others, and truncating it to the
 * middle of one gives up the KV of the page's tokens before, which the next pass computes again. AUTO: F16,
 * whose old pages become what is expected to be fastest with the context, the budgets of the moment and the
 * speeds of the machine, where they have been measured (leoam_model_plan with LEOAM_PLAN_SPEED), of the
 * codecs that lose little enough (most_kv_divergence): decided anew while the session runs, see
 * leoam_session_get_kv_choice. Sessions and plans tell which one it is now. */
typedef int32_t leoam_kv_type;
enum {
  LEOAM_KV_DEFAULT = 0,
  LEOAM_KV_F16 = 1,
  LEOAM_KV_F32 = 2,
  LEOAM_KV_INT8 = 3,
  LEOAM_KV_AUTO = 4,
  LEOAM_KV_K8V8 = 5,
  LEOAM_KV_K8V4 = 6,
  LEOAM_KV_K4V4 = 7
};

/* Flags of leoam_load_options. */
#define LEOAM_LOAD_HEADER_ONLY                                                \
  ((uint64_t)1) /* no weights: such a model has information and metadata only \
                 */

typedef struct leoam_load_options {
  uint32_t struct_size;
  leoam_rope_scaling rope_scaling; /* overrides of what the file says; 0: as in the file */
  uint64_t flags;                  /* LEOAM_LOAD_ */
  float rope_factor;               /* context extension factor, >= 1 */
  float rope_base;                 /* > 0 */
  uint32_t rope_original_context_tokens;
  uint32_t context_tokens;
  leoam_progress_function on_progress; /* bytes done and in all, on the calling thread */
  void* user_data;
  leoam_cancel_flag* cancel; /* or NULL */
} leoam_load_options;

/* Flags of leoam_model_info. */
#define LEOAM_MODEL_HAS_TOKENIZER ((uint64_t)1)     /* else the model runs on token ids alone */
#define LEOAM_MODEL_HAS_CHAT_TEMPLATE ((uint64_t)2) /* the file carries one */
#define LEOAM_MODEL_ADDS_BOS ((uint64_t)4)          /* texts begin with bos_token by default */
#define LEOAM_MODEL_HEADER_ONLY ((uint64_t)8)

/* The strings live as long as the model. */
typedef struct leoam_model_info {
  uint32_t struct_size;
  uint32_t gguf_version;
  leoam_string architecture;  /* "llama" */
  leoam_string name;          /* may be empty */
  leoam_string quantization;  /* the type with most bytes, "q4_1" */
  leoam_string tokenizer;     /* "gpt2", "llama", "none" */
  leoam_string pre_tokenizer; /* "smollm", may be empty */
  uint64_t flags;             /* LEOAM_MODEL_ */
  uint32_t n_layers;
  uint32_t n_embd;
  uint32_t n_heads;
  uint32_t n_kv_heads;
  uint32_t head_dim;
  uint32_t n_ff;
  uint32_t n_vocab;
  uint32_t context_tokens;         /* after overrides */
  uint32_t sliding_window_tokens;  /* 0: none */
  leoam_rope_scaling rope_scaling; /* never LEOAM_ROPE_FROM_FILE */
  float rope_factor;
  float rope_base;
  uint32_t rope_original_context_tokens;
  int32_t bos_token; /* -1: none */
  int32_t eos_token; /* -1: none */
  uint32_t reserved;
  uint64_t n_parameters;
  uint64_t n_tensors;
  uint64_t n_metadata; /* entries of leoam_model_get_metadata */
  uint64_t file_bytes;
  uint64_t weight_bytes; /* tensor data in the file */
  uint64_t memory_bytes; /* weights in memory; 0 for a header */
} leoam_model_info;

typedef struct leoam_plan_options {
  uint32_t struct_size;
  leoam_kv_type kv_type;
  uint64_t context_tokens; /* 0: the model's own */
  uint32_t page_tokens;    /* 16, 32, 64 or 128; 0: 32 */
  uint32_t reserved;
  uint64_t host_kv_budget_bytes; /* 0: the budget of the instance */
  uint64_t disk_kv_budget_bytes; /* 0: the budget of the instance */
  uint64_t flags;                /* LEOAM_PLAN_ */
  leoam_cancel_flag* cancel;     /* or NULL */
} leoam_plan_options;

/* Flags of leoam_plan_options. */
/* Speeds too: measures the machine once, within 5 s, and keeps the result. */
#define LEOAM_PLAN_SPEED ((uint64_t)1)
#define LEOAM_PLAN_SAVED ((uint64_t)2) /* the session is saved in a file at the end */

typedef struct leoam_plan {
  uint32_t struct_size;
  uint32_t fits; /* 1 when all KV stays in RAM, else 0 */
  uint64_t context_tokens;
  uint64_t weight_bytes;             /* in memory */
  uint64_t kv_token_bytes;           /* one token, all layers */
  uint64_t kv_bytes;                 /* at context_tokens, in whole pages */
  uint64_t workspace_bytes;          /* scratch of the forward pass */
  uint64_t total_bytes;              /* weights, scratch and KV in RAM */
  uint64_t fitting_tokens;           /* the longest context of which all KV stays in RAM */
  uint64_t fitting_with_disk_tokens; /* the longest that RAM and disk hold together */
  uint64_t host_kv_bytes;            /* all that KV causes in RAM, at most */
  uint64_t disk_kv_bytes;            /* files */
  uint64_t session_file_bytes;       /* of disk_kv_bytes; with LEOAM_PLAN_SAVED, else 0 */
  uint64_t disk_written_bytes;       /* at most, by the time the context is filled (and saved) */
  uint64_t token_read_bytes;         /* from disk, for the next token */
  /* Expected; 0 without LEOAM_PLAN_SPEED and where the context does not fit. */
  double prefill_tokens_per_second; /* from the first token to the last */
  double decode_tokens_per_second;  /* at context_tokens */
  double reopen_seconds;            /* a saved session, until its first pass can start */
  /* Of a prefill piece, when a session leaves it to the library: 256, and with LEOAM_PLAN_SPEED more where
   * older pages come from the disk and would not hide behind the compute of a piece: 512, 1024 or 2048. */
  uint32_t piece_tokens;
  leoam_kv_type kv_type; /* the one that was asked for, or chosen; never AUTO */
} leoam_plan;

/* What a model and a context will need, from the header of the file: nothing is loaded. `load` may be NULL;
 * its overrides count, its functions, flags and cancel flag do not. Fails as leoam_model_load. [any] */
LEOAM_API leoam_status leoam_model_plan(leoam_instance* instance, const char* path, uint64_t path_size,
                                        const leoam_load_options* load, const leoam_plan_options* options,
                                        leoam_plan* out_plan, leoam_error* error) LEOAM_NOEXCEPT;

/* Loads a GGUF file on the calling thread and the instance's. Fails with INVALID_ARGUMENT, NOT_FOUND, IO,
 * CORRUPT, UNSUPPORTED, OUT_OF_MEMORY, CANCELLED (within 100 ms of the flag, or by the callback). [any; not
 * in callbacks] */
LEOAM_API leoam_status leoam_model_load(leoam_instance* instance, const char* path, uint64_t path_size,
                                        const leoam_load_options* options, leoam_model** out_model,
                                        leoam_error* error) LEOAM_NOEXCEPT;

LEOAM_API leoam_status leoam_model_release(leoam_model* model) LEOAM_NOEXCEPT;

/* [any] */
LEOAM_API leoam_status leoam_model_get_info(leoam_model* model, leoam_model_info* out_info,
                                            leoam_error* error) LEOAM_NOEXCEPT;

/* The index-th entry of the file's metadata, with its value as text (long arrays shortened). The strings live
 * as long as the model. Fails with NOT_FOUND at n_metadata. [any] */
LEOAM_API leoam_status leoam_model_get_metadata(leoam_model* model, uint64_t index, leoam_string* out_key,
                                                leoam_string* out_value, leoam_error* error) LEOAM_NOEXCEPT;

/* Text and tokens. */

typedef int32_t leoam_token_type;
enum {
  LEOAM_TOKEN_NORMAL = 1,
  LEOAM_TOKEN_UNKNOWN = 2,
  LEOAM_TOKEN_CONTROL = 3,
  LEOAM_TOKEN_USER_DEFINED = 4,
  LEOAM_TOKEN_UNUSED = 5,
  LEOAM_TOKEN_BYTE = 6
};

/* Flags of leoam_token_info. */
#define LEOAM_TOKEN_ENDS_GENERATION ((uint64_t)1)

/* The strings live as long as the model. */
typedef struct leoam_token_info {
  uint32_t struct_size;
  leoam_token_type type;
  uint64_t flags;     /* LEOAM_TOKEN_ENDS_GENERATION */
  leoam_string piece; /* its spelling in the file, for display */
  leoam_string bytes; /* what it stands for in running text: any bytes, perhaps a part of a code point; empty
                         for control tokens */
} leoam_token_info;

/* Flags of leoam_model_tokenize. */
#define LEOAM_TOKENIZE_SPECIAL ((uint64_t)1) /* control tokens spelt out in the text become those tokens */
#define LEOAM_TOKENIZE_BOS ((uint64_t)2)     /* begins with bos_token where the file asks for it */

/* Flags of leoam_model_detokenize. */
#define LEOAM_DETOKENIZE_SPECIAL ((uint64_t)1) /* control tokens are spelt out */
#define LEOAM_DETOKENIZE_CONTINUE                                                    \
  ((uint64_t)2) /* the tokens go on from others: a blank that the format puts before \
                   a text is kept */

/* Fails with INVALID_ARGUMENT (no such token), UNSUPPORTED (no tokenizer). [any] */
LEOAM_API leoam_status leoam_model_get_token(leoam_model* model, int32_t token, leoam_token_info* out_info,
                                             leoam_error* error) LEOAM_NOEXCEPT;

/* The id of the token that the file spells so; NOT_FOUND when there is none. [any] */
LEOAM_API leoam_status leoam_model_find_token(leoam_model* model, const char* piece, uint64_t piece_size,
                                              int32_t* out_token, leoam_error* error) LEOAM_NOEXCEPT;

/* Text -> tokens [capacity]; *out_count is their number. A buffer of text_size + 16 tokens is enough with any
 * ordinary vocabulary. Invalid UTF-8 is tokenised as bytes. [any] */
LEOAM_API leoam_status leoam_model_tokenize(leoam_model* model, const char* text, uint64_t text_size,
                                            uint64_t flags, int32_t* tokens, uint64_t capacity,
                                            uint64_t* out_count, leoam_error* error) LEOAM_NOEXCEPT;

/* Tokens -> bytes [capacity]; *out_size is their number. The text of tokens that were cut from a longer
 * sequence may begin or end inside a code point. Fails with INVALID_ARGUMENT (no such token). [any] */
LEOAM_API leoam_status leoam_model_detokenize(leoam_model* model, const int32_t* tokens, uint64_t n_tokens,
                                              uint64_t flags, char* text, uint64_t capacity,
                                              uint64_t* out_size, leoam_error* error) LEOAM_NOEXCEPT;

typedef struct leoam_chat_message {
  uint32_t struct_size; /* in an array all elements have the same one; it is the stride */
  uint32_t reserved;
  leoam_string role; /* "system", "user", "assistant", "tool" */
  leoam_string content;
} leoam_chat_message;

typedef struct leoam_chat_variable {
  uint32_t struct_size; /* as in leoam_chat_message */
  uint32_t reserved;
  leoam_string name;  /* "enable_thinking" */
  leoam_string value; /* JSON: "false" */
} leoam_chat_variable;

/* Flags of leoam_chat. */
#define LEOAM_CHAT_NO_GENERATION_PROMPT ((uint64_t)1) /* does not open the assistant's turn at the end */

typedef struct leoam_chat {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t flags; /* LEOAM_CHAT_ */
  const leoam_chat_message* messages;
  uint64_t n_messages;
  const leoam_chat_variable* variables; /* further variables of the template */
  uint64_t n_variables;
} leoam_chat;

/* The conversation in the model's own format, as text, for display. Fails with UNSUPPORTED (no template, or
 * one that this library cannot read: line and construct), INVALID_ARGUMENT (the template refuses, with its
 * words), NO_SPACE (your buffer, or a limit of the interpreter). [any] */
LEOAM_API leoam_status leoam_model_render_chat(leoam_model* model, const leoam_chat* chat, char* text,
                                               uint64_t capacity, uint64_t* out_size,
                                               leoam_error* error) LEOAM_NOEXCEPT;

/* The conversation as tokens: control tokens of the template become tokens, those spelt out in messages stay
 * text; begins with bos_token where the file asks for it. Fails as leoam_model_render_chat. [any] */
LEOAM_API leoam_status leoam_model_tokenize_chat(leoam_model* model, const leoam_chat* chat, int32_t* tokens,
                                                 uint64_t capacity, uint64_t* out_count,
                                                 leoam_error* error) LEOAM_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#include "leoam/api.h" /* and with it session.h, request.h and store.h */

#endif /* LEOAM_LEOAM_H */
