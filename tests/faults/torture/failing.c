/* SPDX-License-Identifier: MIT */
#include "failing.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT const struct failing_kind failing_kinds[FAIL_CALLS] = {
	[FAIL_MEMORY] = { "memory", { ENOMEM } },
	[FAIL_SOCKET] = { "socket", { EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT } },
	[FAIL_CONNECT] = { "connect",
	                   { ECONNREFUSED, EINTR, ENOENT, EACCES, EPERM, EAGAIN, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL,
	                     ECONNRESET } },
	[FAIL_SEND] = { "send",
	                { EAGAIN, EINTR, EPIPE, ECONNRESET, ENOBUFS, ENOMEM, ETIMEDOUT, EHOSTUNREACH, SHORT_COUNT } },
	[FAIL_RECV] = { "recv",
	                { EAGAIN, EINTR, ECONNRESET, ENOMEM, ETIMEDOUT, EHOSTUNREACH, SHORT_COUNT, END_OF_FILE } },
	[FAIL_POLL] = { "poll", { EINTR, ENOMEM } },
	[FAIL_EPOLL_CREATE] = { "epoll_create1", { EMFILE, ENFILE, ENOMEM } },
	[FAIL_EPOLL_CTL] = { "epoll_ctl", { ENOMEM, ENOSPC } },
	[FAIL_EPOLL_WAIT] = { "epoll_wait", { EINTR } },
	[FAIL_TIMERFD] = { "timerfd_create", { EMFILE, ENFILE, ENOMEM } },
	[FAIL_EVENTFD] = { "eventfd", { EMFILE, ENFILE, ENOMEM } },
	[FAIL_READ] = { "read", { EAGAIN, EINTR } },
	[FAIL_WRITE] = { "write", { EAGAIN, EINTR } },
	[FAIL_CLOSE] = { "close", { EINTR, EIO } },
	[FAIL_FCNTL] = { "fcntl", { EPERM } },
	[FAIL_SETSOCKOPT] = { "setsockopt", { ENOMEM, ENOPROTOOPT } },
	[FAIL_GETSOCKOPT] = { "getsockopt", { ENOBUFS } },
	[FAIL_GETNAME] = { "getsockname", { ENOBUFS, ENOTCONN } },
	[FAIL_GETRANDOM] = { "getrandom", { EINTR, ENOSYS, SHORT_COUNT } },
	[FAIL_THREAD] = { "pthread_create", { EAGAIN } },
	[FAIL_OPEN] = { "fopen", { EMFILE, ENFILE, ENOENT, EACCES } },
};

static atomic_bool armed, for_good_armed;
static atomic_int failing_now, how;
static atomic_long at, live;
static atomic_long counts[FAIL_CALLS];
static atomic_bool reached;

EXPORT void failing_arm(enum failing_call call, long nth, int error, bool for_good)
{
	for (int i = 0; i < FAIL_CALLS; i++)
		atomic_store(&counts[i], 0);
	atomic_store(&reached, false);
	atomic_store(&failing_now, (int)call);
	atomic_store(&at, nth);
	atomic_store(&how, error);
	atomic_store(&for_good_armed, for_good);
	atomic_store(&armed, true);
}

EXPORT void failing_disarm(void)
{
	atomic_store(&armed, false);
}

EXPORT long failing_count(enum failing_call call)
{
	return atomic_load(&counts[call]);
}

EXPORT bool failing_reached(void)
{
	return atomic_load(&reached);
}

EXPORT long failing_live(void)
{
	return atomic_load(&live);
}

/* 0: go on. Else errno is set to it, or it is one of the other answers. */
static int verdict(enum failing_call call)
{
	if (!atomic_load_explicit(&armed, memory_order_relaxed))
		return 0;
	const long number = atomic_fetch_add(&counts[call], 1) + 1, first = atomic_load(&at);
	if (first == 0 || (int)call != atomic_load(&failing_now) ||
	    !(number == first || (number > first && atomic_load(&for_good_armed))))
		return 0;
	const int error = atomic_load(&how);
	atomic_store(&reached, true);
	if (error > 0)
		errno = error;
	return error;
}

