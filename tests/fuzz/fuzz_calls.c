/* SPDX-License-Identifier: MIT
 *
 * Sequences of calls of the ABI, in both forms, against a server and in a time of the test's own, while one thing and
 * another befalls the server and the connections. Each byte is something that happens. Whatever it is: every call is
 * back within its deadline, each start has its one event, nobody turns in circles, nothing is left open; and while the
 * server says the truth, who believes to hold the lock does hold it. */
#include "server.h"

#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOCKS = 5, TIMEOUT_MS = 400, SLACK_MS = 100, CIRCLES = 2000, LONGEST_MS = 5000, NO_TAG = 0 };

static struct {
	const uint8_t *next, *end;
} input;

static redislock_client *blocking, *loop;
static struct {
	redislock_lock *lock;
	int64_t wait;
	uint64_t tag; /* of what is under way; NO_TAG: nothing */
	bool cancelled;
} user[LOCKS];
static uint64_t tags, question_tag;

#define require(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "line %d at %lld: %s\n", __LINE__, (long long)net.now, #condition);            \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

/* ---- memory: so many allocations succeed before one fails; the linker wraps them ---- */

static long memory_left = -1;

static bool is_short(void)
{
	return memory_left >= 0 && memory_left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

void *__wrap_malloc(size_t size)
{
	return is_short() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return is_short() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return is_short() ? NULL : __real_realloc(block, size);
}

static uint8_t take(void)
{
	return input.next < input.end ? *input.next++ : 0;
}

static bool is_loop(int number)
{
	return number >= 3;
}

/* ---- what must always be true ---- */

static void check_holders(void)
{
	const char *owner = server_owner();
	char token[RLK_TOKEN_MAX + 1];

	server.store.now = net.now;
	owner = server_owner();
	for (int i = 0; i < LOCKS && !server.lies; i++)
		if (user[i].lock != NULL && redislock_lock_is_held(user[i].lock)) {
			require(redislock_lock_token(user[i].lock, token, sizeof(token)) == REDISLOCK_OK);
			require(strcmp(token, owner) == 0);
		}
}

static void check_text(int32_t status, redislock_lock *lock)
{
	char text[300];

	if (status >= 0)
		return;
	require(status >= REDISLOCK_WRONG_MODE && status != REDISLOCK_INTERNAL);
	if (lock != NULL)
		require(redislock_lock_error(lock, text, sizeof(text)) == REDISLOCK_OK);
	else
		require(redislock_client_error(blocking, text, sizeof(text)) == REDISLOCK_OK);
	require(text[0] != '\0' && strlen(text) < RLK_TEXT);
	for (const char *at = text; *at != '\0'; at++)
		require((unsigned char)*at >= ' ');
}

static int64_t started;

static void begin(void)
{
	started = net.now;
}

static int32_t back_within(int64_t patience, int32_t status, redislock_lock *lock)
{
	require(net.now - started <= patience + SLACK_MS);
	check_text(status, lock);
	check_holders();
	return status;
}

/* ---- the event loop ---- */

static void read_event(redislock_event *event)
{
	const uint64_t tag = redislock_event_tag(event);
	redislock_lock *lock = redislock_event_lock(event);
	redislock_info *info = redislock_event_take_info(event);

	redislock_info_free(info);
	if (redislock_event_type(event) == REDISLOCK_EVENT_LOST)
		return;
	if (tag == question_tag && lock == NULL) {
		question_tag = NO_TAG;
		return;
	}
	for (int i = 0; i < LOCKS; i++)
		if (user[i].lock == lock) {
			require(user[i].tag == tag && tag != NO_TAG);
			require(user[i].cancelled == (redislock_event_type(event) == REDISLOCK_EVENT_CANCELLED));
			user[i].tag = NO_TAG;
			user[i].cancelled = false;
			check_text(redislock_event_status(event), lock);
			return;
		}
	abort(); /* an event of nobody's */
}

static void read_events(void)
{
	redislock_event *event;

	while (redislock_client_next_event(loop, &event) == REDISLOCK_OK)
		read_event(event);
}

/* One turn of everything that goes on by itself; whether it did anything. */
static bool turn(void)
{
	bool any = false;
	struct rlk_engine *engine = &blocking->driver.engine;

	if (engine->background > 0) {
		/* As the keeper does. */
		net.limit = net.now;
		rlk_driver_enter(&blocking->driver);
		any = rlk_engine_deadline(engine) <= net.now;
		rlk_blocking_crank(&blocking->blocking, NULL);
		rlk_driver_leave(&blocking->driver);
		net.limit = INT64_MAX;
	}
	if (net_loop_readable()) {
		require(redislock_client_dispatch(loop) == REDISLOCK_OK);
		read_events();
		any = true;
	}
	check_holders();
	return any;
}

static void let_pass(int64_t duration)
{
	const int64_t until = net.now + duration;
	int circles = 0;

	for (;;) {
		int64_t next = net_next(), due = RLK_NEVER;

		circles = turn() ? circles + 1 : 0;
		require(circles < CIRCLES);
		if (blocking->driver.engine.background > 0)
			due = rlk_engine_deadline(&blocking->driver.engine);
		next = net_next();
		next = due < next ? due : next;
		if (net.now >= until)
			return;
		next = next < until ? next : until;
		if (next > net.now) {
			net.now = next;
			circles = 0;
		}
	}
}

/* ---- what somebody does ---- */

static void make(int number)
{
	const int32_t kind = number == 1 ? REDISLOCK_KIND_SPIN : REDISLOCK_KIND_PUBSUB;

	memory_left = -1;
	require(redislock_lock_new(is_loop(number) ? loop : blocking, kind, "foo", 3, &user[number].lock) ==
	        REDISLOCK_OK);
	user[number].wait = 1000;
	user[number].tag = NO_TAG;
	user[number].cancelled = false;
	require(redislock_lock_set_wait_ms(user[number].lock, 1000) == REDISLOCK_OK);
}

static void acquire(int number)
{
	redislock_lock *lock = user[number].lock;
	const int64_t wait = user[number].wait;

	if (is_loop(number)) {
		if (redislock_lock_start_acquire(lock, ++tags) == REDISLOCK_OK)
			user[number].tag = tags;
		return;
	}
	begin();
	back_within(wait > 0 ? wait : 2 * TIMEOUT_MS, redislock_lock_acquire(lock), lock);
}

static void release(int number)
{
	redislock_lock *lock = user[number].lock;

	if (is_loop(number)) {
		if (redislock_lock_start_release(lock, ++tags) == REDISLOCK_OK)
			user[number].tag = tags;
		return;
	}
	begin();
	if (back_within(TIMEOUT_MS, redislock_lock_release(lock), lock) == REDISLOCK_OK)
		require(redislock_lock_is_held(lock) == 0);
}

static void extend(int number, int64_t ttl)
{
	redislock_lock *lock = user[number].lock;

	if (is_loop(number)) {
		if (redislock_lock_start_extend(lock, ttl, ++tags) == REDISLOCK_OK)
			user[number].tag = tags;
		return;
	}
	begin();
	back_within(TIMEOUT_MS, redislock_lock_extend(lock, ttl), lock);
}

static void cancel(int number)
{
	int32_t status;

	begin();
	status = redislock_lock_cancel(user[number].lock);
	if (is_loop(number)) {
		require(status == REDISLOCK_OK || status == REDISLOCK_END);
		user[number].cancelled |= status == REDISLOCK_OK;
	} else {
		back_within(TIMEOUT_MS, status, user[number].lock);
	}
}

static void renew_handle(int number)
{
	begin();
	redislock_lock_free(user[number].lock);
	user[number].lock = NULL;
	back_within(TIMEOUT_MS, REDISLOCK_OK, NULL);
	make(number);
}

static void change_settings(int number, uint8_t value)
{
	static const int64_t waits[] = { 0, 1, 50, 300, 2000, LONGEST_MS };
	static const int64_t ttls[] = { 1, 10, 100, 1000, 30000, RLK_DURATION_MAX, REDISLOCK_NO_EXPIRY };
	redislock_lock *lock = user[number].lock;

	switch (value % 5) {
	case 0:
		if (redislock_lock_set_wait_ms(lock, waits[value / 5 % 6]) == REDISLOCK_OK)
			user[number].wait = waits[value / 5 % 6];
		break;
	case 1:
		redislock_lock_set_ttl_ms(lock, ttls[value / 5 % 7]);
		break;
	case 2:
		redislock_lock_set_renewal(lock, value / 5 % 2);
		break;
	case 3:
		redislock_lock_set_spin_interval_ms(lock, 1 + value);
		redislock_lock_set_spin_growth(lock, 100 + value, 2000);
		break;
	default:
		redislock_lock_set_owner(lock, "somebody", value / 5 % 9);
	}
}

static void look(uint8_t how)
{
	redislock_info *info = NULL;
	redislock_list *list = NULL;
	const char *name;
	size_t length;

	begin();
	switch (how % 6) {
	case 0:
		back_within(2 * TIMEOUT_MS, redislock_client_ping(blocking), NULL);
		break;
	case 1:
		back_within(2 * TIMEOUT_MS, redislock_info_get(blocking, "foo", 3, &info), NULL);
		redislock_info_free(info);
		break;
	case 2:
		if (redislock_list_new(blocking, how / 6 % 2 ? "f*" : NULL, &list) != REDISLOCK_OK)
			return;
		for (int i = 0; i < 3 && redislock_list_next(list, &name, &length) == REDISLOCK_OK; i++)
			require(server.lies || (length == 3 && memcmp(name, "foo", 3) == 0));
		back_within(16 * TIMEOUT_MS, REDISLOCK_OK, NULL);
		redislock_list_free(list);
		break;
	case 3:
		server.lies = true;
		back_within(2 * TIMEOUT_MS, redislock_client_break(blocking, "foo", 3, NULL, 0), NULL);
		break;
	case 4:
		if (question_tag == NO_TAG && redislock_client_start_ping(loop, tags + 1) == REDISLOCK_OK)
			question_tag = ++tags;
		break;
	default:
		if (question_tag == NO_TAG && redislock_client_start_info(loop, "foo", 3, tags + 1) == REDISLOCK_OK)
			question_tag = ++tags;
	}
}

/* ---- what befalls them ---- */

static void strike(uint8_t kind, uint8_t amount)
{
	server.fault = (enum server_fault)(kind % SERVER_FAULTS);
	server.amount = amount;
	if (server.fault == REPLACED) {
		server.length = (size_t)(input.end - input.next);
		server.length = amount < server.length ? amount : server.length;
		server.bytes = input.next;
		input.next += server.length;
	}
}

static void befall(uint8_t kind, uint8_t amount)
{
	switch (kind % 11) {
	case 0:
		server_kill(true, false);
		break;
	case 1:
		server_kill(false, true);
		break;
	case 2:
		server_kill(true, true);
		break;
	case 3:
		net.refusals = amount % 8;
		break;
	case 4:
		net.latency = amount % 4 * 150;
		break;
	case 5:
		net.mouthful = amount % 16 * 8;
		break;
	case 6:
		server.scripts = 0;
		break;
	case 7:
		server_execute_stray();
		break;
	case 9:
		server_cut_off();
		break;
	case 10:
		memory_left = amount % 32;
		break;
	default:
		server.lies = true;
		store_lose_everything(&server.store);
	}
}

/* Whether the bytes may be believed is nobody's guess. */
static void publish(uint8_t how)
{
	size_t length = (size_t)(input.end - input.next);

	length = how / 4 < length ? how / 4 : length;
	server.lies = true;
	if (how % 4 < 2)
		server_publish(how % 2 == 0, input.next, length);
	else
		server_push(input.next, length);
	input.next += length;
}

static void act(void)
{
	const uint8_t what = take();
	const int number = what / 16 % LOCKS;

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
		acquire(number);
		break;
	case 3:
	case 4:
		release(number);
		break;
	case 5:
		extend(number, 1 + (int64_t)take() * take());
		break;
	case 6:
		cancel(number);
		break;
	case 7:
		renew_handle(number);
		break;
	case 8:
		change_settings(number, take());
		break;
	case 9:
		look(what / 16);
		break;
	case 10:
	case 11:
		strike(what / 16, take());
		break;
	case 12:
		befall(what / 16, take());
		break;
	case 13:
		publish(take());
		break;
	case 14:
		let_pass((int64_t)take() * take());
		break;
	default:
		let_pass(1 + what / 16);
	}
}

