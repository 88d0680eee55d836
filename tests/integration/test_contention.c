/* SPDX-License-Identifier: MIT
 *
 * Many processes take turns on one name, hold it for a random while, and log what they saw. Afterwards the logs must
 * show no overlap, rising fences, and nobody who overtook a waiter that was in the queue before he asked. */
#include "fork.h"
#include "locks.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 16

/* One acquisition. Times are microseconds of one clock for all processes; queued is a time at which it was known to be
 * in the queue, 0 if nobody saw it there. */
struct hold {
	int64_t asked;
	int64_t queued;
	int64_t acquired;
	int64_t released;
	uint64_t fence;
};

/* Looks at a process's lock while that waits. The turn is odd during an acquire, so that what was seen in one turn is
 * never booked to another. */
struct watcher {
	redislock_lock *lock;
	atomic_int turn;
	atomic_bool over;
	_Atomic int64_t *queued; /* one for each turn */
};

static struct test_server server;

static void *watch(void *argument)
{
	struct watcher *watcher = argument;

	while (!atomic_load(&watcher->over)) {
		const int turn = atomic_load(&watcher->turn);

		if (turn % 2 == 1 && atomic_load(&watcher->queued[turn / 2]) == 0 &&
		    redislock_lock_place(watcher->lock) >= 0 && atomic_load(&watcher->turn) == turn)
			atomic_store(&watcher->queued[turn / 2], test_now_us());
		test_sleep_ms(1);
	}
	return NULL;
}

static void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "contender: %s\n", what);
	_exit(1);
}

static void contend(redislock_lock *lock, struct hold *holds, int rounds, unsigned seed)
{
	struct watcher watcher = { .lock = lock };
	pthread_t thread;

	watcher.queued = calloc((size_t)rounds, sizeof(*watcher.queued));
	need(watcher.queued != NULL, "memory");
	need(pthread_create(&thread, NULL, watch, &watcher) == 0, "thread");
	for (int i = 0; i < rounds; i++) {
		struct hold *hold = &holds[i];
		int32_t status;

		atomic_fetch_add(&watcher.turn, 1);
		hold->asked = test_now_us();
		status = redislock_lock_acquire(lock);
		hold->acquired = test_now_us();
		atomic_fetch_add(&watcher.turn, 1);
		if (status != REDISLOCK_OK)
			fprintf(stderr, "contender: round %d: %s\n", i, redislock_error_name(status));
		need(status == REDISLOCK_OK, "not acquired");
		hold->fence = redislock_lock_fence(lock);
		usleep((useconds_t)(rand_r(&seed) % 2001));
		hold->released = test_now_us();
		need(redislock_lock_release(lock) == REDISLOCK_OK, "not released");
	}
	atomic_store(&watcher.over, true);
	pthread_join(thread, NULL);
	for (int i = 0; i < rounds; i++)
		holds[i].queued = atomic_load(&watcher.queued[i]);
	free(watcher.queued);
}

static void contender(int32_t kind, const char *name, struct hold *holds, int rounds, unsigned seed)
{
	redislock_client *client;
	redislock_lock *lock;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	need(redislock_client_new(server.url, &client) == REDISLOCK_OK, "client");
	need(redislock_lock_new(client, kind, name, strlen(name), &lock) == REDISLOCK_OK, "lock");
	need(redislock_lock_set_wait_ms(lock, 240000) == REDISLOCK_OK, "wait");
	need(redislock_lock_set_spin_interval_ms(lock, 2) == REDISLOCK_OK, "interval");
	contend(lock, holds, rounds, seed);
	redislock_lock_free(lock);
	redislock_client_free(client);
	_exit(0);
}

static int by_acquired(const void *left, const void *right)
{
	const struct hold *a = left, *b = right;

	return (a->acquired > b->acquired) - (a->acquired < b->acquired);
}

static int by_asked(const void *left, const void *right)
{
	const struct hold *a = left, *b = right;

	return (a->asked > b->asked) - (a->asked < b->asked);
}

static void assert_no_overlap_and_rising_fences(struct hold *holds, size_t count)
{
	qsort(holds, count, sizeof(*holds), by_acquired);
	for (size_t i = 1; i < count; i++) {
		if (holds[i].acquired < holds[i - 1].released)
			fail_msg("two held it at once, for %lld us",
			         (long long)(holds[i - 1].released - holds[i].acquired));
		if (holds[i].fence <= holds[i - 1].fence)
			fail_msg("fence %llu after %llu", (unsigned long long)holds[i].fence,
			         (unsigned long long)holds[i - 1].fence);
	}
}

