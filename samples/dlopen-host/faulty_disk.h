/* faulty_disk.h: a disk that fails when the host says so. The host defines the calls through which the
 * library reads and writes, so that the library is bound to these when it is loaded. */
#pragma once

/* The n-th call from now on (1: the next) fails with this errno, and so do `n_more` behind it; 0: none does.
 */
void faulty_disk_fail(long n, int error_number, long n_more);
/* Calls since then. */
long faulty_disk_calls(void);
