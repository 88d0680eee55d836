/* SPDX-License-Identifier: MIT */
#include "quorum.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

struct test_server servers[SERVERS];
bool stopped[SERVERS];
bool eventloop;
int64_t server_timeout_ms = 20000;

/* ---- the servers ---- */

int quorum_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++)
		test_server_start(&servers[i], TEST_SERVER_AOF, NULL);
	return 0;
}

int quorum_stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++)
		test_server_stop(&servers[i]);
	return 0;
}

int quorum_restore(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++) {
		server_come_back(i);
		test_command(&servers[i], NULL, 0, "CLIENT", "UNPAUSE", NULL);
		server_lose_data(i);
	}
	return 0;
}

void server_pause(size_t i)
{
	test_server_pause(&servers[i]);
	stopped[i] = true;
}

void server_resume(size_t i)
{
	test_server_resume(&servers[i]);
	stopped[i] = false;
}

void server_kill(size_t i)
{
	test_server_kill(&servers[i]);
}

void server_lose_data(size_t i)
{
	assert_true(test_command(&servers[i], NULL, 0, "FLUSHALL", NULL));
}

void server_come_back(size_t i)
{
	if (stopped[i])
		server_resume(i);
	if (servers[i].pid == 0)
		test_server_restart(&servers[i]);
}

size_t how_many_have(const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < SERVERS; i++)
		count += servers[i].pid != 0 && !stopped[i] && test_number(&servers[i], "EXISTS", name, NULL) == 1;
	return count;
}

/* ---- both forms ---- */

redislock_quorum *quorum_new(void)
{
	redislock_quorum *quorum = NULL;
	int32_t status = eventloop ? redislock_quorum_new_eventloop(&quorum) : redislock_quorum_new(&quorum);

	for (size_t i = 0; status == REDISLOCK_OK && i < SERVERS; i++)
		status = redislock_quorum_add_server(quorum, servers[i].url);
	if (status == REDISLOCK_OK)
		status = redislock_quorum_set_server_timeout_ms(quorum, server_timeout_ms);
	if (status == REDISLOCK_OK)
		return quorum;
	redislock_quorum_free(quorum);
	return NULL;
}

redislock_quorum_lock *quorum_lock(redislock_quorum *quorum, const char *name)
{
	redislock_quorum_lock *lock = NULL;
	int32_t status = redislock_quorum_lock_new(quorum, name, strlen(name), &lock);

	if (status == REDISLOCK_OK)
		status = redislock_quorum_lock_set_ttl_ms(lock, TTL_MS);
	if (status == REDISLOCK_OK)
		status = redislock_quorum_lock_set_spin_interval_ms(lock, 20);
	if (status == REDISLOCK_OK)
		return lock;
	redislock_quorum_lock_free(lock);
	return NULL;
}

void quorum_end(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	redislock_quorum_lock_free(lock);
	redislock_quorum_free(quorum);
}

void quorum_turn(redislock_quorum *quorum, int most_ms)
{
	if (eventloop) {
		struct pollfd poller = { redislock_quorum_fd(quorum), POLLIN, 0 };

		poll(&poller, 1, most_ms);
		redislock_quorum_dispatch(quorum);
	} else {
		test_sleep_ms(most_ms);
	}
}

redislock_event *quorum_event(redislock_quorum *quorum)
{
	const int64_t until = test_now_ms() + (int64_t)TEST_DEADLINE_MS * 2;
	redislock_event *event = NULL;

	while (redislock_quorum_next_event(quorum, &event) != REDISLOCK_OK && test_now_ms() < until)
		quorum_turn(quorum, 10);
	return event;
}

static int32_t outcome(redislock_quorum *quorum, int32_t started, int32_t type)
{
	redislock_event *event;

	if (started != REDISLOCK_OK)
		return started;
	event = quorum_event(quorum);
	if (event == NULL || redislock_event_tag(event) != TEST_TAG)
		return REDISLOCK_INTERNAL;
	if (redislock_event_status(event) == REDISLOCK_OK && redislock_event_type(event) != type)
		return REDISLOCK_INTERNAL;
	return redislock_event_status(event);
}

int32_t quorum_acquire(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	if (!eventloop)
		return redislock_quorum_lock_acquire(lock);
	return outcome(quorum, redislock_quorum_lock_start_acquire(lock, TEST_TAG), REDISLOCK_EVENT_ACQUIRED);
}

int32_t quorum_try(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	int32_t status = redislock_quorum_lock_set_wait_ms(lock, 0);

	return status == REDISLOCK_OK ? quorum_acquire(quorum, lock) : status;
}

int32_t quorum_release(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	if (!eventloop)
		return redislock_quorum_lock_release(lock);
	return outcome(quorum, redislock_quorum_lock_start_release(lock, TEST_TAG), REDISLOCK_EVENT_RELEASED);
}

int32_t quorum_extend(redislock_quorum *quorum, redislock_quorum_lock *lock, int64_t ttl_ms)
{
	if (!eventloop)
		return redislock_quorum_lock_extend(lock, ttl_ms);
	return outcome(quorum, redislock_quorum_lock_start_extend(lock, ttl_ms, TEST_TAG), REDISLOCK_EVENT_EXTENDED);
}

bool quorum_loss_told(redislock_quorum *quorum)
{
	redislock_event *event = NULL;
	uint64_t count;

	if (!eventloop)
		return read(redislock_quorum_lost_fd(quorum), &count, sizeof(count)) == (ssize_t)sizeof(count);
	return redislock_quorum_next_event(quorum, &event) == REDISLOCK_OK &&
	       redislock_event_type(event) == REDISLOCK_EVENT_LOST && redislock_event_status(event) == REDISLOCK_LOST &&
	       redislock_event_tag(event) == TEST_TAG;
}

int64_t quorum_held_until(redislock_quorum_lock *lock)
{
	const int64_t now = test_now_ms(), remaining = redislock_quorum_lock_remaining_ms(lock);

	return remaining > 0 ? now + remaining : INT64_MIN;
}

bool quorum_renewed_since(redislock_quorum_lock *lock, int64_t moment)
{
	return quorum_held_until(lock) >= moment + TTL_MS - TTL_MS / 100 - 2;
}
