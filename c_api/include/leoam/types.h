/* types.h: version, handles, text and errors of the C interface. Part of leoam.h. */
#ifndef LEOAM_TYPES_H
#define LEOAM_TYPES_H

#include <stdint.h>
#include <string.h>

#if defined(__cplusplus) && __cplusplus >= 201103L
#define LEOAM_NOEXCEPT noexcept
#else
#define LEOAM_NOEXCEPT
#endif

#if defined(LEOAM_BUILDING) && defined(__GNUC__)
#define LEOAM_API __attribute__((visibility("default")))
#else
#define LEOAM_API
#endif

#define LEOAM_VERSION_MAJOR 0
#define LEOAM_VERSION_MINOR 1
#define LEOAM_VERSION_PATCH 0

/* The version of the function table: grows when functions are appended, never changes otherwise. */
#define LEOAM_API_VERSION 2

/* Zeroes a struct variable of this header and sets its struct_size. */
#define LEOAM_INIT(variable) \
  (memset(&(variable), 0, sizeof(variable)), (variable).struct_size = (uint32_t)sizeof(variable))

typedef struct leoam_instance leoam_instance;       /* threads, device, budgets; the root of everything */
typedef struct leoam_cancel_flag leoam_cancel_flag; /* a wish to stop, for long calls */
typedef struct leoam_model leoam_model;             /* one model file, immutable, shared by sessions */
typedef struct leoam_session leoam_session;         /* one sequence of tokens with its KV cache */
typedef struct leoam_request leoam_request;         /* one generation on a session */

/* Text, not terminated. This struct never grows. data may be NULL when size is 0. */
typedef struct leoam_string {
  const char* data;
  uint64_t size; /* bytes */
} leoam_string;

/* 0 or one of the codes below. Codes are never renumbered; unknown codes of later versions are failures. */
typedef int32_t leoam_status;
enum {
  LEOAM_OK = 0,
  LEOAM_ERROR_INVALID_ARGUMENT = 1, /* the caller's value; the message names the parameter */
  LEOAM_ERROR_INVALID_HANDLE = 2,   /* stale, wrong-typed or NULL handle */
  LEOAM_ERROR_NOT_FOUND = 3,        /* a file, a name or an index does not exist */
  LEOAM_ERROR_UNSUPPORTED = 4,      /* well formed, and this build cannot do it */
  LEOAM_ERROR_CORRUPT = 5,          /* a file breaks its format; message: field, offset, expected, found */
  LEOAM_ERROR_OUT_OF_MEMORY = 6,    /* the system refused memory */
  LEOAM_ERROR_NO_SPACE = 7,         /* a budget or buffer is too small; needed and available are set */
  LEOAM_ERROR_IO = 8,               /* the operating system failed a file operation */
  LEOAM_ERROR_BUSY = 9,         /* another thread uses the object, a wait timed out, or inside a callback */
  LEOAM_ERROR_CANCELLED = 10,   /* the caller asked to stop */
  LEOAM_ERROR_DEVICE_LOST = 11, /* the accelerator is gone; its instance is unusable */
  LEOAM_ERROR_VERSION = 12,     /* the library is older than what the caller asks for */
  LEOAM_ERROR_INTERNAL = 13     /* a fault of the library */
};

/* What went wrong in one call. Owned by the caller, copyable, tied to no thread. Written by every call that
 * it is passed to: code 0 and an empty message on success. */
typedef struct leoam_error {
  uint32_t struct_size;
  leoam_status code;
  uint64_t needed_bytes;    /* LEOAM_ERROR_NO_SPACE of a budget or a buffer, else 0 */
  uint64_t available_bytes; /* likewise */
  uint32_t message_size;    /* bytes of the message, without the zero behind it */
  uint32_t reserved;
  char message[480]; /* English, whole code points, terminated by zero, cut when longer */
} leoam_error;

/* What a callback returns. */
enum { LEOAM_CONTINUE = 0, LEOAM_STOP = 1 };

#endif /* LEOAM_TYPES_H */