/* A hand-off that is missed, by a process that got no processor for a second, lets others pass. Then the lock was idle
 * for about that long. */
static bool hand_off_was_missed(const struct hold *sorted, size_t count, int64_t from, int64_t to)
{
	for (size_t i = 1; i < count; i++)
		if (sorted[i].acquired >= from && sorted[i - 1].released <= to &&
		    sorted[i].acquired - sorted[i - 1].released > 900000)
			return true;
	return false;
}

/* For every waiter seen in the queue: nobody who asked after that got the lock before him. Going through the holds from
 * the last that asked, the earliest acquisition so far is all that needs to be known. */
static void assert_nobody_was_overtaken(const struct hold *sorted, size_t count)
{
	struct hold *holds = malloc(count * sizeof(*holds));
	int64_t *earliest = malloc((count + 1) * sizeof(*earliest));
	size_t seen = 0;

	assert_non_null(holds);
	assert_non_null(earliest);
	memcpy(holds, sorted, count * sizeof(*holds));
	qsort(holds, count, sizeof(*holds), by_asked);
	earliest[count] = INT64_MAX;
	for (size_t i = count; i-- > 0;)
		earliest[i] = holds[i].acquired < earliest[i + 1] ? holds[i].acquired : earliest[i + 1];
	for (size_t i = 0; i < count; i++) {
		size_t low = 0, high = count;

		if (holds[i].queued == 0)
			continue;
		seen++;
		while (low < high) {
			const size_t middle = low + (high - low) / 2;

			if (holds[middle].asked > holds[i].queued)
				high = middle;
			else
				low = middle + 1;
		}
		if (earliest[low] < holds[i].acquired &&
		    !hand_off_was_missed(sorted, count, holds[i].queued, holds[i].acquired))
			fail_msg("a waiter was overtaken, by %lld us", (long long)(holds[i].acquired - earliest[low]));
	}
	print_message("%zu of %zu acquisitions were seen in the queue\n", seen, count);
	assert_true(seen > count / 10);
	free(earliest);
	free(holds);
}

static struct hold *run_contenders(const int32_t kinds[2], const char *name, int rounds)
{
	const size_t size = sizeof(struct hold) * (size_t)rounds * PROCESSES;
	struct hold *holds = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const int64_t start = test_now_ms();
	pid_t children[PROCESSES];
	int failed = 0;

	assert_true(holds != MAP_FAILED);
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = test_fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			contender(kinds[i % 2], name, holds + i * rounds, rounds, (unsigned)i + 1);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status = 0;

		while (waitpid(children[i], &status, 0) < 0 && errno == EINTR)
			continue;
		failed += status != 0;
	}
	if (failed != 0)
		fail_msg("%d of %d processes failed", failed, PROCESSES);
	print_message("%d processes, %d acquisitions each: %.1f s\n", PROCESSES, rounds,
	              (double)(test_now_ms() - start) / 1000);
	return holds;
}

static void end_of_contention(struct hold *holds, int rounds)
{
	munmap(holds, sizeof(struct hold) * (size_t)rounds * PROCESSES);
	assert_nothing_left(&server);
}

static void queued_processes_take_turns_in_order(void **state)
{
	static const int32_t kinds[2] = { REDISLOCK_KIND_PUBSUB, REDISLOCK_KIND_PUBSUB };
	const int rounds = test_scaled(1000);
	struct hold *holds = run_contenders(kinds, "queued", rounds);
	const size_t count = (size_t)rounds * PROCESSES;

	(void)state;
	assert_no_overlap_and_rising_fences(holds, count);
	assert_nobody_was_overtaken(holds, count);
	end_of_contention(holds, rounds);
}

static void spinning_processes_never_overlap(void **state)
{
	static const int32_t kinds[2] = { REDISLOCK_KIND_SPIN, REDISLOCK_KIND_SPIN };
	const int rounds = test_scaled(100);
	struct hold *holds = run_contenders(kinds, "spinning", rounds);

	(void)state;
	assert_no_overlap_and_rising_fences(holds, (size_t)rounds * PROCESSES);
	end_of_contention(holds, rounds);
}

static void both_kinds_together_never_overlap(void **state)
{
	const int rounds = test_scaled(100);
	struct hold *holds = run_contenders(test_kinds, "together", rounds);

	(void)state;
	assert_no_overlap_and_rising_fences(holds, (size_t)rounds * PROCESSES);
	end_of_contention(holds, rounds);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queued_processes_take_turns_in_order),
		cmocka_unit_test(spinning_processes_never_overlap),
		cmocka_unit_test(both_kinds_together_never_overlap),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
