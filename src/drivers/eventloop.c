/* SPDX-License-Identifier: MIT
 *
 * The event-loop driver: one descriptor to poll, an epoll with the sockets, a timer and a descriptor for unread notices
 * inside. Nothing here waits, and nobody is called back: what has happened stands in a queue until it is read. */
#include "drivers.h"

#include "redislock/redislock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* BUDGET bounds what one step may do, so that a loop with ten thousand locks isn't held up by all of them at once. */
enum { BUDGET = 400, READY = 32 };

/* ---- notices ---- */

static void unqueue(struct rlk_loop *loop, struct rlk_notice *notice)
{
	if (!notice->waiting) {
		return;
	}
	*(notice->previous != NULL ? &notice->previous->next : &loop->first) = notice->next;
	*(notice->next != NULL ? &notice->next->previous : &loop->last) = notice->previous;
	notice->next = notice->previous = NULL;
	notice->waiting = false;
}

static void queue(struct rlk_loop *loop, struct rlk_notice *notice, int32_t type, int32_t status, uint64_t tag)
{
	unqueue(loop, notice);
	notice->type = type;
	notice->status = status;
	notice->tag = tag;
	notice->previous = loop->last;
	*(loop->last != NULL ? &loop->last->next : &loop->first) = notice;
	loop->last = notice;
	notice->waiting = true;
}

static struct rlk_loop *loop_of(struct rlk_engine *engine)
{
	return (struct rlk_loop *)(void *)engine; /* its first member's first member */
}

int32_t rlk_event_type(enum rlk_operation operation, int32_t status)
{
	if (operation == RLK_CANCELLATION) {
		return REDISLOCK_EVENT_CANCELLED;
	}
	if (status == REDISLOCK_NOT_ACQUIRED) {
		return REDISLOCK_EVENT_NOT_ACQUIRED;
	}
	if (status != REDISLOCK_OK) {
		return REDISLOCK_EVENT_FAILED;
	}
	switch (operation) {
	case RLK_ACQUIRE:
		return REDISLOCK_EVENT_ACQUIRED;
	case RLK_RELEASE:
		return REDISLOCK_EVENT_RELEASED;
	default:
		return REDISLOCK_EVENT_EXTENDED;
	}
}

static void job_done(struct rlk_engine *engine, struct rlk_job *job)
{
	struct rlk_task *task = job->waiter;
	enum rlk_operation operation = task->operation;
	int32_t status = job->machine.status;
	if (operation == RLK_NO_OPERATION) {
		return;
	}
	task->operation = RLK_NO_OPERATION;
	if (operation == RLK_ACQUIRE) {
		task->held_tag = task->tag;
	} else if (operation == RLK_CANCELLATION && (status == REDISLOCK_LOST || status == REDISLOCK_NOT_OWNED)) {
		status = REDISLOCK_OK; /* it was to be given up */
	}
	queue(loop_of(engine), &task->done, rlk_event_type(operation, status), status, task->tag);
}

static void job_lost(struct rlk_engine *engine, struct rlk_job *job)
{
	struct rlk_task *task = job->waiter;
	queue(loop_of(engine), &task->lost, REDISLOCK_EVENT_LOST, REDISLOCK_LOST, task->held_tag);
}

static struct rlk_question *question_of(struct rlk_call *call)
{
	return (struct rlk_question *)(void *)call; /* its first member */
}

static void call_done(struct rlk_engine *engine, struct rlk_call *call)
{
	struct rlk_notice *notice = &question_of(call)->notice;
	int32_t type = call->status < 0 ? REDISLOCK_EVENT_FAILED : REDISLOCK_EVENT_ANSWERED;
	queue(loop_of(engine), notice, type, call->status, notice->tag);
}

