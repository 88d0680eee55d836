/* SPDX-License-Identifier: MIT
 *
 * One turn of the crank: what the servers have said goes to the seats that it is about, then every lock decides. */
#include "quorum.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* What else is in the epoll, beside the members by their numbers. */
enum { TIMER = RLK_SERVERS_MAX, WAKE, DESCRIPTORS };

static bool watch(const redislock_quorum *quorum, int fd, uint32_t number)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = number };
	return epoll_ctl(quorum->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool rlk_turn_watch(redislock_quorum *quorum, size_t member)
{
	return watch(quorum, redislock_client_fd(quorum->members[member].client), (uint32_t)member);
}

bool rlk_turn_init(redislock_quorum *quorum)
{
	quorum->timer_at = RLK_NEVER;
	quorum->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	quorum->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	quorum->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return quorum->epoll_fd >= 0 && quorum->timer_fd >= 0 && quorum->wake_fd >= 0 &&
	       watch(quorum, quorum->timer_fd, TIMER) && watch(quorum, quorum->wake_fd, WAKE);
}

void rlk_turn_clear(redislock_quorum *quorum)
{
	const int fds[] = { quorum->epoll_fd, quorum->timer_fd, quorum->wake_fd };
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (fds[i] >= 0) {
			close(fds[i]);
		}
	}
}

static void drain(int fd)
{
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof count);
	(void)got;
}

static void take_events(redislock_client *client)
{
	redislock_event *event;
	redislock_client_dispatch(client);
	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		/* NOLINTNEXTLINE(performance-no-int-to-ptr): a tag is a number */
		struct rlk_seat *seat = (struct rlk_seat *)(uintptr_t)redislock_event_tag(event);
		rlk_seat_event(seat, redislock_event_type(event), redislock_event_status(event), rlk_now());
	}
}

void rlk_turn(redislock_quorum *quorum)
{
	struct epoll_event ready[DESCRIPTORS];
	int found = epoll_wait(quorum->epoll_fd, ready, DESCRIPTORS, 0);
	for (int i = 0; i < found; i++) {
		uint32_t number = ready[i].data.u32;
		if (number == TIMER) {
			drain(quorum->timer_fd);
			quorum->timer_at = RLK_NEVER;
		} else if (number != WAKE) {
			take_events(quorum->members[number].client);
		} else if (quorum->form == RLK_BLOCKING) {
			drain(quorum->wake_fd);
		}
	}
	int64_t now = rlk_now();
	rlk_quorum_look_for_interrupts(quorum, now);
	for (redislock_quorum_lock *lock = quorum->locks; lock != NULL; lock = lock->next) {
		rlk_stage_step(lock, now);
	}
}

int64_t rlk_turn_wake(const redislock_quorum *quorum, int64_t now)
{
	int64_t wake = RLK_NEVER;
	for (redislock_quorum_lock *lock = quorum->locks; lock != NULL; lock = lock->next) {
		int64_t at = rlk_stage_wake(lock, now);
		wake = at < wake ? at : wake;
	}
	return wake;
}

static bool unread(const redislock_quorum *quorum)
{
	for (const redislock_quorum_lock *lock = quorum->locks; lock != NULL; lock = lock->next) {
		if (lock->lost_unread || (lock->operation != RLK_NO_OPERATION && lock->decided)) {
			return true;
		}
	}
	return false;
}

void rlk_turn_refresh(redislock_quorum *quorum)
{
	rlk_timer_set(quorum->timer_fd, &quorum->timer_at, rlk_turn_wake(quorum, rlk_now()));
	if (quorum->form != RLK_EVENTLOOP || unread(quorum) == quorum->signalled) {
		return;
	}
	if (quorum->signalled) {
		drain(quorum->wake_fd);
		quorum->signalled = false;
	} else {
		uint64_t one = 1;
		quorum->signalled = write(quorum->wake_fd, &one, sizeof one) == (ssize_t)sizeof one;
	}
}
