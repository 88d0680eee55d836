/* SPDX-License-Identifier: MIT
 *
 * Calls that may wait for the server. Nothing is raised inside of one, where its outcome would be lost: what signals
 * and other threads have for this one is looked at before and after. */
#include "apart.h"

#include <ruby/thread.h>
#include <stdbool.h>

struct call {
	bool done;
	int32_t status;
	redislock_client *client;
	redislock_lock *lock;
	redislock_list *list;
	const void *name;
	size_t name_length;
	const char *token;
	size_t token_length;
	int64_t ttl_ms;
	redislock_info **info;
	const char **next;
	size_t *next_length;
};

/* NAME_now(): the function as what Ruby calls without its lock. */
#define NOW(NAME, ...)                                                                                                 \
	static void *NAME##_now(void *data)                                                                            \
	{                                                                                                              \
		struct call *call = data;                                                                              \
		call->status = redislock_##NAME(__VA_ARGS__);                                                          \
		call->done = true;                                                                                     \
		return NULL;                                                                                           \
	}
NOW(client_connect, call->client)
NOW(client_ping, call->client)
NOW(client_break, call->client, call->name, call->name_length, call->token, call->token_length)
NOW(lock_acquire, call->lock)
NOW(lock_cancel, call->lock)
NOW(lock_release, call->lock)
NOW(lock_extend, call->lock, call->ttl_ms)
NOW(info_get, call->client, call->name, call->name_length, call->info)
NOW(list_next, call->list, call->next, call->next_length)
#undef NOW

static VALUE check_interrupts(VALUE unused)
{
	rb_thread_check_ints();
	return unused;
}

/* Ruby begins no such call while something is due, so that is done first; what it raises is raised after the call. */
static int32_t finish(void *(*now)(void *), struct call *call)
{
	int raised = 0;
	while (!call->done) {
		rb_thread_call_without_gvl2(now, call, NULL, NULL);
		if (!call->done) {
			int state;
			rb_protect(check_interrupts, Qnil, &state);
			raised = state != 0 ? state : raised;
		}
	}
	if (raised != 0) {
		rb_jump_tag(raised);
	}
	return call->status;
}

int32_t apart_client_connect(redislock_client *client)
{
	return finish(client_connect_now, &(struct call) { .client = client });
}

int32_t apart_client_ping(redislock_client *client)
{
	return finish(client_ping_now, &(struct call) { .client = client });
}

int32_t apart_client_break(redislock_client *client, const void *name, size_t name_length, const char *token,
                           size_t token_length)
{
	struct call call = {
		.client = client, .name = name, .name_length = name_length, .token = token, .token_length = token_length
	};
	return finish(client_break_now, &call);
}

int32_t apart_lock_cancel(redislock_lock *lock)
{
	return finish(lock_cancel_now, &(struct call) { .lock = lock });
}

int32_t apart_lock_release(redislock_lock *lock)
{
	return finish(lock_release_now, &(struct call) { .lock = lock });
}

int32_t apart_lock_extend(redislock_lock *lock, int64_t ttl_ms)
{
	return finish(lock_extend_now, &(struct call) { .lock = lock, .ttl_ms = ttl_ms });
}

int32_t apart_info_get(redislock_client *client, const void *name, size_t name_length, redislock_info **info)
{
	struct call call = { .client = client, .name = name, .name_length = name_length, .info = info };
	return finish(info_get_now, &call);
}

int32_t apart_list_next(redislock_list *list, const char **name, size_t *length)
{
	return finish(list_next_now, &(struct call) { .list = list, .next = name, .next_length = length });
}

/* Waits for a lock. Each time something comes up Ruby sees to it; the wait goes on in its place, or is given up if an
 * exception came of it.
 *
 * The client is interruptible: Ruby's own way to unblock a thread, a signal to it again and again until it answers,
 * can't come too early, as a single redislock_lock_interrupt() can. */
int32_t apart_lock_acquire(redislock_lock *lock)
{
	for (;;) {
		struct call call = { .status = REDISLOCK_INTERRUPTED, .lock = lock };
		int state;
		rb_thread_call_without_gvl2(lock_acquire_now, &call, RUBY_UBF_IO, NULL);
		if (call.status != REDISLOCK_INTERRUPTED) {
			return call.status;
		}
		rb_protect(check_interrupts, Qnil, &state);
		if (state != 0) {
			apart_lock_cancel(lock);
			rb_jump_tag(state);
		}
	}
}

struct hold {
	redislock_lock *lock;
	VALUE outcome;
};

static VALUE end_hold(VALUE data)
{
	struct hold *hold = (struct hold *)data; /* NOLINT(performance-no-int-to-ptr): Ruby's way to hand it on */
	rb_ary_push(hold->outcome, INT2NUM(apart_lock_release(hold->lock)));
	return Qnil;
}

/* Takes the lock, runs the block, releases, however the block ends. Where Ruby's code did that an exception of another
 * thread could come in between. outcome: an array that receives the status of the release. */
int32_t lock_hold(redislock_lock *lock, VALUE outcome)
{
	int32_t status = apart_lock_acquire(lock);
	if (status == REDISLOCK_OK) {
		struct hold hold = { lock, outcome };
		rb_ensure(rb_yield, Qnil, end_hold, (VALUE)&hold);
	}
	return status;
}

/* ---- collected ---- */

static void *free_lock_now(void *data)
{
	struct call *call = data;
	redislock_lock_free(call->lock);
	call->done = true;
	return NULL;
}

static void *free_client_now(void *data)
{
	struct call *call = data;
	redislock_client_free(call->client);
	call->done = true;
	return NULL;
}

/* Freeing may take until the server has answered, a second at the most. Ruby frees objects of this kind where it also
 * runs finalizers in Ruby, so others may run meanwhile; unless something is due to this thread, as in the midst of a
 * GC.start, which nobody here may see to; or Ruby ends, when there are no others left. */
static void dispose(void *(*now)(void *), struct call *call)
{
	if (!rb_during_gc()) {
		rb_thread_call_without_gvl2(now, call, NULL, NULL);
	}
	if (!call->done) {
		now(call);
	}
}

void apart_lock_free(redislock_lock *lock)
{
	dispose(free_lock_now, &(struct call) { .lock = lock });
}

void apart_client_free(redislock_client *client)
{
	dispose(free_client_now, &(struct call) { .client = client });
}
