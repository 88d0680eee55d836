/* SPDX-License-Identifier: MIT
 *
 * Every call that talks to a server, against one that is hostile. Whatever it does: the call is back, with a status
 * that fits and a text; a connection that ends at any byte of any reply is not noticed at all; nothing is left open;
 * and once the server behaves the same client works again. */
#include "quorum.h"
#include "stub.h"
#include "waiter.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SOON is for timeouts that are to be reached, LATER for those that must not be, however busy the machine is. No call
 * may take longer than PATIENCE. */
enum { SOON_MS = 60, LATER_MS = 15000, WAIT_MS = 4000, PATIENCE_MS = 30000, NAME_LENGTH = 3 };

static struct test_server server, replica, honest[2]; /* the honest are of a quorum */
static redislock_client *client, *other;
static int64_t timeout_ms;
static redislock_lock *holder; /* the other's */

/* What is called, in a state that is made for it; answers the status. The reply that is struck comes during the call.
 */
struct call {
	const char *name;
	int32_t (*run)(void);
	int32_t expected, also; /* also: what it may answer if the first answer was lost */
	bool connects;          /* by itself */
};

/* ---- the calls ---- */

static int32_t ping(void)
{
	return redislock_client_ping(client);
}

static int32_t look(void)
{
	redislock_info *info = NULL;
	int32_t status = redislock_info_get(client, "foo", NAME_LENGTH, &info);

	assert_int_equal(info != NULL, status == REDISLOCK_OK);
	redislock_info_free(info);
	return status;
}

static int32_t break_it(void)
{
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	int32_t status = redislock_client_break(client, "foo", NAME_LENGTH, NULL, 0);

	redislock_lock_release(holder);
	return status;
}

static redislock_lock *make(int64_t wait)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "foo");

	assert_status(redislock_lock_set_wait_ms(lock, wait), REDISLOCK_OK);
	assert_status(redislock_lock_set_ttl_ms(lock, WAIT_MS), REDISLOCK_OK);
	return lock;
}

static bool has_text;
static char failed_text[300];

/* Its last failure is the call's. */
static int32_t done_with(redislock_lock *lock, int32_t status)
{
	has_text = true;
	assert_status(redislock_lock_error(lock, failed_text, sizeof(failed_text)), REDISLOCK_OK);
	stub_disarm();
	redislock_lock_free(lock);
	return status;
}

/* Nothing is held but what was acquired. */
static int32_t tried(redislock_lock *lock, int32_t status)
{
	if (status != REDISLOCK_OK && redislock_lock_is_held(lock))
		fail_msg("held in spite of %s", redislock_error_name(status));
	return done_with(lock, status);
}

static int32_t try_it(void)
{
	redislock_lock *lock = make(0);

	return tried(lock, redislock_lock_acquire(lock));
}

/* Over the connection that replicas are waited for on. */
static int32_t try_it_with_a_replica(void)
{
	redislock_lock *lock = make(WAIT_MS);

	assert_status(redislock_client_set_min_replicas(client, 1, timeout_ms), REDISLOCK_OK);
	return tried(lock, redislock_lock_acquire(lock));
}

static int32_t spin_for_it(void)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_SPIN, "foo");

	assert_status(redislock_lock_set_wait_ms(lock, WAIT_MS), REDISLOCK_OK);
	return tried(lock, redislock_lock_acquire(lock));
}

/* Until the other lets go, once this one is in the queue. */
static int32_t wait_for_it(void)
{
	redislock_lock *lock = make(WAIT_MS);
	struct waiter waiter;

	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(atomic_load(&waiter.done) || test_queue(&server, "foo") > 0);
	redislock_lock_release(holder);
	return tried(lock, waiter_join(&waiter));
}

static int32_t wait_in_vain(void)
{
	redislock_lock *lock = make(20);

	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	int32_t status = redislock_lock_acquire(lock);
	redislock_lock_release(holder);
	return tried(lock, status);
}

/* The replies before the call count as well: they are struck, too, but then nothing is expected of the call. */
static bool prepared;

static int32_t release(void)
{
	redislock_lock *lock = make(WAIT_MS);

	prepared = redislock_lock_acquire(lock) == REDISLOCK_OK;
	return done_with(lock, prepared ? redislock_lock_release(lock) : REDISLOCK_NOT_OWNED);
}

static int32_t extend(void)
{
	redislock_lock *lock = make(WAIT_MS);

	prepared = redislock_lock_acquire(lock) == REDISLOCK_OK;
	return done_with(lock, prepared ? redislock_lock_extend(lock, 2 * WAIT_MS) : REDISLOCK_NOT_OWNED);
}