static void end(void)
{
	memory_left = -1;
	/* Longer than anything that goes on may take. */
	let_pass(LONGEST_MS + 10 * TIMEOUT_MS);
	for (int i = 0; i < LOCKS; i++)
		require(user[i].tag == NO_TAG);
	require(question_tag == NO_TAG);
	begin();
	for (int i = 0; i < LOCKS; i++) {
		redislock_lock_free(user[i].lock);
		user[i].lock = NULL;
	}
	redislock_client_free(loop);
	redislock_client_free(blocking);
	require(net.now - started <= LOCKS * TIMEOUT_MS + 2 * 250);
	require(net_open_lines() == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redislock_client *clients[2];

	net_start();
	server_start();
	input.next = data;
	input.end = data + (size < 1024 ? size : 1024);
	tags = question_tag = NO_TAG;
	memory_left = -1;
	require(redislock_client_new("redis://127.0.0.1", &blocking) == REDISLOCK_OK);
	require(redislock_client_new_eventloop("redis://127.0.0.1", &loop) == REDISLOCK_OK);
	clients[0] = blocking;
	clients[1] = loop;
	for (int i = 0; i < 2; i++) {
		require(redislock_client_set_connect_timeout_ms(clients[i], TIMEOUT_MS) == REDISLOCK_OK);
		require(redislock_client_set_command_timeout_ms(clients[i], TIMEOUT_MS) == REDISLOCK_OK);
	}
	for (int i = 0; i < LOCKS; i++)
		make(i);
	while (input.next < input.end)
		act();
	end();
	return 0;
}