/* ---- memory; glibc's own functions have these names besides ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static void *counted(void *block)
{
	if (block != NULL)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return block;
}

EXPORT void *malloc(size_t size)
{
	return verdict(FAIL_MEMORY) != 0 ? NULL : counted(__libc_malloc(size));
}

EXPORT void *calloc(size_t count, size_t size)
{
	return verdict(FAIL_MEMORY) != 0 ? NULL : counted(__libc_calloc(count, size));
}

EXPORT void free(void *block)
{
	if (block == NULL)
		return;
	/* Whoever still uses it shall notice. */
	memset(block, 0xDB, malloc_usable_size(block));
	atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
	__libc_free(block);
}

EXPORT void *realloc(void *block, size_t size)
{
	if (block == NULL)
		return malloc(size);
	if (size == 0) {
		free(block);
		return NULL;
	}
	return verdict(FAIL_MEMORY) != 0 ? NULL : __libc_realloc(block, size);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
	if (verdict(FAIL_MEMORY) != 0)
		return ENOMEM;
	*block = counted(__libc_memalign(alignment, size));
	return *block != NULL ? 0 : ENOMEM;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return verdict(FAIL_MEMORY) != 0 ? NULL : counted(__libc_memalign(alignment, size));
}

/* ---- system calls ---- */

EXPORT int socket(int domain, int type, int protocol)
{
	return verdict(FAIL_SOCKET) != 0 ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int error = verdict(FAIL_CONNECT);

	/* A connect that a signal interrupts goes on. */
	if (error == EINTR) {
		syscall(SYS_connect, fd, address, length);
		errno = EINTR;
	}
	return error != 0 ? -1 : (int)syscall(SYS_connect, fd, address, length);
}

EXPORT ssize_t send(int fd, const void *data, size_t length, int flags)
{
	int error = verdict(FAIL_SEND);

	if (error > 0)
		return -1;
	return syscall(SYS_sendto, fd, data, error == SHORT_COUNT && length > 1 ? 1 : length, flags, NULL, 0);
}

EXPORT ssize_t recv(int fd, void *data, size_t size, int flags)
{
	int error = verdict(FAIL_RECV);

	if (error > 0)
		return -1;
	if (error == END_OF_FILE)
		return 0;
	return syscall(SYS_recvfrom, fd, data, error == SHORT_COUNT ? 1 : size, flags, NULL, NULL);
}

/* Datagrams of c-ares. */
EXPORT ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size)
{
	return verdict(FAIL_SEND) > 0 ? -1 : syscall(SYS_sendto, fd, data, length, flags, to, size);
}

EXPORT ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length)
{
	return verdict(FAIL_RECV) > 0 ? -1 : syscall(SYS_recvfrom, fd, data, size, flags, from, length);
}

static int wait_for(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec left = { 0, 0 };

	if (timeout != NULL)
		left = *timeout;
	return (int)syscall(SYS_ppoll, fds, count, timeout != NULL ? &left : NULL, mask, sizeof(uint64_t));
}

EXPORT int failing_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	const struct timespec patience = { timeout / 1000, timeout % 1000 * 1000000L };

	return wait_for(fds, count, timeout >= 0 ? &patience : NULL, NULL);
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	return verdict(FAIL_POLL) != 0 ? -1 : failing_poll(fds, count, timeout);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	return verdict(FAIL_POLL) != 0 ? -1 : wait_for(fds, count, timeout, mask);
}

