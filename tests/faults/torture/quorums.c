/* SPDX-License-Identifier: MIT
 *
 * Scenarios with a quorum, in both forms. */
#include "failing.h"
#include "places.h"
#include "scenarios.h"

#include <poll.h>

enum { TAG = 1 };

static redislock_quorum *quorum;
static redislock_quorum_lock *lock;

static void check(const char *call, int32_t status, int32_t expected)
{
	char text[300] = "";

	if (!torture_failed(call, status, expected) || lock == NULL)
		return;
	redislock_quorum_lock_error(lock, text, sizeof(text));
	must(text[0] != '\0', "%s: %s without a text", call, redislock_error_name(status));
}

static int32_t event_of(int32_t status)
{
	const int64_t until = test_now_ms() + ENOUGH_MS;
	struct pollfd poller = { redislock_quorum_fd(quorum), POLLIN, 0 };
	redislock_event *event;

	while (status == REDISLOCK_OK) {
		while (redislock_quorum_next_event(quorum, &event) == REDISLOCK_OK)
			if (redislock_event_type(event) != REDISLOCK_EVENT_LOST)
				return redislock_event_status(event);
		if (test_now_ms() > until) {
			must(false, "no event within %d ms", ENOUGH_MS);
			return REDISLOCK_TIMEOUT;
		}
		failing_poll(&poller, 1, 1000);
		redislock_quorum_dispatch(quorum);
	}
	return status;
}

static bool acquired(void)
{
	int32_t status = torture_eventloop ? event_of(redislock_quorum_lock_start_acquire(lock, TAG))
	                                   : redislock_quorum_lock_acquire(lock);

	check("acquire", status, REDISLOCK_OK);
	must(status == REDISLOCK_OK || !redislock_quorum_lock_is_held(lock), "held in spite of %s",
	     redislock_error_name(status));
	return status == REDISLOCK_OK;
}

static void extend(void)
{
	check("extend",
	      torture_eventloop ? event_of(redislock_quorum_lock_start_extend(lock, TTL_MS * 2 / 3, TAG))
	                        : redislock_quorum_lock_extend(lock, TTL_MS * 2 / 3),
	      REDISLOCK_OK);
}

static void release(void)
{
	check("release",
	      torture_eventloop ? event_of(redislock_quorum_lock_start_release(lock, TAG))
	                        : redislock_quorum_lock_release(lock),
	      REDISLOCK_OK);
	must(!redislock_quorum_lock_is_held(lock), "still held after the release");
}

static bool begin(int64_t ttl, int32_t renewal)
{
	static const enum place places[] = { PLACE_SOCKET, PLACE_SECOND, PLACE_THIRD };
	int32_t status = torture_eventloop ? redislock_quorum_new_eventloop(&quorum) : redislock_quorum_new(&quorum);

	check("redislock_quorum_new", status, REDISLOCK_OK);
	must((status == REDISLOCK_OK) == (quorum != NULL), "a quorum in spite of %s", redislock_error_name(status));
	for (size_t i = 0; status == REDISLOCK_OK && i < sizeof(places) / sizeof(places[0]); i++) {
		status = redislock_quorum_add_server(quorum, place_url(places[i]));
		check("redislock_quorum_add_server", status, REDISLOCK_OK);
	}
	if (status != REDISLOCK_OK)
		return false;
	redislock_quorum_set_server_timeout_ms(quorum, TIMEOUT_MS);
	status = redislock_quorum_lock_new(quorum, "foo", 3, &lock);
	check("redislock_quorum_lock_new", status, REDISLOCK_OK);
	must((status == REDISLOCK_OK) == (lock != NULL), "a lock in spite of %s", redislock_error_name(status));
	if (lock == NULL)
		return false;
	redislock_quorum_lock_set_wait_ms(lock, 0);
	redislock_quorum_lock_set_ttl_ms(lock, ttl);
	redislock_quorum_lock_set_renewal(lock, renewal);
	return true;
}

static void end(void)
{
	redislock_quorum_lock_free(lock);
	lock = NULL;
	redislock_quorum_free(quorum);
	quorum = NULL;
}

void quorum_holding(void)
{
	if (begin(TTL_MS, 0) && acquired()) {
		extend();
		release();
	}
	end();
}

/* Until the leases have been renewed, or have ended because they could not be; it is freed as it is. */
void quorum_renewing(void)
{
	if (begin(SHORT_TTL_MS, 1) && acquired()) {
		struct pollfd poller = { torture_eventloop ? redislock_quorum_fd(quorum) : -1, POLLIN, 0 };
		redislock_event *event;

		for (int64_t last = RENEWED, left;
		     (left = redislock_quorum_lock_remaining_ms(lock)) > 0 && left <= last; last = left) {
			failing_poll(&poller, 1, STEP_MS);
			if (torture_eventloop) {
				redislock_quorum_dispatch(quorum);
				redislock_quorum_next_event(quorum, &event);
			}
		}
	}
	end();
}