struct rlk_notice *rlk_loop_next(struct rlk_loop *loop)
{
	struct rlk_notice *notice = loop->first;
	if (notice != NULL) {
		unqueue(loop, notice);
	}
	if (loop->first == NULL && loop->signalled) {
		uint64_t count;
		ssize_t got = read(loop->notice_fd, &count, sizeof count);
		(void)got;
		loop->signalled = false;
	}
	return notice;
}

/* ---- the descriptor ---- */

static bool change(const struct rlk_loop *loop, int operation, int fd, short events)
{
	struct epoll_event event = { .events = (uint32_t)events, .data.fd = fd };
	return epoll_ctl(loop->epoll_fd, operation, fd, &event) == 0;
}

/* A descriptor that a forked child has as well stays in an epoll when it is closed, so it must be taken out before. */
static void closing(struct rlk_watch *watch, int fd)
{
	struct rlk_loop *loop = (struct rlk_loop *)(void *)((char *)watch - offsetof(struct rlk_loop, watch));
	for (size_t i = 0; i < loop->watched_count; i++) {
		if (loop->watched[i].fd == fd) {
			change(loop, EPOLL_CTL_DEL, fd, 0);
			loop->watched[i] = loop->watched[--loop->watched_count];
			return;
		}
	}
}

static bool make_room(struct rlk_loop *loop, size_t more)
{
	size_t capacity = loop->watched_count + more;
	if (capacity > loop->watched_capacity) {
		struct pollfd *larger = realloc(loop->watched, 2 * capacity * sizeof *larger);
		if (larger == NULL) {
			return false;
		}
		loop->watched = larger;
		loop->watched_capacity = 2 * capacity;
	}
	return true;
}

static void watch_sockets(struct rlk_loop *loop)
{
	const struct pollfd *fds;
	size_t count = rlk_engine_fds(&loop->base.engine, &fds);
	if (!make_room(loop, count)) {
		return; /* the next deadline looks after the sockets */
	}
	for (size_t i = 0; i < count; i++) {
		size_t at = 0;
		while (at < loop->watched_count && loop->watched[at].fd != fds[i].fd) {
			at++;
		}
		bool is_new = at == loop->watched_count;
		if (is_new || loop->watched[at].events != fds[i].events) {
			/* Without memory for it the next deadline looks after the socket. */
			if (!change(loop, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fds[i].fd, fds[i].events)) {
				continue;
			}
			loop->watched_count += is_new;
			loop->watched[at] = fds[i];
		}
	}
}

void rlk_timer_set(int timer_fd, int64_t *timer_at, int64_t at)
{
	struct itimerspec when = { .it_value = { .tv_nsec = 1 } };
	/* One that goes off too early costs less than setting it back each time. */
	if (at >= *timer_at) {
		return;
	}
	if (at > 0) {
		when.it_value.tv_sec = (time_t)(at / 1000);
		when.it_value.tv_nsec = (long)(at % 1000 * 1000000 + 1); /* 0 would be none */
	}
	timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	*timer_at = at;
}

/* The descriptor must tell of all that has changed. */
static void refresh(struct rlk_loop *loop)
{
	watch_sockets(loop);
	rlk_timer_set(loop->timer_fd, &loop->timer_at, rlk_engine_deadline(&loop->base.engine));
	if (loop->first != NULL && !loop->signalled) {
		uint64_t one = 1;
		loop->signalled = write(loop->notice_fd, &one, sizeof one) == (ssize_t)sizeof one;
	}
}

static void start(struct rlk_loop *loop)
{
	if (!rlk_engine_asks_a_lot(&loop->base.engine)) {
		rlk_engine_pump(&loop->base.engine, rlk_now());
	}
	refresh(loop);
}

int64_t rlk_loop_timeout(const struct rlk_loop *loop)
{
	int64_t at = rlk_engine_deadline(&loop->base.engine), now = rlk_now();
	if (loop->first != NULL || at <= now) {
		return 0;
	}
	return at == RLK_NEVER ? -1 : at - now;
}

