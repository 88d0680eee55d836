/* SPDX-License-Identifier: MIT
 *
 * What every process of the campaign shares: its log, the clock of all logs, and the resource that the locks guard.
 * The lines of a log are described in README.md. */
#ifndef FAULTS_RECORD_H
#define FAULTS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum { RECORD_NAMES = 64, RECORD_FOREVER = -1 };

/* Nanoseconds of the clock that the library counts leases by; one for all processes of a machine. */
int64_t record_now(void);

/* Opens the log of this process, and the resource. Both are files; the second one is shared. */
bool record_open(const char *log_path, const char *resource_path);

/* A line. It is kept back until something else must not happen without it: see record_flush(). */
void record_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Everything before this call survives the process, however it ends. */
void record_flush(void);

/* When a lease ends that a client says to last this long still, for a moment before it was asked. */
int64_t record_valid_until(int64_t before, int64_t remaining_ms);

/* Writes to the guarded resource of a name: false if it has seen a higher fence. */
bool resource_write(unsigned name, uint64_t fence);

/* How many descriptors and threads this process has, and kilobytes of memory. */
void record_usage(const char *when);

#endif
