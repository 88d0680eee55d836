/* SPDX-License-Identifier: MIT
 *
 * What the programs of the bench share: time, numbers, and bare hiredis. */
#ifndef BENCH_H
#define BENCH_H

#include <hiredis/hiredis.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Says why on stderr, and ends the program. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t bench_now_ns(void);

/* The value below which a share of the samples lies; sorts them. 0 without samples. */
uint32_t bench_quantile(uint32_t *samples, size_t count, double share);

/* Jain's index of fairness: 1 if all have as much, 1 / workers if one has it all. */
double bench_fairness(const uint32_t *counts, size_t workers);

/* A number between the limits, or the end of the program. */
uint64_t bench_number(const char *text, uint64_t least, uint64_t most);

/* How many descriptors of this process are sockets. */
unsigned bench_sockets(void);

/* Connects, blocking, to redis://HOST:PORT or unix:///PATH. */
redisContext *bench_connect(const char *url);

/* Ends the program unless the reply is one and no error; returns it. */
redisReply *bench_check(redisContext *context, void *reply);

enum { BENCH_SHA_SIZE = 41 };

/* Makes the server know a script of the library (lock, unlock, extend), and tells its digest. */
void bench_load(redisContext *context, const char *script, char sha[BENCH_SHA_SIZE]);

/* Measures rounds of pairs: reads how many from each line of stdin, runs them and writes a line of JSON. */
void bench_pair_rounds(void (*pair)(void *state), void *state);

/* What a script of the library answered: 1 for held (whose answer is the fence) and done, 2 for queued, ... */
long long bench_outcome(const redisReply *reply);

#endif
