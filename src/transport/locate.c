/* SPDX-License-Identifier: MIT
 *
 * Where a primary is, by what its sentinels say: they are asked one after the other. Which of them knew best last time
 * is asked first the next time. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <stdio.h>
#include <string.h>

/* What went wrong with one of them, in the order of what it tells the user. */
enum { SILENT = 1, IGNORANT, REFUSING, MISTAKEN };

static void note(struct rlk_locator *locator, int weight, int32_t status, const char *text, const char *advice)
{
	if (weight >= locator->weight) {
		locator->weight = weight;
		locator->status = status;
		snprintf(locator->text, sizeof locator->text, "%s%s", text, advice);
		rlk_make_printable(locator->text, strlen(locator->text));
	}
}

/* The same about the one that is being asked. */
static void note_guide(struct rlk_locator *locator, int32_t status, const char *problem, struct rlk_slice quote)
{
	const struct rlk_host *host = &locator->address->hosts[locator->number];
	char text[sizeof locator->text];

	snprintf(text, sizeof text, "sentinel %.100s:%u: %s%.*s", host->name, (unsigned)host->port, problem,
	         quote.length < 100 ? (int)quote.length : 100, quote.length > 0 ? quote.data : "");
	note(locator, REFUSING, status, text, "");
}

static void note_end_of_guide(struct rlk_locator *locator)
{
	const char *text;
	int32_t status = rlk_connection_failure(locator->guide, &text);
	char silent[sizeof locator->text];

	if (status == REDISLOCK_CONNECTION_REFUSED || status == REDISLOCK_CONNECTION_LOST) {
		snprintf(silent, sizeof silent, "no sentinel could be asked: %.330s", text);
		note(locator, SILENT, REDISLOCK_CONNECTION_REFUSED, silent, "");
	} else {
		note(locator, REFUSING, status, text,
		     status == REDISLOCK_AUTHENTICATION
		             ? ": in the URL the sentinels' own are sentinel_user and sentinel_password"
		             : "");
	}
}

static size_t after(const struct rlk_locator *locator, size_t number)
{
	return number + 1 < locator->address->host_count ? number + 1 : 0;
}

/* Asks the next one, if there is one and time for it. */
static void ask_next(struct rlk_locator *locator, int64_t now)
{
	size_t count = locator->address->host_count, left = count - locator->asked;

	locator->asking = false;
	if (left == 0 || now >= locator->deadline) {
		rlk_connection_close(locator->guide);
		locator->state = RLK_NOWHERE;
		locator->first = after(locator, locator->first);
		if (locator->weight == 0) {
			note(locator, SILENT, REDISLOCK_CONNECTION_REFUSED, "no sentinel answered within the timeout",
			     "");
		}
		return;
	}
	locator->state = RLK_LOCATING;
	locator->number = locator->asked++ == 0 ? locator->first : after(locator, locator->number);
	/* Equal shares of the time that is left, and one for the primary itself. */
	locator->patience = now + (locator->deadline - now) / (int64_t)(left + 1);
	rlk_connection_open_sentinel(locator->guide, locator->address, locator->number, locator->patience, now);
}

static void ask(struct rlk_locator *locator)
{
	const char *service = locator->address->sentinels.service;
	const struct rlk_slice words[] = { { "SENTINEL", 8 },
		                           { "GET-MASTER-ADDR-BY-NAME", 23 },
		                           { service, strlen(service) } };

	if (rlk_connection_append(locator->guide, words, 3)) {
		locator->asking = true;
		rlk_connection_flush(locator->guide);
	} else {
		note(locator, MISTAKEN, REDISLOCK_NO_MEMORY, "out of memory", "");
		rlk_connection_close(locator->guide);
	}
}

static bool begins(struct rlk_slice text, const char *prefix)
{
	size_t length = strlen(prefix);

	return text.length >= length && memcmp(text.data, prefix, length) == 0;
}

static void note_refusal(struct rlk_locator *locator, struct rlk_slice error)
{
	const struct rlk_slice nothing = { NULL, 0 };

	if (begins(error, "NOAUTH")) {
		note_guide(locator, REDISLOCK_AUTHENTICATION,
		           "it wants a password of its own: give sentinel_password in the URL", nothing);
	} else if (begins(error, "NOPERM")) {
		note_guide(locator, REDISLOCK_PERMISSION,
		           "its access rules forbid the question; allow +sentinel|get-master-addr-by-name", nothing);
	} else if (begins(error, "ERR unknown command")) {
		note_guide(locator, REDISLOCK_PROTOCOL,
		           "it is no sentinel: the URL takes the sentinels' addresses (their usual port is 26379)",
		           nothing);
	} else {
		note_guide(locator, REDISLOCK_SERVER, "it refused the question: ", error);
	}
}