EXPORT int epoll_create1(int flags)
{
	return verdict(FAIL_EPOLL_CREATE) != 0 ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

EXPORT int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	/* What is taken out needs no memory. */
	if (operation != EPOLL_CTL_DEL && verdict(FAIL_EPOLL_CTL) != 0)
		return -1;
	return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

EXPORT int epoll_wait(int epoll_fd, struct epoll_event *events, int count, int timeout)
{
	return verdict(FAIL_EPOLL_WAIT) != 0 ? -1
	                                     : (int)syscall(SYS_epoll_pwait, epoll_fd, events, count, timeout, NULL, 0);
}

EXPORT int timerfd_create(int clock, int flags)
{
	return verdict(FAIL_TIMERFD) != 0 ? -1 : (int)syscall(SYS_timerfd_create, clock, flags);
}

EXPORT int eventfd(unsigned count, int flags)
{
	return verdict(FAIL_EVENTFD) != 0 ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}

/* Only those of eventfd and timerfd: everything else of the library goes by recv and send. */
EXPORT ssize_t read(int fd, void *data, size_t size)
{
	return size == sizeof(uint64_t) && verdict(FAIL_READ) != 0 ? -1 : syscall(SYS_read, fd, data, size);
}

EXPORT ssize_t write(int fd, const void *data, size_t length)
{
	int error = length == sizeof(uint64_t) ? verdict(FAIL_WRITE) : 0;

	/* A counter that takes no more is readable, so whoever waits for that wakes up. */
	if (error == 0 || error == EAGAIN)
		length = (size_t)syscall(SYS_write, fd, data, length);
	errno = error != 0 ? error : errno;
	return error != 0 ? -1 : (ssize_t)length;
}

/* Whatever it answers, Linux has closed it. */
EXPORT int close(int fd)
{
	int error = verdict(FAIL_CLOSE);
	int result = (int)syscall(SYS_close, fd);

	if (error == 0)
		return result;
	errno = error;
	return -1;
}

static int set_flags(int fd, int command, long argument)
{
	return command == F_SETFL && verdict(FAIL_FCNTL) != 0 ? -1 : (int)syscall(SYS_fcntl, fd, command, argument);
}

/* Both names: with large files and without. */
#define DEFINE_FCNTL(name)                                                                                             \
	EXPORT int name(int fd, int command, ...)                                                                      \
	{                                                                                                              \
		va_list arguments;                                                                                     \
		long argument;                                                                                         \
                                                                                                                       \
		va_start(arguments, command);                                                                          \
		argument = va_arg(arguments, long);                                                                    \
		va_end(arguments);                                                                                     \
		return set_flags(fd, command, argument);                                                               \
	}
DEFINE_FCNTL(fcntl)
DEFINE_FCNTL(fcntl64)

EXPORT int setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	return verdict(FAIL_SETSOCKOPT) != 0 ? -1 : (int)syscall(SYS_setsockopt, fd, level, option, value, length);
}

EXPORT int getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
	return verdict(FAIL_GETSOCKOPT) != 0 ? -1 : (int)syscall(SYS_getsockopt, fd, level, option, value, length);
}

EXPORT int getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	return verdict(FAIL_GETNAME) != 0 ? -1 : (int)syscall(SYS_getsockname, fd, address, length);
}

EXPORT int getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	return verdict(FAIL_GETNAME) != 0 ? -1 : (int)syscall(SYS_getpeername, fd, address, length);
}

EXPORT ssize_t getrandom(void *buffer, size_t length, unsigned flags)
{
	int error = verdict(FAIL_GETRANDOM);

	return error > 0 ? -1 : syscall(SYS_getrandom, buffer, error == SHORT_COUNT ? (length + 1) / 2 : length, flags);
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	int error = verdict(FAIL_THREAD);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	return error != 0 ? error : real(thread, attributes, start, argument);
}

#define DEFINE_FOPEN(name)                                                                                             \
	EXPORT FILE *name(const char *path, const char *mode)                                                          \
	{                                                                                                              \
		static FILE *(*real)(const char *, const char *);                                                      \
                                                                                                                       \
		if (verdict(FAIL_OPEN) != 0)                                                                           \
			return NULL;                                                                                   \
		if (real == NULL)                                                                                      \
			*(void **)&real = dlsym(RTLD_NEXT, #name);                                                     \
		return real(path, mode);                                                                               \
	}
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)
