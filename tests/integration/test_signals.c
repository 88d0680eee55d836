/* SPDX-License-Identifier: MIT
 *
 * Signals in a waiting thread. */
#include "waiter.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

static struct test_server server;
static redislock_client *client, *other;
static redislock_lock *holder;
static volatile sig_atomic_t signals;
static redislock_lock *to_interrupt;
static redislock_client *client_to_interrupt;

static void count(int number)
{
	(void)number;
	signals++;
	if (to_interrupt != NULL)
		redislock_lock_interrupt(to_interrupt);
	if (client_to_interrupt != NULL)
		redislock_client_interrupt(client_to_interrupt);
}

/* A signal every 50 ms, that no system call is restarted after. */
static void begin_signals(void)
{
	const struct itimerval every = { { 0, 50000 }, { 0, 50000 } };
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = count;
	signals = 0;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void end_signals(void)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	to_interrupt = NULL;
	client_to_interrupt = NULL;
}

static void deadlines_hold_under_signals(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "signals");
		int64_t start;

		assert_status(redislock_lock_set_wait_ms(lock, 1000), REDISLOCK_OK);
		begin_signals();
		start = test_now_us();
		assert_status(redislock_lock_acquire(lock), REDISLOCK_NOT_ACQUIRED);
		assert_in_range(test_now_us() - start, 999000, TEST_DEADLINE_MS * 1000);
		end_signals();
		/* On a busy machine those that come together are one. */
		assert_true(signals > 0);
		redislock_lock_free(lock);
	}
}

static void locks_work_under_signals(void **state)
{
	const int64_t start = test_now_ms();

	(void)state;
	begin_signals();
	while (test_now_ms() < start + 500) {
		redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "under signals");

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		redislock_lock_free(lock);
	}
	end_signals();
}

static void signal_ends_a_wait_that_is_interruptible(void **state)
{
	(void)state;
	assert_status(redislock_client_set_interruptible(client, 1), REDISLOCK_OK);
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "signals");

		assert_status(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
		begin_signals();
		for (int round = 0; round < 3; round++)
			assert_status(redislock_lock_acquire(lock), REDISLOCK_INTERRUPTED);
		end_signals();
		assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
		redislock_lock_free(lock);
	}
	assert_status(redislock_client_set_interruptible(client, 0), REDISLOCK_OK);
	assert_int_equal(test_queue(&server, "signals"), 0);
}

static void handler_can_interrupt(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i % 2], "signals");

		assert_status(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
		if (i / 2 == 0)
			to_interrupt = lock;
		else
			client_to_interrupt = client;
		begin_signals();
		assert_status(redislock_lock_acquire(lock), REDISLOCK_INTERRUPTED);
		end_signals();
		redislock_lock_free(lock);
	}
	assert_int_equal(test_queue(&server, "signals"), 0);
}

static void do_nothing(int number)
{
	(void)number;
}

/* Whatever the thread is about to do just then: the signal comes as soon as the server knows of the wait, or shortly
 * after. */
static void no_signal_is_missed(void **state)
{
	struct sigaction action;

	(void)state;
	memset(&action, 0, sizeof(action));
	action.sa_handler = do_nothing;
	assert_int_equal(sigaction(SIGURG, &action, NULL), 0);
	assert_status(redislock_client_set_interruptible(client, 1), REDISLOCK_OK);
	for (int round = 0; round < test_scaled(300); round++) {
		redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "signals");
		struct waiter waiter;
		int64_t until;

		assert_status(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
		waiter_start(&waiter, lock);
		while (test_queue(&server, "signals") == 0)
			continue;
		for (until = test_now_us() + round % 50 * 5; test_now_us() < until;)
			continue;
		assert_int_equal(pthread_kill(waiter.thread, SIGURG), 0);
		assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
		redislock_lock_free(lock);
	}
	assert_status(redislock_client_set_interruptible(client, 0), REDISLOCK_OK);
}

static void library_leaves_signals_alone(void **state)
{
	struct sigaction action;
	sigset_t mask;
	static const int numbers[] = { SIGPIPE, SIGINT, SIGTERM, SIGCHLD, SIGUSR1 };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_int_equal(sigaction(numbers[i], NULL, &action), 0);
		assert_true(action.sa_handler == SIG_DFL);
	}
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &mask), 0);
	for (int number = 1; number < 32; number++)
		assert_int_equal(sigismember(&mask, number), 0);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, TEST_SERVER_TCP, NULL);
	client = test_client(server.tcp_url);
	other = test_client(server.url);
	holder = test_lock(other, REDISLOCK_KIND_PUBSUB, "signals");
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_lock_free(holder);
	assert_nothing_left(&server);
	redislock_client_free(client);
	redislock_client_free(other);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_hold_under_signals),
		cmocka_unit_test(locks_work_under_signals),
		cmocka_unit_test(signal_ends_a_wait_that_is_interruptible),
		cmocka_unit_test(handler_can_interrupt),
		cmocka_unit_test(no_signal_is_missed),
		cmocka_unit_test(library_leaves_signals_alone),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