int32_t rlk_loop_dispatch(struct rlk_loop *loop)
{
	struct epoll_event events[READY];
	struct pollfd ready[READY];
	nfds_t count = 0;
	int found = epoll_wait(loop->epoll_fd, events, READY, 0);
	for (int i = 0; i < found; i++) {
		int fd = events[i].data.fd;
		if (fd == loop->timer_fd) {
			uint64_t expirations;
			ssize_t got = read(fd, &expirations, sizeof expirations);
			(void)got;
			loop->timer_at = RLK_NEVER;
		} else if (fd != loop->notice_fd) {
			ready[count++] = (struct pollfd) { .fd = fd, .revents = (short)events[i].events };
		}
	}
	rlk_engine_step(&loop->base.engine, ready, count, rlk_now());
	refresh(loop);
	return REDISLOCK_OK;
}

/* ---- beginning and end ---- */

static bool open_descriptors(struct rlk_loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	loop->notice_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll_fd < 0 || loop->timer_fd < 0 || loop->notice_fd < 0) {
		return false;
	}
	return change(loop, EPOLL_CTL_ADD, loop->timer_fd, EPOLLIN) &&
	       change(loop, EPOLL_CTL_ADD, loop->notice_fd, EPOLLIN);
}

static void close_descriptors(const struct rlk_loop *loop)
{
	const int fds[] = { loop->epoll_fd, loop->timer_fd, loop->notice_fd };
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
}

int32_t rlk_loop_init(struct rlk_loop *loop, const char *url)
{
	memset(loop, 0, sizeof *loop);
	loop->watch.closing = closing;
	loop->timer_at = RLK_NEVER;
	int32_t status = rlk_engine_init(&loop->base.engine, url, &loop->watch);
	if (status != REDISLOCK_OK) {
		return status;
	}
	if (!open_descriptors(loop)) {
		close_descriptors(loop);
		rlk_engine_clear(&loop->base.engine);
		return REDISLOCK_NO_MEMORY;
	}
	loop->base.engine.budget = BUDGET;
	loop->base.engine.job_done = job_done;
	loop->base.engine.call_done = call_done;
	loop->base.engine.job_lost = job_lost;
	pthread_mutex_init(&loop->base.mutex, NULL);
	return REDISLOCK_OK;
}

void rlk_loop_clear(struct rlk_loop *loop, bool forked)
{
	struct rlk_engine *engine = &loop->base.engine;
	if (forked) {
		/* The epoll is the parent's as well. */
		loop->watched_count = 0;
	} else {
		rlk_engine_bid_farewell(engine);
		pthread_mutex_destroy(&loop->base.mutex);
	}
	for (struct rlk_call *call = engine->calls, *next; call != NULL; call = next) {
		next = call->next;
		if (!call->orphan) {
			rlk_call_forget(engine, call);
			question_of(call)->free(question_of(call));
		}
	}
	/* No lock is left, so what is unread are answers. */
	for (struct rlk_notice *notice = loop->first, *next; notice != NULL; notice = next) {
		struct rlk_question *question =
		        (struct rlk_question *)(void *)((char *)notice - offsetof(struct rlk_question, notice));
		next = notice->next;
		question->free(question);
	}
	rlk_engine_clear(engine);
	close_descriptors(loop);
	free(loop->watched);
}

void rlk_loop_adopt(struct rlk_job *job, struct rlk_task *task)
{
	task->done.task = task->lost.task = task;
	job->waiter = task;
}

void rlk_loop_forget(struct rlk_loop *loop, struct rlk_job *job)
{
	struct rlk_task *task = job->waiter;
	task->operation = RLK_NO_OPERATION;
	rlk_job_clear(&loop->base.engine, job);
	unqueue(loop, &task->done);
	unqueue(loop, &task->lost);
	rlk_engine_pump(&loop->base.engine, rlk_now());
	refresh(loop);
}

/* ---- what a lock is asked for ---- */

