/* SPDX-License-Identifier: MIT
 *
 * The event-loop form: one descriptor, things that are started, and events that are read. */
#include "api.h"

#include <stdlib.h>

/* ---- the client ---- */

RLK_EXPORT int32_t redislock_client_fd(redislock_client *client)
{
	int32_t status = rlk_client_enter(client, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return rlk_client_leave(client, client->loop.epoll_fd);
}

RLK_EXPORT int64_t redislock_client_timeout_ms(redislock_client *client)
{
	if (rlk_client_enter(client, true, RLK_EVENTLOOP) != REDISLOCK_OK) {
		return -1;
	}
	int64_t timeout = rlk_loop_timeout(&client->loop);
	rlk_client_leave(client, REDISLOCK_OK);
	return timeout;
}

RLK_EXPORT int32_t redislock_client_dispatch(redislock_client *client)
{
	int32_t status = rlk_client_enter(client, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	return rlk_client_leave(client, rlk_loop_dispatch(&client->loop));
}

/* ---- events ---- */

static redislock_lock *lock_of(struct rlk_task *task)
{
	return (redislock_lock *)(void *)((char *)task - offsetof(redislock_lock, task));
}

static void take_answer(redislock_client *client, struct rlk_notice *notice)
{
	struct rlk_inquiry *inquiry =
	        (struct rlk_inquiry *)(void *)((char *)notice - offsetof(struct rlk_question, notice));
	const char *text = inquiry->question.call.text;
	if (notice->status < 0) {
		rlk_text_copy(text[0] != '\0' ? text : redislock_strerror(notice->status), client->text,
		              sizeof client->text);
	}
	client->event.info = inquiry->info;
	free(inquiry);
}

RLK_EXPORT int32_t redislock_client_next_event(redislock_client *client, redislock_event **event)
{
	if (event == NULL) {
		return REDISLOCK_INVALID_ARGUMENT;
	}
	*event = NULL;
	int32_t status = rlk_client_enter(client, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_notice *notice = rlk_loop_next(&client->loop);
	if (notice == NULL) {
		return rlk_client_leave(client, REDISLOCK_END);
	}
	redislock_info_free(client->event.info);
	client->event = (struct redislock_event) { .type = notice->type, .status = notice->status, .tag = notice->tag };
	if (notice->task != NULL) {
		client->event.lock = lock_of(notice->task);
		if (notice->status < 0) {
			client->event.lock->status = notice->status;
		}
	} else {
		take_answer(client, notice);
	}
	*event = &client->event;
	return rlk_client_leave(client, REDISLOCK_OK);
}

RLK_EXPORT int32_t redislock_event_type(const redislock_event *event)
{
	return event != NULL ? event->type : REDISLOCK_INVALID_ARGUMENT;
}

RLK_EXPORT int32_t redislock_event_status(const redislock_event *event)
{
	return event != NULL ? event->status : REDISLOCK_INVALID_ARGUMENT;
}

RLK_EXPORT uint64_t redislock_event_tag(const redislock_event *event)
{
	return event != NULL ? event->tag : 0;
}

RLK_EXPORT redislock_lock *redislock_event_lock(const redislock_event *event)
{
	return event != NULL ? event->lock : NULL;
}

RLK_EXPORT redislock_info *redislock_event_take_info(redislock_event *event)
{
	if (event == NULL) {
		return NULL;
	}
	redislock_info *info = event->info;
	event->info = NULL;
	return info;
}

/* ---- locks ---- */

RLK_EXPORT int32_t redislock_lock_start_acquire(redislock_lock *lock, uint64_t tag)
{
	int32_t status = rlk_lock_enter(lock, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_slice token = { lock->own_token, lock->own_token_length };
	rlk_lock_forget_text(lock);
	return rlk_lock_leave(lock, rlk_loop_acquire(&lock->client->loop, &lock->job, token, tag));
}

RLK_EXPORT int32_t redislock_lock_start_release(redislock_lock *lock, uint64_t tag)
{
	int32_t status = rlk_lock_enter(lock, true, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	rlk_lock_forget_text(lock);
	return rlk_lock_leave(lock, rlk_loop_release(&lock->client->loop, &lock->job, tag));
}

RLK_EXPORT int32_t redislock_lock_start_extend(redislock_lock *lock, int64_t ttl_ms, uint64_t tag)
{
	bool valid = ttl_ms == REDISLOCK_NO_EXPIRY || rlk_duration_valid(ttl_ms, 1, RLK_DURATION_MAX);
	int32_t status = rlk_lock_enter(lock, valid, RLK_EVENTLOOP);
	if (status != REDISLOCK_OK) {
		return status;
	}
	rlk_lock_forget_text(lock);
	return rlk_lock_leave(lock, rlk_loop_extend(&lock->client->loop, &lock->job, ttl_ms, tag));
}
