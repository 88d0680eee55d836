/* SPDX-License-Identifier: MIT */
#include "scenarios.h"

#include "failing.h"
#include "test.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const char *torture_url;
char torture_failure[512];
bool torture_late, torture_eventloop;

static redislock_client *client;

bool torture_failed(const char *call, int32_t status, int32_t expected)
{
	if (status == expected)
		return false;
	if (!failing_reached() && (status == REDISLOCK_TIMEOUT || status == REDISLOCK_LOST ||
	                           status == REDISLOCK_NOT_ACQUIRED || status == REDISLOCK_CONNECTION_REFUSED)) {
		torture_late = true;
		return false;
	}
	must(failing_reached(), "%s: %s though nothing failed", call, redislock_error_name(status));
	must(status != REDISLOCK_INVALID_ARGUMENT && status != REDISLOCK_WRONG_MODE && status != REDISLOCK_FORKED &&
	             status != REDISLOCK_SERVER && strcmp(redislock_error_name(status), "UNKNOWN") != 0,
	     "%s: %s", call, redislock_error_name(status));
	must(status != REDISLOCK_INTERNAL || failing_count(FAIL_GETRANDOM) > 0, "%s: INTERNAL", call);
	return status < 0 && strstr(call, "_new") == NULL;
}

static void check(const char *call, int32_t status, int32_t expected, redislock_lock *lock)
{
	char text[300] = "";

	if (!torture_failed(call, status, expected) || client == NULL)
		return;
	if (lock != NULL)
		redislock_lock_error(lock, text, sizeof(text));
	else
		redislock_client_error(client, text, sizeof(text));
	must(text[0] != '\0', "%s: %s without a text", call, redislock_error_name(status));
}

/* ---- the two forms, the one over the other ---- */

static redislock_info *answer;

/* Waits for the event with that tag as a loop would. */
static int32_t event_of(uint64_t tag, int32_t status)
{
	const int64_t until = test_now_ms() + ENOUGH_MS;
	struct pollfd poller = { redislock_client_fd(client), POLLIN, 0 };
	redislock_event *event;

	while (status == REDISLOCK_OK) {
		while (redislock_client_next_event(client, &event) == REDISLOCK_OK)
			if (redislock_event_tag(event) == tag && redislock_event_type(event) != REDISLOCK_EVENT_LOST) {
				answer = redislock_event_take_info(event);
				return redislock_event_status(event);
			}
		if (test_now_ms() > until) {
			must(false, "no event within %d ms", ENOUGH_MS);
			return REDISLOCK_TIMEOUT;
		}
		failing_poll(&poller, 1, 1000);
		redislock_client_dispatch(client);
	}
	return status;
}

static int32_t ping(void)
{
	return torture_eventloop ? event_of(1, redislock_client_start_ping(client, 1)) : redislock_client_ping(client);
}

static int32_t look(redislock_info **info)
{
	if (!torture_eventloop)
		return redislock_info_get(client, "foo", 3, info);
	answer = NULL;
	int32_t status = event_of(1, redislock_client_start_info(client, "foo", 3, 1));
	*info = answer;
	return status;
}

static int32_t acquire(redislock_lock *lock)
{
	return torture_eventloop ? event_of(2, redislock_lock_start_acquire(lock, 2)) : redislock_lock_acquire(lock);
}

static int32_t release(redislock_lock *lock)
{
	return torture_eventloop ? event_of(3, redislock_lock_start_release(lock, 3)) : redislock_lock_release(lock);
}

static int32_t extend(redislock_lock *lock, int64_t ttl)
{
	return torture_eventloop ? event_of(4, redislock_lock_start_extend(lock, ttl, 4))
	                         : redislock_lock_extend(lock, ttl);
}

/* ---- what scenarios are made of ---- */

static bool begin(void)
{
	int32_t status = torture_eventloop ? redislock_client_new_eventloop(torture_url, &client)
	                                   : redislock_client_new(torture_url, &client);

	check("redislock_client_new", status, REDISLOCK_OK, NULL);
	must((status == REDISLOCK_OK) == (client != NULL), "a client in spite of %s", redislock_error_name(status));
	if (status != REDISLOCK_OK)
		return false;
	redislock_client_set_connect_timeout_ms(client, TIMEOUT_MS);
	redislock_client_set_command_timeout_ms(client, TIMEOUT_MS);
	check("redislock_client_set_name", redislock_client_set_name(client, "torture"), REDISLOCK_OK, NULL);
	return true;
}

