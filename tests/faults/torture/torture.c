/* SPDX-License-Identifier: MIT
 *
 * torture blocking|eventloop [SCENARIO]: every allocation and every system call of every scenario fails in turn, once
 * and for good. Whatever fails: no crash, no hang, no block of memory, descriptor or thread left, and on the server
 * nothing that doesn't end by itself within its TTL. Each failure point is reached, in scenarios that take long each so
 * many of them; how many there were is reported.
 *
 * The first point of each kind fails in every way, the others in one of them, in turn; all in every way where
 * REDISLOCK_TESTS_FULL is set. */
#include "failing.h"
#include "locks.h"
#include "places.h"
#include "scenarios.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANG_S = 120, MOST_POINTS = 100000, TRIES = 10 };

#ifdef __SANITIZE_ADDRESS__
static const enum failing_call first_call = FAIL_MEMORY + 1; /* the sanitizer has allocations of its own */
#else
static const enum failing_call first_call = FAIL_MEMORY;
#endif

static char now_running[256];
static bool full;
static long points, runs, failures;

/* ---- the other process: it holds the lock, and lets go when it is told to or somebody queues ---- */

static int other_fd;
static pid_t other_pid;

static char heard(int fd, int timeout)
{
	struct pollfd poller = { fd, POLLIN, 0 };
	char word = '\0';

	if (failing_poll(&poller, 1, timeout) == 1 && read(fd, &word, 1) != 1)
		_exit(0);
	return word;
}

static void be_the_other(int fd)
{
	redislock_client *client = NULL;
	redislock_lock *lock = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (redislock_client_new(place_server.url, &client) != REDISLOCK_OK ||
	    redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "foo", 3, &lock) != REDISLOCK_OK)
		_exit(1);
	for (;;) {
		char word = heard(fd, -1);
		if (word == 'h' && redislock_lock_acquire(lock) != REDISLOCK_OK)
			_exit(2);
		if (word == 'q') {
			while (test_queue(&place_server, "foo") == 0 && (word = heard(fd, 1)) == '\0')
				continue;
			redislock_lock_release(lock);
			while (word != 's')
				word = heard(fd, -1);
		} else if (word == 's') {
			redislock_lock_release(lock);
		}
		if (word != '\0' && write(fd, &word, 1) != 1)
			_exit(3);
	}
}

static void start_the_other(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	other_pid = fork();
	if (other_pid == 0)
		be_the_other(fds[1]);
	close(fds[1]);
	other_fd = fds[0];
}

static void tell_the_other(char word, bool answers)
{
	char back = '\0';

	assert_int_equal(write(other_fd, &word, 1), 1);
	if (answers)
		assert_int_equal(read(other_fd, &back, 1), 1);
}

/* ---- one run ---- */

static void hangs(int signal_number)
{
	static const char what[] = "HANGS: ";

	(void)signal_number;
	if (write(STDOUT_FILENO, what, sizeof(what) - 1) > 0 &&
	    write(STDOUT_FILENO, now_running, strlen(now_running)) > 0)
		_exit(1);
	_exit(1);
}

static void complain(const char *what)
{
	printf("%s: %s\n", now_running, what);
	fflush(stdout);
	failures++;
}

static void look_at_the_servers(void)
{
	const char *left = places_left();

	if (left[0] != '\0')
		complain(left);
}

struct resources {
	long blocks;
	int descriptors, threads;
};

static struct resources resources(void)
{
	return (struct resources) { failing_live(), test_descriptors(), test_threads() };
}

/* A thread that has been joined may be listed for a moment. */
static void look_at_resources(struct resources before)
{
	struct resources after = resources();
	char text[128];

	for (int i = 0; i < 1000 && after.threads != before.threads; i++) {
		test_sleep_ms(1);
		after = resources();
	}
	if (after.blocks != before.blocks || after.descriptors != before.descriptors ||
	    after.threads != before.threads) {
		snprintf(text, sizeof(text), "%ld blocks, %d descriptors and %d threads are left",
		         after.blocks - before.blocks, after.descriptors - before.descriptors,
		         after.threads - before.threads);
		complain(text);
	}
}