static int32_t cancel(void)
{
	redislock_lock *lock = make(WAIT_MS);
	struct waiter waiter;
	int32_t status;

	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(atomic_load(&waiter.done) || test_queue(&server, "foo") > 0);
#ifdef TEST_EVENTLOOP
	redislock_lock_cancel(lock);
	status = waiter_join(&waiter);
#else
	redislock_client_interrupt(client);
	prepared = waiter_join(&waiter) == REDISLOCK_INTERRUPTED;
	status = redislock_lock_cancel(lock);
#endif
	redislock_lock_release(holder);
	return done_with(lock, status);
}

/* It is one of three servers. Which of them fails is no matter to a quorum, nor how. */
static int32_t lock_by_a_quorum(void)
{
	redislock_quorum *quorum = NULL;
	redislock_quorum_lock *lock;
	int32_t status;

#ifdef TEST_EVENTLOOP
	eventloop = true;
	assert_status(redislock_quorum_new_eventloop(&quorum), REDISLOCK_OK);
#else
	assert_status(redislock_quorum_new(&quorum), REDISLOCK_OK);
#endif
	assert_status(redislock_quorum_add_server(quorum, stub_url), REDISLOCK_OK);
	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++)
		assert_status(redislock_quorum_add_server(quorum, honest[i].url), REDISLOCK_OK);
	assert_status(redislock_quorum_set_server_timeout_ms(quorum, timeout_ms), REDISLOCK_OK);
	lock = quorum_lock(quorum, "foo");
	assert_non_null(lock);
	assert_status(redislock_quorum_lock_set_wait_ms(lock, WAIT_MS), REDISLOCK_OK);
	status = quorum_acquire(quorum, lock);
	if (status == REDISLOCK_OK)
		status = quorum_extend(quorum, lock, TTL_MS);
	if (status == REDISLOCK_OK)
		status = quorum_release(quorum, lock);
	has_text = true;
	assert_status(redislock_quorum_lock_error(lock, failed_text, sizeof(failed_text)), REDISLOCK_OK);
	quorum_end(quorum, lock);
	return status;
}

#ifndef TEST_EVENTLOOP
static int32_t connect_it(void)
{
	return redislock_client_connect(client);
}

static int32_t walk(void)
{
	redislock_list *list = NULL;
	const char *name;
	size_t length;

	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	assert_status(redislock_list_new(client, NULL, &list), REDISLOCK_OK);
	int32_t status = redislock_list_next(list, &name, &length);
	if (status == REDISLOCK_OK)
		assert_int_equal(length, NAME_LENGTH);
	redislock_list_free(list);
	redislock_lock_release(holder);
	return status;
}
#endif

