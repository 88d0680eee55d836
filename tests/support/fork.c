/* SPDX-License-Identifier: MIT */
#include "fork.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 15000
#define ROUND_NS 2000000

static bool waits(int folder, const char *thread)
{
	char path[64], text[256];
	const char *state;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "%.32s/stat", thread);
	fd = openat(folder, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH; /* it has ended */
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size > 0 ? size : 0] = '\0';
	state = strrchr(text, ')');
	return state != NULL && state[1] == ' ' && state[2] == 'S';
}

/* Without opendir(), which allocates: some tests count allocations, or let them fail. */
static bool others_wait(void)
{
	_Alignas(struct dirent64) char entries[4096];
	const int folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool all = folder >= 0;
	ssize_t size;

	while (all && (size = getdents64(folder, entries, sizeof(entries))) != 0) {
		all = size > 0;
		for (ssize_t at = 0; all && at < size;) {
			const struct dirent64 *entry = (const struct dirent64 *)(const void *)(entries + at);
			const bool other = entry->d_name[0] != '.' && atoi(entry->d_name) != gettid();

			all = !other || waits(folder, entry->d_name);
			at += entry->d_reclen;
		}
	}
	if (folder >= 0)
		close(folder);
	return all;
}

pid_t test_fork(void)
{
	const struct timespec round = { 0, ROUND_NS };

	for (int i = 0; i < ROUNDS; i++) {
		if (others_wait())
			return fork();
		nanosleep(&round, NULL);
	}
	errno = EBUSY;
	return -1;
}
