/* SPDX-License-Identifier: MIT
 *
 * Many threads and one client. */
#include "locks.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define THREADS 64
#define WAITERS 1000

/* ThreadSanitizer has a shadow of every thread; a thousand of them are too much for a small machine. */
#if defined(__SANITIZE_THREAD__)
#define WAITING 100
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WAITING 100
#endif
#endif
#ifndef WAITING
#define WAITING WAITERS
#endif

static struct test_server server;
static redislock_client *client;
static atomic_int inside, failures, served;
static _Atomic uint64_t last_fence;

struct worker {
	pthread_t thread;
	int number;
	int rounds;
	int32_t kind;
	const char *name; /* NULL: a name of its own */
};

static void count_failure(bool good)
{
	if (!good)
		atomic_fetch_add(&failures, 1);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	redislock_lock *lock = NULL;
	char name[32];

	snprintf(name, sizeof(name), "own-%d", worker->number);
	if (worker->name != NULL)
		snprintf(name, sizeof(name), "%s", worker->name);
	count_failure(redislock_lock_new(client, worker->kind, name, strlen(name), &lock) == REDISLOCK_OK);
	count_failure(redislock_lock_set_spin_interval_ms(lock, 5) == REDISLOCK_OK);
	for (int i = 0; i < worker->rounds; i++) {
		const int32_t status = redislock_lock_acquire(lock);

		count_failure(status == REDISLOCK_OK);
		if (status != REDISLOCK_OK)
			continue;
		if (worker->name != NULL) {
			count_failure(atomic_fetch_add(&inside, 1) == 0);
			count_failure(redislock_lock_fence(lock) > atomic_load(&last_fence));
			atomic_store(&last_fence, redislock_lock_fence(lock));
			atomic_fetch_sub(&inside, 1);
		}
		atomic_fetch_add(&served, 1);
		count_failure(redislock_lock_release(lock) == REDISLOCK_OK);
	}
	redislock_lock_free(lock);
	return NULL;
}

static void run_workers(struct worker *workers, int count, const struct worker *like)
{
	atomic_store(&failures, 0);
	atomic_store(&served, 0);
	atomic_store(&last_fence, 0);
	for (int i = 0; i < count; i++) {
		workers[i] = *like;
		workers[i].number = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < count; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
	assert_int_equal(atomic_load(&failures), 0);
	assert_int_equal(atomic_load(&served), count * like->rounds);
	assert_true(test_connections(&server, "name=shared ") <= 2);
	assert_nothing_left(&server);
}

static void threads_with_names_of_their_own(void **state)
{
	struct worker workers[THREADS];

	(void)state;
	for (size_t i = 0; i < 2; i++)
		run_workers(workers, THREADS, &(struct worker) { .rounds = test_scaled(50), .kind = test_kinds[i] });
}

static void threads_with_one_name_take_turns(void **state)
{
	struct worker workers[THREADS];

	(void)state;
	run_workers(workers, THREADS,
	            &(struct worker) { .rounds = test_scaled(20), .kind = REDISLOCK_KIND_PUBSUB, .name = "one" });
	run_workers(workers, 8,
	            &(struct worker) { .rounds = test_scaled(20), .kind = REDISLOCK_KIND_SPIN, .name = "one" });
}

static void *acquire_once(void *argument)
{
	redislock_lock *lock = argument;
	const int32_t status = redislock_lock_acquire(lock);

	count_failure(status == REDISLOCK_OK);
	if (status == REDISLOCK_OK) {
		count_failure(atomic_fetch_add(&inside, 1) == 0);
		atomic_fetch_add(&served, 1);
		atomic_fetch_sub(&inside, 1);
		count_failure(redislock_lock_release(lock) == REDISLOCK_OK);
	}
	return NULL;
}

static void a_thousand_waiters_share_two_connections_and_all_are_served(void **state)
{
	static pthread_t threads[WAITING];
	static redislock_lock *locks[WAITING];
	redislock_client *holding = test_client(server.url);
	redislock_lock *holder = test_lock(holding, REDISLOCK_KIND_PUBSUB, "thousand");
	pthread_attr_t small;
	int64_t start;

	(void)state;
	atomic_store(&failures, 0);
	atomic_store(&served, 0);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 256 * 1024);
	for (int i = 0; i < WAITING; i++) {
		locks[i] = test_lock(client, REDISLOCK_KIND_PUBSUB, "thousand");
		assert_status(redislock_lock_set_wait_ms(locks[i], REDISLOCK_FOREVER), REDISLOCK_OK);
		assert_int_equal(pthread_create(&threads[i], &small, acquire_once, locks[i]), 0);
	}
	test_eventually(test_queue(&server, "thousand") == WAITING);
	assert_int_equal(test_connections(&server, "name=shared "), 2);
	start = test_now_ms();
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	for (int i = 0; i < WAITING; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		redislock_lock_free(locks[i]);
	}
	print_message("%d waiters served in %lld ms\n", WAITING, (long long)(test_now_ms() - start));
	assert_int_equal(atomic_load(&failures), 0);
	assert_int_equal(atomic_load(&served), WAITING);
	assert_int_equal(test_connections(&server, "name=shared "), 2);
	pthread_attr_destroy(&small);
	redislock_lock_free(holder);
	redislock_client_free(holding);
	assert_nothing_left(&server);
}

/* What may be asked of a lock from any thread, asked all the time. */
static void *look(void *argument)
{
	redislock_lock *lock = argument;
	size_t length;
	char token[129];

	while (atomic_load(&inside) == 1) {
		count_failure(redislock_lock_is_held(lock) >= 0);
		count_failure(redislock_lock_remaining_ms(lock) >= 0);
		count_failure(redislock_lock_place(lock) >= -1);
		count_failure(redislock_lock_token(lock, token, sizeof(token)) == REDISLOCK_OK);
		count_failure(redislock_lock_fence(lock) < UINT64_C(1) << 53);
		count_failure(redislock_lock_name(lock, &length) != NULL && length == 6);
		count_failure(redislock_lock_channel(lock, &length) != NULL);
		count_failure(redislock_client_error(client, token, sizeof(token)) == REDISLOCK_OK);
	}
	return NULL;
}

static void lock_in_use_can_be_looked_at_from_other_threads(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "looked");
	pthread_t threads[4];

	(void)state;
	atomic_store(&failures, 0);
	atomic_store(&inside, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look, lock), 0);
	for (int i = 0; i < test_scaled(200); i++) {
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_extend(lock, 10000), REDISLOCK_OK);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	}
	atomic_store(&inside, 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(atomic_load(&failures), 0);
	redislock_lock_free(lock);
}

static int start(void **state)
{
	(void)state;
	/* By TCP: there a thread that is alone awaits its answers in another way. */
	test_server_start(&server, TEST_SERVER_TCP, NULL);
	client = test_client(server.tcp_url);
	assert_status(redislock_client_set_name(client, "shared"), REDISLOCK_OK);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_with_names_of_their_own),
		cmocka_unit_test(threads_with_one_name_take_turns),
		cmocka_unit_test(a_thousand_waiters_share_two_connections_and_all_are_served),
		cmocka_unit_test(lock_in_use_can_be_looked_at_from_other_threads),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
