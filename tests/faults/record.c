/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { KEPT_BACK = 8192, LINE = 512, MOMENTS = 400 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char kept_back[KEPT_BACK];
static size_t kept;
static _Atomic uint64_t *resource;

int64_t record_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

bool record_open(const char *log_path, const char *resource_path)
{
	int fd = open(resource_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, RECORD_NAMES * sizeof(*resource)) != 0)
		return false;
	resource = mmap(NULL, RECORD_NAMES * sizeof(*resource), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return resource != MAP_FAILED && log_fd >= 0;
}

static void flush(void)
{
	if (kept > 0 && write(log_fd, kept_back, kept) != (ssize_t)kept)
		abort();
	kept = 0;
}

void record_flush(void)
{
	pthread_mutex_lock(&mutex);
	flush();
	pthread_mutex_unlock(&mutex);
}

void record_line(const char *format, ...)
{
	char line[LINE];
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof(line) - 1)
		abort();
	line[length++] = '\n';
	pthread_mutex_lock(&mutex);
	if (kept + (size_t)length > sizeof(kept_back))
		flush();
	memcpy(kept_back + kept, line, (size_t)length);
	kept += (size_t)length;
	pthread_mutex_unlock(&mutex);
}

int64_t record_valid_until(int64_t before, int64_t remaining_ms)
{
	/* The library counts whole milliseconds, the present one not over yet. */
	return remaining_ms < 0 ? INT64_MAX : (before / 1000000 + remaining_ms) * 1000000;
}

/* In one step, so that a process which is killed in the middle leaves nothing half done. */
bool resource_write(unsigned name, uint64_t fence)
{
	uint64_t highest = atomic_load(&resource[name]);

	while (fence >= highest)
		if (atomic_compare_exchange_weak(&resource[name], &highest, fence))
			return true;
	return false;
}

static int entries(const char *folder)
{
	DIR *directory = opendir(folder);
	int count = -3; /* itself, and two for the folders */

	while (directory != NULL && readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

void record_usage(const char *when)
{
	const struct timespec moment = { 0, 5000000 };
	static int threads_before = 0;
	long pages = 0, ignored;
	int threads = entries("/proc/self/task") + 1;

	/* One that has been joined may be there for a moment still. */
	for (int i = 0; threads_before > 0 && threads > threads_before && i < MOMENTS; i++) {
		nanosleep(&moment, NULL);
		threads = entries("/proc/self/task") + 1;
	}
	threads_before = threads;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file == NULL || fscanf(file, "%ld %ld", &ignored, &pages) != 2)
		abort();
	fclose(file);
	record_line("u %s %d %d %ld", when, entries("/proc/self/fd"), threads, pages * 4);
}
