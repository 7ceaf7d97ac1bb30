#define _GNU_SOURCE
#include "faulty_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long n_calls, first_failure, last_failure;
static atomic_int failure;

void faulty_disk_fail(long n, int error_number, long n_more) {
  atomic_store(&first_failure, 0);
  atomic_store(&n_calls, 0);
  atomic_store(&failure, error_number);
  atomic_store(&last_failure, n + n_more);
  atomic_store(&first_failure, n);
}

long faulty_disk_calls(void) {
  return atomic_load(&n_calls);
}

static int fails(void) {
  const long call = atomic_fetch_add(&n_calls, 1) + 1;
  const long first = atomic_load(&first_failure);
  if (first == 0 || call < first || call > atomic_load(&last_failure)) return 0;
  errno = atomic_load(&failure);
  return 1;
}

#define EXPORTED __attribute__((visibility("default")))

EXPORTED ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  return fails() ? -1 : syscall(SYS_pread64, fd, data, size, offset);
}
EXPORTED ssize_t pread64(int fd, void* data, size_t size, off_t offset) {
  return pread(fd, data, size, offset);
}
EXPORTED ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  return fails() ? -1 : syscall(SYS_pwrite64, fd, data, size, offset);
}
EXPORTED ssize_t pwrite64(int fd, const void* data, size_t size, off_t offset) {
  return pwrite(fd, data, size, offset);
}
EXPORTED int fsync(int fd) {
  return fails() ? -1 : (int)syscall(SYS_fsync, fd);
}
EXPORTED int fdatasync(int fd) {
  return fails() ? -1 : (int)syscall(SYS_fdatasync, fd);
}
EXPORTED int ftruncate(int fd, off_t size) {
  return fails() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}
EXPORTED int ftruncate64(int fd, off_t size) {
  return ftruncate(fd, size);
}