static const struct call calls[] = {
	{ "ping", ping, REDISLOCK_OK, REDISLOCK_OK, true },
	{ "info", look, REDISLOCK_OK, REDISLOCK_OK, false },
	{ "break", break_it, REDISLOCK_OK, REDISLOCK_NOT_LOCKED, false },
	{ "acquire, wait of 0", try_it, REDISLOCK_OK, REDISLOCK_OK, false },
	{ "acquire, with a replica", try_it_with_a_replica, REDISLOCK_OK, REDISLOCK_OK, false },
	{ "acquire, spinning", spin_for_it, REDISLOCK_OK, REDISLOCK_OK, false },
	{ "acquire, waiting", wait_for_it, REDISLOCK_OK, REDISLOCK_OK, false },
	/* So short a wait may end unheard on a busy machine. */
	{ "acquire, in vain", wait_in_vain, REDISLOCK_NOT_ACQUIRED, REDISLOCK_TIMEOUT, false },
	{ "release", release, REDISLOCK_OK, REDISLOCK_OK, false },
	{ "extend", extend, REDISLOCK_OK, REDISLOCK_OK, false },
	{ "cancel", cancel, REDISLOCK_OK, REDISLOCK_OK, false },
	{ "a quorum", lock_by_a_quorum, REDISLOCK_OK, REDISLOCK_OK, false },
#ifndef TEST_EVENTLOOP
	{ "connect", connect_it, REDISLOCK_OK, REDISLOCK_OK, true },
	{ "list", walk, REDISLOCK_OK, REDISLOCK_OK, false },
#endif
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

/* ---- running them ---- */

/* Whether this one of many is done: each `every`th, a part of them in a slow build, all of them where
 * REDISLOCK_TESTS_FULL is set. */
static bool is_chosen(size_t number, int every)
{
	const char *percent = getenv("REDISLOCK_TEST_PERCENT");

	if (getenv("REDISLOCK_TESTS_FULL") != NULL)
		return true;
	if (percent != NULL && atoi(percent) > 0)
		every = every * 100 / atoi(percent);
	return number % (size_t)(every > 0 ? every : 1) == 0;
}

static char running[128];

static void complain(const char *what)
{
	fail_msg("%s: %s", running, what);
}

/* Before each: a client that is connected, or (for what connects) isn't yet. */
static void begin(const struct call *call)
{
	client = test_client(stub_url);
	assert_status(redislock_client_set_connect_timeout_ms(client, 4 * timeout_ms), REDISLOCK_OK);
	assert_status(redislock_client_set_command_timeout_ms(client, timeout_ms), REDISLOCK_OK);
	if (call->connects)
		assert_status(redislock_client_set_name(client, "struck"), REDISLOCK_OK);
	else
		test_eventually(redislock_client_ping(client) == REDISLOCK_OK);
	failed_text[0] = '\0';
	has_text = false;
	prepared = true;
}

static int32_t run(const struct call *call)
{
	const int64_t start = test_now_ms();
	int32_t status = call->run();

	if (test_now_ms() - start > PATIENCE_MS)
		complain("it took too long");
	return status;
}

static void check_text(int32_t status)
{
	if (status >= 0)
		return;
	if (!has_text)
		assert_status(redislock_client_error(client, failed_text, sizeof(failed_text)), REDISLOCK_OK);
	if (failed_text[0] == '\0')
		complain("no text");
	for (const char *at = failed_text; *at != '\0'; at++)
		if ((unsigned char)*at < ' ')
			complain("a text that isn't printable");
}

/* With the server as it should be everything works again, on that same client. */
static void end(void)
{
	redislock_lock *lock;

	stub_disarm();
	test_eventually(redislock_client_ping(client) == REDISLOCK_OK);
	lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "foo");
	test_eventually(redislock_lock_acquire(lock) == REDISLOCK_OK);
	test_eventually(redislock_lock_release(lock) == REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

/* A server that refuses the very first connection is told of at once. */
static bool may_be(const struct call *call, int32_t status)
{
	return status == call->expected || status == call->also ||
	       (call->connects && (status == REDISLOCK_CONNECTION_REFUSED || status == REDISLOCK_CONNECTION_LOST)) ||
	       !prepared;
}

/* How many replies there are when nothing is struck. */
static int replies_of(const struct call *call)
{
	int32_t status;
	int replies;

	const int64_t before = timeout_ms;
	timeout_ms = LATER_MS;
	begin(call);
	timeout_ms = before;
	stub_arm(STUB_HONEST, 0, 0, NULL, 0);
	status = run(call);
	replies = stub_disarm();
	if (!may_be(call, status))
		complain(redislock_error_name(status));
	end();
	assert_true(replies > 0);
	return replies;
}

static void end_at_every_byte(enum stub_fault fault, const char *how)
{
	int ends = 0;

	timeout_ms = LATER_MS;
	for (int i = 0; i < CALLS; i++) {
		snprintf(running, sizeof(running), "%s", calls[i].name);
		const int replies = replies_of(&calls[i]);
		for (int nth = 1; nth <= replies; nth++) {
			for (size_t at = 0; at <= stub_length(nth) && at < 200; at++) {
				if (!is_chosen(at + (size_t)nth, 4))
					continue;
				snprintf(running, sizeof(running), "%s, reply %d %s at %zu", calls[i].name, nth, how,
				         at);
				begin(&calls[i]);
				stub_arm(fault, nth, at, NULL, 0);
				int32_t status = run(&calls[i]);
				stub_disarm();
				if (!may_be(&calls[i], status))
					complain(redislock_error_name(status));
				check_text(status);
				end();
				ends++;
			}
		}
		test_command(&server, NULL, 0, "FLUSHALL", NULL);
	}
	print_message("%d ends of a connection\n", ends);
}

static void connections_that_close_at_any_byte_are_not_noticed(void **state)
{
	(void)state;
	end_at_every_byte(STUB_CLOSES, "closes");
}

static void connections_that_reset_at_any_byte_are_not_noticed(void **state)
{
	(void)state;
	end_at_every_byte(STUB_RESETS, "resets");
}

#define BYTES(text)                                                                                                    \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

static const struct {
	const char *bytes;
	size_t length;
} words[] = {
	/* garbage */
	BYTES("\r\n"),
	BYTES("hello\r\n"),
	BYTES("\0\0\0\0\r\n"),
	BYTES("\x16\x03\x01\x02\x00\x01\x00"),
	BYTES("HTTP/1.1 400 Bad Request\r\n\r\n"),
	BYTES("\x1b[2J\x07\r\n"),
	/* of a wrong type, or out of place */
	BYTES("+OK\r\n"),
	BYTES("+\r\n"),
	BYTES(":0\r\n"),
	BYTES(":1\r\n"),
	BYTES(":-9223372036854775808\r\n"),
	BYTES(":9223372036854775808\r\n"),
	BYTES("$-1\r\n"),
	BYTES("$0\r\n\r\n"),
	BYTES("$5\r\nhello\r\n"),
	BYTES("*-1\r\n"),
	BYTES("*0\r\n"),
	BYTES("*1\r\n*-1\r\n"),
	BYTES("*5\r\n:2\r\n:-5\r\n:-5\r\n:-5\r\n:-5\r\n"),
	BYTES("*5\r\n:9\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
	BYTES("*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\ny\r\n"),
	BYTES("*3\r\n$9\r\nsubscribe\r\n$1\r\nx\r\n:1\r\n"),
	/* errors */
	BYTES("-\r\n"),
	BYTES("-ERR\r\n"),
	BYTES("-ERR \x1b[31m%s%n\r\n"),
	BYTES("-NOSCRIPT\r\n"),
	BYTES("-LOADING\r\n"),
	BYTES("-READONLY\r\n"),
	BYTES("-WRONGPASS\r\n"),
	BYTES("-NOPERM\r\n"),
	BYTES("-MOVED 1 127.0.0.1:1\r\n"),
	/* of RESP3 */
	BYTES("_\r\n"),
	BYTES("#t\r\n"),
	BYTES(",1.5\r\n"),
	BYTES("%1\r\n+a\r\n+b\r\n"),
	BYTES("~1\r\n+a\r\n"),
	BYTES(">2\r\n+a\r\n+b\r\n"),
	/* longer than it says, longer than is possible, deeper than is sensible */
	BYTES("$2\r\nabc\r\n"),
	BYTES("$-2\r\n"),
	BYTES("*-2\r\n"),
	BYTES("$999999999\r\n"),
	BYTES("$99999999999999999999999\r\n"),
	BYTES("*2147483647\r\n"),
	BYTES("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
};

/* A status that such a thing may have; an acquisition whose answer was exchanged may even be believed. */
static void strike_with(enum stub_fault fault, int nth, size_t at, const struct call *call, const char *bytes,
                        size_t length)
{
	timeout_ms = SOON_MS;
	begin(call);
	stub_arm(fault, nth, at, bytes, length);
	int32_t status = run(call);
	stub_disarm();
	if (status == REDISLOCK_INTERNAL || status == REDISLOCK_INVALID_ARGUMENT || status == REDISLOCK_FORKED ||
	    status == REDISLOCK_WRONG_MODE || status == REDISLOCK_UNSUPPORTED || status == REDISLOCK_NO_MEMORY)
		complain(redislock_error_name(status));
	check_text(status);
	end();
}

static void strike_every_reply(enum stub_fault fault, size_t at, const char *bytes, size_t length, const char *how)
{
	for (int i = 0; i < CALLS; i++) {
		snprintf(running, sizeof(running), "%s", calls[i].name);
		const int replies = replies_of(&calls[i]);
		for (int nth = 1; nth <= replies; nth++) {
			if (!is_chosen((size_t)nth + (size_t)i, 4))
				continue;
			snprintf(running, sizeof(running), "%s, reply %d %s", calls[i].name, nth, how);
			strike_with(fault, nth, at, &calls[i], bytes, length);
		}
		test_command(&server, NULL, 0, "FLUSHALL", NULL);
	}
}

static void other_words_are_an_error_or_passed_over(void **state)
{
	(void)state;
	for (int i = 0; i < CALLS; i++) {
		snprintf(running, sizeof(running), "%s", calls[i].name);
		const int replies = replies_of(&calls[i]);
		for (int nth = 1; nth <= replies; nth++) {
			for (size_t word = 0; word < sizeof(words) / sizeof(words[0]); word++) {
				if (!is_chosen(word + (size_t)nth + (size_t)i, 12))
					continue;
				snprintf(running, sizeof(running), "%s, reply %d is word %zu", calls[i].name, nth,
				         word);
				strike_with(STUB_SAYS, nth, 0, &calls[i], words[word].bytes, words[word].length);
			}
		}
		test_command(&server, NULL, 0, "FLUSHALL", NULL);
	}
}

static void replies_that_come_twice_or_never_do_no_harm(void **state)
{
	(void)state;
	strike_every_reply(STUB_REPEATS, 0, NULL, 0, "comes twice");
	strike_every_reply(STUB_DROPS, 0, NULL, 0, "never comes");
}

static void replies_that_stop_or_are_late_end_by_the_timeout(void **state)
{
	(void)state;
	strike_every_reply(STUB_STOPS, 0, NULL, 0, "is missing");
	strike_every_reply(STUB_STOPS, 3, NULL, 0, "stops in the middle");
	strike_every_reply(STUB_LATE, 2 * SOON_MS, NULL, 0, "is late");
}

static void replies_byte_by_byte_are_replies(void **state)
{
	(void)state;
	timeout_ms = LATER_MS;
	for (int i = 0; i < CALLS; i++) {
		snprintf(running, sizeof(running), "%s, byte by byte", calls[i].name);
		begin(&calls[i]);
		stub_arm(STUB_DRIPS, 0, 0, NULL, 0);
		int32_t status = run(&calls[i]);
		if (!may_be(&calls[i], status))
			complain(redislock_error_name(status));
		end();
	}
}

static size_t memory_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.arena + info.hblkhd;
}

/* Whatever is poured in: an error, and no more than a MiB of it is kept. */
static void floods_are_an_error_and_no_memory(void **state)
{
	static char junk[4096];
	static char nested[4096];
	const size_t before = memory_in_use();

	(void)state;
	memset(junk, 'x', sizeof(junk));
	junk[0] = '+';
	for (size_t i = 0; i + 4 <= sizeof(nested); i += 4)
		memcpy(nested + i, "*1\r\n", 4);
	strike_every_reply(STUB_FLOODS, 4096, junk, sizeof(junk), "has no end");
	strike_every_reply(STUB_FLOODS, 64, nested, sizeof(nested), "is deep");
	strike_every_reply(STUB_FLOODS, 1024, "*1000\r\n", 7, "is wide");
	assert_in_range(memory_in_use(), 0, before + 4 * 1024 * 1024);
}

/* ---- */

static int start(void **state)
{
	char port[16], info[8192];
	const char *const arguments[] = { "--replicaof", "127.0.0.1", port, NULL };

	(void)state;
	test_server_start(&server, TEST_SERVER_TCP, NULL);
	assert_true(test_command(&server, NULL, 0, "CONFIG", "SET", "repl-diskless-sync-delay", "0", NULL));
	snprintf(port, sizeof(port), "%d", server.port);
	test_server_start(&replica, TEST_SERVER_TCP, arguments);
	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++)
		test_server_start(&honest[i], 0, NULL);
	test_eventually(test_command(&server, info, sizeof(info), "INFO", "replication", NULL) &&
	                strstr(info, "state=online") != NULL);
	stub_start(&server);
	other = test_client(server.url);
	assert_status(redislock_client_ping(other), REDISLOCK_OK);
	holder = test_lock(other, REDISLOCK_KIND_PUBSUB, "foo");
	assert_status(redislock_lock_set_wait_ms(holder, 10 * WAIT_MS), REDISLOCK_OK);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_lock_free(holder);
	redislock_client_free(other);
	stub_stop();
	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++)
		test_server_stop(&honest[i]);
	test_server_stop(&replica);
	test_server_stop(&server);
	return 0;
}

static int descriptors;

static int count_descriptors(void **state)
{
	(void)state;
	descriptors = test_descriptors();
	return 0;
}

/* The stub closes its side of a connection when it sees the end of the other. */
static int nothing_is_open(void **state)
{
	(void)state;
	test_eventually(test_descriptors() <= descriptors);
	assert_nothing_left(&server);
	for (size_t i = 0; i < sizeof(honest) / sizeof(honest[0]); i++)
		assert_nothing_left(&honest[i]);
	return 0;
}

#define stub_test(test) cmocka_unit_test_setup_teardown(test, count_descriptors, nothing_is_open)

int main(void)
{
	const struct CMUnitTest tests[] = {
		stub_test(replies_byte_by_byte_are_replies),
		stub_test(connections_that_close_at_any_byte_are_not_noticed),
		stub_test(connections_that_reset_at_any_byte_are_not_noticed),
		stub_test(other_words_are_an_error_or_passed_over),
		stub_test(replies_that_come_twice_or_never_do_no_harm),
		stub_test(replies_that_stop_or_are_late_end_by_the_timeout),
		stub_test(floods_are_an_error_and_no_memory),
	};

	return cmocka_run_group_tests_name("stub", tests, start, stop);
}