/* Whether it may be asked for something; if its lease has run out unnoticed, that is noticed first. */
static bool is_free(struct rlk_loop *loop, struct rlk_job *job, int64_t now)
{
	const struct rlk_task *task = job->waiter;
	if (task->operation != RLK_NO_OPERATION || task->done.waiting) {
		return false;
	}
	rlk_machine_tick(&job->machine, now);
	rlk_job_settle(&loop->base.engine, job, now);
	return true;
}

/* The operation has begun. If it is over as well, it is told by the status and by no notice. */
static int32_t begun(struct rlk_loop *loop, struct rlk_job *job, enum rlk_operation operation, uint64_t tag)
{
	struct rlk_task *task = job->waiter;
	if (job->machine.done) {
		if (job->machine.status == REDISLOCK_LOST) {
			unqueue(loop, &task->lost);
		}
		refresh(loop);
		return job->machine.status;
	}
	task->operation = operation;
	task->tag = tag;
	start(loop);
	return REDISLOCK_OK;
}

int32_t rlk_loop_acquire(struct rlk_loop *loop, struct rlk_job *job, struct rlk_slice token, uint64_t tag)
{
	int64_t now = rlk_now();
	if (!is_free(loop, job, now)) {
		return REDISLOCK_IN_USE;
	}
	if (job->machine.phase == RLK_OVER) {
		/* Its notice tells of the loss, not the next acquire. */
		rlk_machine_abandon(&job->machine);
		rlk_job_settle(&loop->base.engine, job, now);
	}
	rlk_job_acquire(&loop->base.engine, job, token, now);
	return begun(loop, job, RLK_ACQUIRE, tag);
}

int32_t rlk_loop_release(struct rlk_loop *loop, struct rlk_job *job, uint64_t tag)
{
	struct rlk_engine *engine = &loop->base.engine;
	int64_t now = rlk_now();
	if (!is_free(loop, job, now)) {
		return REDISLOCK_IN_USE;
	}
	rlk_machine_release(&job->machine, engine->command_timeout, now);
	rlk_job_settle(engine, job, now);
	return begun(loop, job, RLK_RELEASE, tag);
}

int32_t rlk_loop_extend(struct rlk_loop *loop, struct rlk_job *job, int64_t ttl, uint64_t tag)
{
	struct rlk_engine *engine = &loop->base.engine;
	int64_t now = rlk_now();
	if (!is_free(loop, job, now)) {
		return REDISLOCK_IN_USE;
	}
	rlk_machine_extend(&job->machine, ttl, engine->command_timeout, now);
	rlk_job_settle(engine, job, now);
	return begun(loop, job, RLK_EXTENSION, tag);
}

int32_t rlk_loop_cancel(struct rlk_loop *loop, struct rlk_job *job)
{
	struct rlk_task *task = job->waiter;
	struct rlk_engine *engine = &loop->base.engine;
	int64_t now = rlk_now();
	if (task->operation == RLK_CANCELLATION) {
		return REDISLOCK_OK;
	}
	if (task->operation == RLK_ACQUIRE) {
		rlk_machine_cancel(&job->machine, engine->command_timeout, now);
	} else if (task->done.waiting && task->done.type == REDISLOCK_EVENT_ACQUIRED) {
		/* Nobody knows of it yet, so nobody will release it. */
		unqueue(loop, &task->done);
		unqueue(loop, &task->lost);
		rlk_machine_release(&job->machine, engine->command_timeout, now);
	} else {
		return REDISLOCK_END;
	}
	task->operation = RLK_CANCELLATION;
	rlk_job_settle(engine, job, now);
	start(loop);
	return REDISLOCK_OK;
}

int32_t rlk_loop_ask(struct rlk_loop *loop, struct rlk_question *question, int64_t patience)
{
	if (!rlk_call_start(&loop->base.engine, &question->call, rlk_now() + patience)) {
		return REDISLOCK_NO_MEMORY;
	}
	start(loop);
	return REDISLOCK_OK;
}
