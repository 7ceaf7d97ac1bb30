/* store.h: KV that leaves memory: budgets of the tiers, and sessions that are forked, suspended, saved and
 * opened again. Part of leoam.h. */
#include "leoam/leoam.h" /* outside the guard: it includes this file where its turn is */

#ifndef LEOAM_STORE_H
#define LEOAM_STORE_H

#ifdef __cplusplus
extern "C" {
#endif

/* Budgets. */

typedef struct leoam_budget_options {
  uint32_t struct_size;
  uint32_t reserved;
  leoam_progress_function on_progress; /* bytes given back and to be given back; on the calling thread */
  void* user_data;
  leoam_cancel_flag* cancel; /* or NULL */
} leoam_budget_options;

/* Changes the budget of bytes in memory that KV causes, while requests go on. Returns when it holds: what is
 * too much has moved to files, which changes no answer. Fails with NO_SPACE (needed: what has to stay;
 * available: `bytes`), IO, CANCELLED (by the flag or by the callback, within 100 ms of work and one transfer
 * of 16 MiB); then the old budget holds again. [any] */
LEOAM_API leoam_status leoam_instance_change_host_kv_budget(leoam_instance* instance, uint64_t bytes,
                                                            const leoam_budget_options* options,
                                                            leoam_error* error) LEOAM_NOEXCEPT;

/* The same of the memory of a device that has its own: what is too much moves to memory. Fails with
 * UNSUPPORTED (the device computes in memory) too. [any] */
LEOAM_API leoam_status leoam_instance_change_device_kv_budget(leoam_instance* instance, uint64_t bytes,
                                                              const leoam_budget_options* options,
                                                              leoam_error* error) LEOAM_NOEXCEPT;

/* Most bytes of scratch and open session files. A budget below what is used stops growth and drops nothing.
 * [any] */
LEOAM_API leoam_status leoam_instance_set_disk_kv_budget(leoam_instance* instance, uint64_t bytes,
                                                         leoam_error* error) LEOAM_NOEXCEPT;

/* Most bytes that the instance writes in its life, those before included; UINT64_MAX: no cap. What would pass
 * it fails with NO_SPACE and writes nothing. [any] */
LEOAM_API leoam_status leoam_instance_set_disk_write_cap(leoam_instance* instance, uint64_t bytes,
                                                         leoam_error* error) LEOAM_NOEXCEPT;

/* Sessions beyond one sequence in memory. */

/* A second session with the same tokens, KV and logits. KV is shared until one of the two changes it, in
 * memory and in files; the new one has no file of its own. Fails with BUSY. [driver] */
LEOAM_API leoam_status leoam_session_fork(leoam_session* session, leoam_session** out_session,
                                          leoam_error* error) LEOAM_NOEXCEPT;

typedef struct leoam_suspend_options {
  uint32_t struct_size;
  uint32_t reserved;
  leoam_cancel_flag* cancel;           /* or NULL */
  leoam_progress_function on_progress; /* bytes of KV done and in all, or NULL */
  void* user_data;
} leoam_suspend_options;

/* All KV of the session leaves memory, but for what forks hold in use. The next use brings back what it
 * needs. Fails with BUSY, NO_SPACE (a disk budget, the write cap, the disk), IO, CANCELLED (by the flag or by
 * the callback); then the session is as good as before, with a part of it in files. [driver; not in
 * callbacks] */
LEOAM_API leoam_status leoam_session_suspend(leoam_session* session, const leoam_suspend_options* options,
                                             leoam_error* error) LEOAM_NOEXCEPT;

/* Session files.
 *
 * A session is saved into one file: its tokens, which are the truth, and their KV, which can be computed
 * again from them. A crash at any moment leaves the last state that was saved. Files are private to the user
 * (0600), not reached through symbolic links, and open in one session at a time: from the first save or the
 * opening until that session is released, and with it the forks that share KV with it.
 *
 * A file is encrypted with a key of the application (AES-256-GCM), or plaintext and checksummed when the
 * application says so. */

#define LEOAM_KEY_BYTES 32

/* Fills key [size], where size is LEOAM_KEY_BYTES. Called at most once by a call, on its thread; the library
 * wipes its copies. LEOAM_STOP: there is no key, the call fails with CANCELLED. */
typedef int32_t (*leoam_key_function)(uint8_t* key, uint64_t size, void* user_data);

/* Flags of leoam_save_options. */
#define LEOAM_SAVE_PLAINTEXT ((uint64_t)1) /* without encryption; excludes key and on_key */

typedef struct leoam_save_options {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t flags;            /* LEOAM_SAVE_ */
  leoam_string path;         /* of a new file */
  const uint8_t* key;        /* [key_size]; or NULL, and on_key */
  uint64_t key_size;         /* LEOAM_KEY_BYTES; 0: none */
  leoam_key_function on_key; /* or NULL */
  void* user_data;           /* of all functions */
  leoam_cancel_flag* cancel; /* or NULL */
  /* Bytes of KV that the file has now, and in all; or NULL. Tokens and index follow the last of them. */
  leoam_progress_function on_progress;
} leoam_save_options;

/* Makes the session durable: it is on the disk when this returns. The first time into a new file, which the
 * session then has; needs a path, and a key or LEOAM_SAVE_PLAINTEXT. Later into the same one, where only what
 * is new is written: options may be NULL, a path must be that of the file, a key is not asked for again, and
 * a wish for the other kind of file is refused. Fails with INVALID_ARGUMENT (no path, another path, neither
 * key nor flag, or both), BUSY (the session, or the file exists or is open), NOT_FOUND (the folder),
 * NO_SPACE, UNSUPPORTED (a folder that others may write to), IO, CANCELLED (by the flag or by a callback);
 * then the last save stands. [driver; not in callbacks] */
LEOAM_API leoam_status leoam_session_save(leoam_session* session, const leoam_save_options* options,
                                          leoam_error* error) LEOAM_NOEXCEPT;

/* How a session file is read. */
typedef struct leoam_session_file_options {
  uint32_t struct_size;
  uint32_t reserved;
  const uint8_t* key; /* as in leoam_save_options; neither key nor on_key: a plaintext file */
  uint64_t key_size;
  leoam_key_function on_key;
  leoam_progress_function on_progress; /* pages done and in all, of leoam_session_file_verify; or NULL */
  void* user_data;                     /* of all functions */
  leoam_cancel_flag* cancel;           /* of leoam_session_file_verify; or NULL */
} leoam_session_file_options;

/* The saved session, on the model that it was made with. Reads the index, not the KV: pages come when they
 * are attended to, and those that are damaged are computed again. kv_type, page_tokens and piece_tokens of
 * `options` are 0 or those of the file; the context must hold the saved tokens. Fails with NOT_FOUND, BUSY
 * (open elsewhere, within 100 ms), VERSION (a newer format), INVALID_ARGUMENT (a wrong key, none for an
 * encrypted file, one for a plaintext file, an option), UNSUPPORTED (another model, not a private file),
 * CORRUPT (no copy of the tokens is whole), NO_SPACE (the disk budget), IO, CANCELLED (by on_key); the file
 * is untouched then. [any; not in callbacks] */
LEOAM_API leoam_status leoam_model_open_session(leoam_model* model, const char* path, uint64_t path_size,
                                                const leoam_session_options* options,
                                                const leoam_session_file_options* file,
                                                leoam_session** out_session,
                                                leoam_error* error) LEOAM_NOEXCEPT;

/* Flags of leoam_session_file_info. */
#define LEOAM_SESSION_FILE_ENCRYPTED ((uint64_t)1)
#define LEOAM_SESSION_FILE_INDEX_LOST ((uint64_t)2) /* all KV is to be computed again */

typedef struct leoam_session_file_info {
  uint32_t struct_size;
  uint32_t format_version;
  uint64_t flags;      /* LEOAM_SESSION_FILE_ */
  uint64_t generation; /* counts saves */
  uint64_t n_tokens;
  uint64_t n_kv_tokens; /* of them, those with KV in the file */
  uint64_t file_bytes;
  uint64_t used_bytes; /* of file_bytes; leoam_session_file_compact gives the rest back */
  uint32_t n_layers;
  uint32_t n_kv_heads;
  uint32_t head_dim;
  uint32_t n_vocab;
  leoam_kv_type kv_type;
  uint32_t page_tokens;
  uint32_t piece_tokens;
  uint32_t model_name_size; /* bytes, without the zero behind it */
  uint8_t model[16];        /* hash of the model's tensors, hyper-parameters and tokenizer */
  char model_name[192];     /* whole code points, terminated by zero, cut when longer */
} leoam_session_file_info;

/* Of the session's own file, as of its last save. Fails with NOT_FOUND when it has none. [any] */
LEOAM_API leoam_status leoam_session_get_file_info(leoam_session* session, leoam_session_file_info* out_info,
                                                   leoam_error* error) LEOAM_NOEXCEPT;

/* The functions below need no model. They fail as leoam_model_open_session does, but for the model, and with
 * BUSY while a session has the file. */

/* [any; not in callbacks] */
LEOAM_API leoam_status leoam_session_file_get_info(leoam_instance* instance, const char* path,
                                                   uint64_t path_size,
                                                   const leoam_session_file_options* options,
                                                   leoam_session_file_info* out_info,
                                                   leoam_error* error) LEOAM_NOEXCEPT;

/* The token log: tokens [capacity]; *out_count is their number. [any; not in callbacks] */
LEOAM_API leoam_status leoam_session_file_copy_tokens(leoam_instance* instance, const char* path,
                                                      uint64_t path_size,
                                                      const leoam_session_file_options* options,
                                                      int32_t* tokens, uint64_t capacity, uint64_t* out_count,
                                                      leoam_error* error) LEOAM_NOEXCEPT;

typedef struct leoam_session_verdict {
  uint32_t struct_size;
  uint32_t whole; /* 1: everything that was saved is there and right, else 0 */
  uint64_t n_pages;
  uint64_t n_bad_pages;
  uint64_t n_missing_pages;
  uint64_t first_bad_token;    /* the first without whole KV; UINT64_MAX: none */
  uint64_t n_recompute_tokens; /* what an opened session computes again before it goes on */
  uint64_t n_findings;
} leoam_session_verdict;

/* One finding, a sentence in English, valid during the call. [the calling thread] */
typedef int32_t (*leoam_finding_function)(const char* text, uint64_t text_size, void* user_data);

/* Reads and checks everything in the file and changes nothing. on_finding (or NULL) is called behind the
 * check for each of at most 32 findings, with the user_data of the options. Damage that can be repaired is a
 * verdict, not a failure. [any; not in callbacks] */
LEOAM_API leoam_status leoam_session_file_verify(
    leoam_instance* instance, const char* path, uint64_t path_size, const leoam_session_file_options* options,
    leoam_finding_function on_finding, leoam_session_verdict* out_verdict, leoam_error* error) LEOAM_NOEXCEPT;

/* Replaces the file by one with the same contents and no free room. A crash leaves the one or the other.
 * [any; not in callbacks] */
LEOAM_API leoam_status leoam_session_file_compact(leoam_instance* instance, const char* path,
                                                  uint64_t path_size,
                                                  const leoam_session_file_options* options,
                                                  leoam_error* error) LEOAM_NOEXCEPT;

/* Removes a session file; needs no key. Fails with NOT_FOUND, BUSY, UNSUPPORTED (not a private file), IO.
 * [any; not in callbacks] */
LEOAM_API leoam_status leoam_session_file_remove(leoam_instance* instance, const char* path,
                                                 uint64_t path_size, leoam_error* error) LEOAM_NOEXCEPT;

#ifdef __cplusplus
}
#endif

#endif /* LEOAM_STORE_H */
