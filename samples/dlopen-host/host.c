/* A host that loads LeoAM as a plug-in: many times, on several threads, in two copies at once, and with a
 * disk that fails under it. usage: dlopen_host LIBRARY MODEL FOLDER [ROUNDS] */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "faulty_disk.h"
#include "plugin.h"

enum { N_THREADS = 2 };

typedef struct round_thread {
  pthread_t thread;
  const char* model;
  char file[512]; /* a copy of the library of its own */
  char folder[512];
  int n_rounds;
  int n_events;
  int failed;
} round_thread;

static int is_mapped(const char* file) {
  char line[4096];
  int found = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  if (!maps) return 1;
  while (fgets(line, sizeof line, maps))
    if (strstr(line, file)) found = 1;
  fclose(maps);
  return found;
}

static int copy(const char* from, const char* to) {
  char buffer[1 << 16];
  size_t n;
  int failed;
  FILE* in = fopen(from, "rb");
  FILE* out = fopen(to, "wb");
  failed = !in || !out;
  while (!failed && (n = fread(buffer, 1, sizeof buffer, in)) > 0) failed = fwrite(buffer, 1, n, out) != n;
  if (in) fclose(in);
  if (out) failed = fclose(out) != 0 || failed;
  return failed ? -1 : 0;
}

/* Load, use, leave: every other time in the middle of an answer. */
static void* play_rounds(void* argument) {
  round_thread* self = argument;
  char reason[512] = "";
  plugin leoam;
  int i;
  self->failed = 1;
  for (i = 0; i < self->n_rounds; ++i) {
    if (plugin_load(&leoam, self->file, self->model, self->folder, 0, reason)) break;
    if (i % 2 ? plugin_leave_early(&leoam, &self->n_events, reason)
              : plugin_generate(&leoam, 8, 4, &self->n_events, reason))
      break;
    plugin_unload(&leoam);
    if (is_mapped(self->file)) {
      snprintf(reason, sizeof reason, "it is still mapped");
      break;
    }
  }
  if (i == self->n_rounds)
    self->failed = 0;
  else
    fprintf(stderr, "round %d: %s\n", i, reason);
  return NULL;
}

static int many_rounds(const char* library, const char* model, const char* folder, int n_rounds) {
  round_thread threads[N_THREADS];
  int i, failed = 0, n_events = 0;
  memset(threads, 0, sizeof threads);
  for (i = 0; i < N_THREADS; ++i) {
    round_thread* one = &threads[i];
    one->model = model;
    one->n_rounds = n_rounds / N_THREADS;
    snprintf(one->file, sizeof one->file, "%s/copy%d.so", folder, i);
    snprintf(one->folder, sizeof one->folder, "%s/state%d", folder, i);
    if (copy(library, one->file)) {
      perror(one->file);
      return 1;
    }
    if (pthread_create(&one->thread, NULL, play_rounds, one)) return 1;
  }
  for (i = 0; i < N_THREADS; ++i) {
    pthread_join(threads[i].thread, NULL);
    failed = failed || threads[i].failed;
    n_events += threads[i].n_events;
  }
  printf("%d loads by %d threads, each of its own copy: %d events, %s\n", n_rounds, N_THREADS, n_events,
         failed ? "FAILED" : "all unloaded");
  return failed || n_events == 0;
}

/* One call to the disk after the other fails; the plug-in says so, and the host goes on. */
static int failing_disk(const char* library, const char* model, const char* folder) {
  static const int kinds[] = {EIO, ENOSPC, EINTR, EACCES};
  const uint64_t little_bytes =
      3u << 20; /* KV of the prompt does not fit: it goes to the disk and comes back */
  char reason[512] = "", state[512];
  plugin leoam;
  long n, n_calls;
  int n_events = 0, n_failed = 0, n_played = 0;
  snprintf(state, sizeof state, "%s/failing", folder);
  if (plugin_load(&leoam, library, model, state, little_bytes, reason)) goto broken;
  faulty_disk_fail(0, 0, 0);
  if (plugin_generate(&leoam, 200, 2, &n_events, reason)) goto broken;
  n_calls = faulty_disk_calls();
  if (n_calls < 4) {
    snprintf(reason, sizeof reason, "only %ld calls to the disk", n_calls);
    goto broken;
  }
  for (n = 1; n <= n_calls; n += 1 + n_calls / 6) {
    /* Once, which the library gets over, or from then on. */
    const long n_more = n_played % 2 ? 1000000 : 0;
    faulty_disk_fail(n, kinds[n_played++ % 4], n_more);
    n_failed += plugin_generate(&leoam, 200, 2, &n_events, reason) != 0;
    faulty_disk_fail(0, 0, 0);
    if (plugin_generate(&leoam, 200, 2, &n_events, reason)) goto broken;
  }
  plugin_unload(&leoam);
  printf(
      "%d times a disk that fails: %d answers failed with a reason (\"%s\"), and every one after them came\n",
      n_played, n_failed, reason);
  return n_failed == 0;
broken:
  fprintf(stderr, "failing disk: %s\n", reason);
  plugin_unload(&leoam);
  return 1;
}

int main(int argc, char** argv) {
  char* library;
  int failed;
  if (argc < 4) {
    fprintf(stderr, "usage: dlopen_host LIBRARY MODEL FOLDER [ROUNDS]\n");
    return 2;
  }
  library = realpath(argv[1], NULL);
  if (!library) {
    perror(argv[1]);
    return 1;
  }
  failed = many_rounds(library, argv[2], argv[3], argc > 4 ? atoi(argv[4]) : 100);
  failed = failing_disk(library, argv[2], argv[3]) || failed;
  free(library);
  return failed;
}