/* Whether a sentinel's words are an address that can be gone to; it is kept then. */
static bool keep_place(struct rlk_locator *locator, struct rlk_slice host, struct rlk_slice port)
{
	uint32_t number = 0;

	if (host.length == 0 || host.length > RLK_HOST_MAX || port.length == 0 || port.length > 5) {
		return false;
	}
	for (size_t i = 0; i < host.length; i++) {
		if ((unsigned char)host.data[i] <= ' ' || host.data[i] == 0x7f) {
			return false;
		}
	}
	for (size_t i = 0; i < port.length; i++) {
		if (port.data[i] < '0' || port.data[i] > '9') {
			return false;
		}
		number = number * 10 + (uint32_t)(port.data[i] - '0');
	}
	if (number == 0 || number > UINT16_MAX) {
		return false;
	}
	memcpy(locator->host, host.data, host.length);
	locator->host[host.length] = '\0';
	locator->port = (uint16_t)number;
	return true;
}

static void take_answer(struct rlk_locator *locator, const struct rlk_value *answer, size_t count, int64_t now)
{
	char before[sizeof locator->host], text[sizeof locator->text];
	uint16_t port_before = locator->port;

	memcpy(before, locator->host, sizeof before);
	if (answer->type == RLK_ERROR) {
		note_refusal(locator, answer->text);
	} else if (answer->type == RLK_NIL) {
		snprintf(text, sizeof text,
		         "no sentinel that could be asked knows the service %.100s: compare the URL with "
		         "\"sentinel monitor\" in their configuration",
		         locator->address->sentinels.service);
		note(locator, IGNORANT, REDISLOCK_CONNECTION_REFUSED, text, "");
	} else if (count != 3 || answer->type != RLK_ARRAY || answer[1].type != RLK_STRING ||
	           answer[2].type != RLK_STRING || !keep_place(locator, answer[1].text, answer[2].text)) {
		note_guide(locator, REDISLOCK_PROTOCOL, "its answer makes no sense", (struct rlk_slice) { NULL, 0 });
	} else {
		locator->located = true;
		/* Who only repeats what was found wrong is no help. */
		if (port_before != locator->port || strcmp(before, locator->host) != 0) {
			locator->state = RLK_LOCATED;
			rlk_connection_close(locator->guide);
			return;
		}
	}
	ask_next(locator, now);
}

/* Goes on for as long as nothing needs to be waited for. */
static void go_on(struct rlk_locator *locator, int64_t now)
{
	while (locator->state == RLK_LOCATING) {
		enum rlk_connection_state state = rlk_connection_state(locator->guide);
		const struct rlk_value *answer = NULL;
		size_t count;
		if (state == RLK_READY && !locator->asking) {
			ask(locator);
		}
		if (locator->asking) {
			rlk_connection_receive(locator->guide);
			rlk_connection_flush(locator->guide);
			answer = rlk_connection_reply(locator->guide, &count);
		}
		if (answer != NULL) {
			take_answer(locator, answer, count, now);
		} else if (rlk_connection_state(locator->guide) == RLK_CLOSED) {
			note_end_of_guide(locator);
			ask_next(locator, now);
		} else if (locator->asking && now >= locator->patience) {
			note_guide(locator, REDISLOCK_CONNECTION_REFUSED,
			           "connected, but it didn't answer within the timeout",
			           (struct rlk_slice) { NULL, 0 });
			ask_next(locator, now);
		} else {
			return;
		}
	}
}

bool rlk_locator_start(struct rlk_locator *locator, const struct rlk_address *address, struct rlk_watch *watch,
                       int64_t deadline, int64_t now)
{
	if (locator->guide == NULL) {
		locator->guide = rlk_connection_new(watch);
	}
	if (locator->guide == NULL) {
		return false;
	}
	locator->address = address;
	locator->deadline = deadline;
	locator->asked = 0;
	locator->weight = 0;
	locator->located = false;
	locator->host[0] = '\0';
	ask_next(locator, now);
	go_on(locator, now);
	return true;
}

void rlk_locator_reject(struct rlk_locator *locator, int32_t status, const char *text, int64_t now)
{
	note(locator, MISTAKEN, status, text, "");
	ask_next(locator, now);
	go_on(locator, now);
}

void rlk_locator_step(struct rlk_locator *locator, int64_t now)
{
	rlk_connection_step(locator->guide, now);
	go_on(locator, now);
}

int64_t rlk_locator_deadline(const struct rlk_locator *locator)
{
	return locator->asking ? locator->patience : rlk_connection_deadline(locator->guide);
}

void rlk_locator_stop(struct rlk_locator *locator)
{
	if (locator->guide != NULL) {
		rlk_connection_close(locator->guide);
	}
}
