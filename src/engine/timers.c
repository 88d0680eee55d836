/* SPDX-License-Identifier: MIT
 *
 * A binary heap of deadlines. Places in it are reserved with what owns a timer, so that setting one can't fail. */
#include "engine.h"

#include <stdlib.h>

bool rlk_timers_reserve(struct rlk_timers *timers)
{
	/* Place 0 is not used: index 0 means that a timer isn't set. */
	if (timers->reserved + 1 >= timers->capacity) {
		size_t capacity = timers->capacity > 0 ? timers->capacity * 2 : 16;
		struct rlk_timer **heap = realloc(timers->heap, capacity * sizeof(struct rlk_timer *));
		if (heap == NULL) {
			return false;
		}
		timers->heap = heap;
		timers->capacity = capacity;
	}
	timers->reserved++;
	return true;
}

void rlk_timers_unreserve(struct rlk_timers *timers)
{
	timers->reserved--;
}

static void put(struct rlk_timers *timers, size_t index, struct rlk_timer *timer)
{
	timers->heap[index] = timer;
	timer->index = index;
}

static void sift_up(struct rlk_timers *timers, size_t index, struct rlk_timer *timer)
{
	while (index > 1 && timers->heap[index / 2]->at > timer->at) {
		put(timers, index, timers->heap[index / 2]);
		index /= 2;
	}
	put(timers, index, timer);
}

static void sift_down(struct rlk_timers *timers, size_t index, struct rlk_timer *timer)
{
	for (;;) {
		size_t child = index * 2;
		if (child > timers->count) {
			break;
		}
		if (child < timers->count && timers->heap[child + 1]->at < timers->heap[child]->at) {
			child++;
		}
		if (timers->heap[child]->at >= timer->at) {
			break;
		}
		put(timers, index, timers->heap[child]);
		index = child;
	}
	put(timers, index, timer);
}

static void unset(struct rlk_timers *timers, struct rlk_timer *timer)
{
	size_t index = timer->index;
	struct rlk_timer *last = timers->heap[timers->count--];
	timer->index = 0;
	if (last == timer) {
		return;
	}
	if (index > 1 && timers->heap[index / 2]->at > last->at) {
		sift_up(timers, index, last);
	} else {
		sift_down(timers, index, last);
	}
}

void rlk_timers_set(struct rlk_timers *timers, struct rlk_timer *timer, int64_t at)
{
	int64_t before = timer->at;
	timer->at = at;
	if (timer->index != 0 && at == RLK_NEVER) {
		unset(timers, timer);
	} else if (timer->index != 0) {
		(at < before ? sift_up : sift_down)(timers, timer->index, timer);
	} else if (at != RLK_NEVER) {
		sift_up(timers, ++timers->count, timer);
	}
}

struct rlk_timer *rlk_timers_first(const struct rlk_timers *timers)
{
	return timers->count > 0 ? timers->heap[1] : NULL;
}

void rlk_timers_clear(struct rlk_timers *timers)
{
	free(timers->heap);
	*timers = (struct rlk_timers) { 0 };
}