static void end(void)
{
	redislock_client_free(client);
	client = NULL;
}

static redislock_lock *make(int64_t wait, int64_t ttl, int32_t renewal)
{
	redislock_lock *lock = NULL;
	int32_t status = redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "foo", 3, &lock);

	check("redislock_lock_new", status, REDISLOCK_OK, NULL);
	must((status == REDISLOCK_OK) == (lock != NULL), "a lock in spite of %s", redislock_error_name(status));
	if (lock != NULL) {
		redislock_lock_set_wait_ms(lock, wait);
		redislock_lock_set_ttl_ms(lock, ttl);
		redislock_lock_set_renewal(lock, renewal);
		check("redislock_lock_set_owner", redislock_lock_set_owner(lock, "me", 2), REDISLOCK_OK, lock);
	}
	return lock;
}

/* Whether it is held; the status and the handle must agree on that. */
static bool acquired(redislock_lock *lock, int32_t expected)
{
	int32_t status = acquire(lock);

	check("acquire", status, expected, lock);
	must(status == REDISLOCK_OK || !redislock_lock_is_held(lock), "held in spite of %s",
	     redislock_error_name(status));
	must(status != REDISLOCK_OK || redislock_lock_fence(lock) > 0, "held without a fence");
	return status == REDISLOCK_OK;
}

static void released(redislock_lock *lock)
{
	int32_t status = release(lock);

	check("release", status, REDISLOCK_OK, lock);
	must(status != REDISLOCK_OK || !redislock_lock_is_held(lock), "still held after the release");
}

/* ---- the scenarios ---- */

static void connecting(void)
{
	if (begin())
		check("ping", ping(), REDISLOCK_OK, NULL);
	end();
}

static void trying(void)
{
	redislock_lock *lock = begin() ? make(0, TTL_MS, 0) : NULL;

	if (lock != NULL && acquired(lock, REDISLOCK_OK))
		released(lock);
	redislock_lock_free(lock);
	end();
}

/* A replica must have it: by a connection of its own. */
static void confirming(void)
{
	redislock_lock *lock;

	if (begin()) {
		check("set_min_replicas", redislock_client_set_min_replicas(client, 1, TIMEOUT_MS), REDISLOCK_OK, NULL);
		lock = make(0, TTL_MS, 0);
		if (lock != NULL && acquired(lock, REDISLOCK_OK))
			released(lock);
		redislock_lock_free(lock);
	}
	end();
}

/* The other lets go once this one is in the queue. */
static void waiting(void)
{
	redislock_lock *lock = begin() ? make(WAIT_MS, TTL_MS, 0) : NULL;

	if (lock != NULL && acquired(lock, REDISLOCK_OK))
		released(lock);
	redislock_lock_free(lock);
	end();
}

static void waiting_in_vain(void)
{
	redislock_lock *lock = begin() ? make(SHORT_WAIT_MS, TTL_MS, 0) : NULL;

	if (lock != NULL)
		acquired(lock, REDISLOCK_NOT_ACQUIRED);
	redislock_lock_free(lock);
	end();
}

/* Until the lease has been renewed, or has ended because it could not be. */
static void renewing(void)
{
	redislock_lock *lock = begin() ? make(0, SHORT_TTL_MS, 1) : NULL;

	if (lock != NULL && acquired(lock, REDISLOCK_OK)) {
		struct pollfd poller = { torture_eventloop ? redislock_client_fd(client) : -1, POLLIN, 0 };
		redislock_event *event;

		for (int64_t last = RENEWED, left; (left = redislock_lock_remaining_ms(lock)) > 0 && left <= last;
		     last = left) {
			failing_poll(&poller, 1, STEP_MS);
			if (torture_eventloop) {
				redislock_client_dispatch(client);
				redislock_client_next_event(client, &event);
			}
		}
		check("release", release(lock), REDISLOCK_OK, lock);
	}
	redislock_lock_free(lock);
	end();
}