static void run_once(const struct scenario *scenario, enum failing_call call, long nth, int error, bool for_good)
{
	struct resources before;

	snprintf(now_running, sizeof(now_running), "%s%s, %s number %ld: %s%s", scenario->name,
	         torture_eventloop ? " by an event loop" : "", failing_kinds[call].name, nth,
	         error > 0              ? strerrorname_np(error)
	         : error == END_OF_FILE ? "end of file"
	                                : "a short count",
	         for_good ? " for good" : "");
	torture_url = place_url(scenario->place);
	if (scenario->contended || scenario->occupied)
		tell_the_other('h', true);
	if (scenario->contended)
		tell_the_other('q', false);
	torture_failure[0] = '\0';
	before = resources();
	alarm(HANG_S);
	failing_arm(call, nth, error, for_good);
	scenario->run();
	failing_disarm();
	alarm(0);
	places_empty_the_silent();
	look_at_resources(before);
	if (torture_failure[0] != '\0')
		complain(torture_failure);
	if (scenario->contended || scenario->occupied)
		tell_the_other('s', true);
	look_at_the_servers();
	runs++;
}

/* False if the point wasn't reached. */
static bool run(const struct scenario *scenario, enum failing_call call, long nth, int error, bool for_good)
{
	int tries = 0;

	do {
		torture_late = false;
		run_once(scenario, call, nth, error, for_good);
	} while (torture_late && ++tries < TRIES);
	if (torture_late)
		complain("too late each time, though nothing failed");
	return failing_reached();
}

static int ways_of(enum failing_call call)
{
	int count = 0;

	while (failing_kinds[call].errors[count] != 0)
		count++;
	return count;
}

/* All points of a kind of call, or each so many: until one isn't reached any more. */
static void run_call(const struct scenario *scenario, enum failing_call call)
{
	const int ways = ways_of(call), step = full || scenario->step == 0 ? 1 : scenario->step;
	bool reached = true;

	for (long nth = 1, turn = 0; reached && nth < MOST_POINTS; nth += step, turn++) {
		reached = false;
		for (int way = 0; way < ways; way++) {
			const int error = failing_kinds[call].errors[way];
			const bool chosen = way == (int)(turn % ways);
			if (!full && turn > 0 && !chosen)
				continue;
			reached |= run(scenario, call, nth, error, false);
			/* Nobody is interrupted for ever. */
			if (reached && error != EINTR && (full || (turn % 3 == 0 && chosen)))
				run(scenario, call, nth, error, true);
		}
		points += reached;
	}
}

static void *be_a_thread(void *argument)
{
	return argument;
}

/* What the C library makes once and keeps is made now. */
static void warm_up(void)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, be_a_thread, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void run_scenario(const struct scenario *scenario)
{
	const long points_before = points, runs_before = runs;
	const int64_t start = test_now_ms();

	if (!place_possible(scenario->place)) {
		printf("%s: not with the server that is here\n", scenario->name);
		return;
	}
	for (int i = 0; i < 2; i++)
		run(scenario, first_call, 0, ENOMEM, false);
	for (int call = (int)first_call; call < FAIL_CALLS; call++)
		run_call(scenario, (enum failing_call)call);
	printf("%s%s: %ld failure points, all reached, in %ld runs, %lld ms\n", scenario->name,
	       torture_eventloop ? " by an event loop" : "", points - points_before, runs - runs_before,
	       (long long)(test_now_ms() - start));
	fflush(stdout);
}

static void everything_fails_in_turn(void **state)
{
	char *const *words = *state;
	const char *only = words[1];

	/* The other is a process of its own: it must not have the threads and connections of this one. */
	places_start();
	start_the_other();
	signal(SIGALRM, hangs);
	warm_up();
	torture_eventloop = strcmp(words[0], "eventloop") == 0;
	for (const struct scenario *scenario = scenarios; scenario->name != NULL; scenario++)
		if (only == NULL || strcmp(only, scenario->name) == 0)
			run_scenario(scenario);
	kill(other_pid, SIGKILL);
	waitpid(other_pid, NULL, 0);
	close(other_fd);
	places_stop();
	printf("%ld failure points, all reached, in %ld runs: %ld violations\n", points, runs, failures);
	assert_true(points > 0);
	assert_int_equal(failures, 0);
}

int main(int count, char **arguments)
{
	char **words = arguments + 1;

	full = getenv("REDISLOCK_TESTS_FULL") != NULL;
	if (count < 2 || (strcmp(words[0], "blocking") != 0 && strcmp(words[0], "eventloop") != 0)) {
		fprintf(stderr, "torture blocking|eventloop [SCENARIO]\n");
		return 64;
	}
	const struct CMUnitTest tests[] = { cmocka_unit_test_prestate(everything_fails_in_turn, words) };

	return cmocka_run_group_tests_name("torture", tests, NULL, NULL);
}