/* Whatever fails besides, it is back in time. */
static void being_ignored(void)
{
	redislock_lock *lock;
	const int64_t start = test_now_ms();

	if (begin()) {
		redislock_client_set_name(client, NULL);
		redislock_client_set_connect_timeout_ms(client, IGNORED_MS);
		redislock_client_set_command_timeout_ms(client, IGNORED_MS);
		lock = make(0, TTL_MS, 0);
		if (lock != NULL)
			acquired(lock, REDISLOCK_TIMEOUT);
		redislock_lock_free(lock);
	}
	end();
	must(test_now_ms() - start < ENOUGH_MS, "it took %lld ms", (long long)(test_now_ms() - start));
}

static void extending(void)
{
	redislock_lock *lock = begin() ? make(0, TTL_MS, 0) : NULL;

	if (lock != NULL && acquired(lock, REDISLOCK_OK)) {
		check("extend", extend(lock, TTL_MS * 2 / 3), REDISLOCK_OK, lock);
		released(lock);
	}
	redislock_lock_free(lock);
	end();
}

static void freeing(void)
{
	redislock_lock *lock = begin() ? make(0, TTL_MS, 1) : NULL;

	if (lock != NULL)
		acquired(lock, REDISLOCK_OK);
	/* The client is gone only with its lock, and the lock is released. */
	end();
	redislock_lock_free(lock);
}

/* The child's handles are of no use, and freeing them is nobody's business but its own. */
static void forking(void)
{
	redislock_lock *lock = begin() ? make(0, TTL_MS, 1) : NULL;
	int status = 0;

	if (lock != NULL && acquired(lock, REDISLOCK_OK)) {
		pid_t child = fork();
		if (child == 0) {
			bool good = redislock_lock_is_held(lock) == 0 &&
			            redislock_client_ping(client) == REDISLOCK_FORKED &&
			            redislock_lock_release(lock) == REDISLOCK_FORKED;
			redislock_lock_free(lock);
			redislock_client_free(client);
			_exit(good ? 0 : 1);
		}
		if (child > 0)
			waitpid(child, &status, 0);
		must(child > 0 && status == 0, "the child was told something else: %d", status);
		torture_late |= !failing_reached() && !redislock_lock_is_held(lock);
		check("release", release(lock), REDISLOCK_OK, lock);
	}
	redislock_lock_free(lock);
	end();
}

static void looking(void)
{
	redislock_info *info = NULL;
	redislock_list *list = NULL;
	const char *name;
	size_t length;

	if (begin()) {
		int32_t status = look(&info);
		check("info", status, REDISLOCK_OK, NULL);
		must((status == REDISLOCK_OK) == (info != NULL), "an answer in spite of %s",
		     redislock_error_name(status));
		redislock_info_free(info);
		if (!torture_eventloop) {
			check("redislock_list_new", redislock_list_new(client, "fo?", &list), REDISLOCK_OK, NULL);
			if (list != NULL)
				check("list_next", redislock_list_next(list, &name, &length), REDISLOCK_OK, NULL);
			redislock_list_free(list);
		}
	}
	end();
}

const struct scenario scenarios[] = {
	{ "connect", connecting, PLACE_SOCKET, .occupied = false },
	{ "connect by a name", connecting, PLACE_NAME, .occupied = false },
	{ "acquire and release", trying, PLACE_SOCKET, .occupied = false },
	{ "acquire with waiting and a hand-off", waiting, PLACE_SOCKET, .contended = true },
	{ "acquire with waiting in vain", waiting_in_vain, PLACE_SOCKET, .occupied = true },
	{ "renewal", renewing, PLACE_SOCKET, .occupied = false },
	{ "extend", extending, PLACE_SOCKET, .occupied = false },
	{ "free", freeing, PLACE_SOCKET, .occupied = false },
	{ "fork", forking, PLACE_SOCKET, .occupied = false },
	{ "silence", being_ignored, PLACE_SILENT, .occupied = false },
	{ "look", looking, PLACE_SOCKET, .occupied = true },
	{ "a replica", confirming, PLACE_SOCKET, .occupied = false },
	{ "sentinel", trying, PLACE_SENTINEL, .occupied = false },
	{ "cluster", trying, PLACE_CLUSTER, .occupied = false },
	{ "quorum", quorum_holding, PLACE_SOCKET, .occupied = false },
	{ "renewal and free of a quorum", quorum_renewing, PLACE_SOCKET, .step = 4 },
	{ NULL, NULL, PLACE_SOCKET, .occupied = false },
};
