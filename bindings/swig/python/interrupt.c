/* SPDX-License-Identifier: MIT
 *
 * Python runs the handlers of signals in its main thread alone, once that runs again. But a signal may come to any
 * thread, and then the call that the main one waits in isn't interrupted by itself. What Python does in any case is to
 * write a byte to its wake-up descriptor. So that is ours while the main thread waits, and a small thread of our own
 * reads it and interrupts the wait. It never touches Python. */
#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

enum { READER, WRITER, AGAIN_MS = 10, STACK_SIZE = 128 * 1024 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t over; /* the wait */
static void *waited_for;    /* a lock, or a quorum's */
static bool of_quorum;
static int wake_up[2] = { -1, -1 };
static bool watching;
static pthread_t main_thread;
static PyObject *wakeup_setter; /* once it is known */

/* An interrupt means the waits that are under way. This one may be about to begin, so it is repeated until it is over.
 */
static void interrupt_wait(void)
{
	struct timespec again;
	if (of_quorum) {
		redislock_quorum_lock_interrupt(waited_for);
	} else {
		redislock_lock_interrupt(waited_for);
	}
	clock_gettime(CLOCK_MONOTONIC, &again);
	again.tv_nsec += AGAIN_MS * 1000000L;
	if (again.tv_nsec >= 1000000000L) {
		again.tv_nsec -= 1000000000L;
		again.tv_sec++;
	}
	pthread_cond_timedwait(&over, &mutex, &again);
}

/* What is in the pipe was written for another descriptor, if Python had one. */
static void pass_on(int former)
{
	char signals[64];
	ssize_t count;
	while ((count = read(wake_up[READER], signals, sizeof signals)) > 0) {
		ssize_t passed = former >= 0 ? write(former, signals, (size_t)count) : 0;
		(void)passed; /* a full one is readable already */
	}
}

static void *watch(void *unused)
{
	struct pollfd polled = { .fd = wake_up[READER], .events = POLLIN };
	for (;;) {
		if (poll(&polled, 1, -1) < 0 && errno != EINTR) {
			return unused;
		}
		pthread_mutex_lock(&mutex);
		if (waited_for != NULL) {
			interrupt_wait();
		} else {
			pass_on(-1); /* it came as a wait was over anyway */
		}
		pthread_mutex_unlock(&mutex);
	}
}

/* The child has neither the thread nor a pipe of its own, and who forked is its main thread. */
static void forked(void)
{
	if (watching) {
		close(wake_up[READER]);
		close(wake_up[WRITER]);
	}
	watching = false;
	waited_for = NULL;
	pthread_mutex_init(&mutex, NULL);
	main_thread = pthread_self();
}

static bool start_thread(void)
{
	pthread_condattr_t monotonic;
	pthread_attr_t small;
	pthread_t thread;
	sigset_t every, before;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&over, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_SIZE);
	pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	int error = pthread_create(&thread, &small, watch, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&small);
	return error == 0;
}

static bool start_watching(void)
{
	if (pipe2(wake_up, O_CLOEXEC | O_NONBLOCK) != 0) {
		return false;
	}
	if (!start_thread()) {
		close(wake_up[READER]);
		close(wake_up[WRITER]);
		return false;
	}
	watching = true;
	return true;
}

void rlp_set_main_thread(uint64_t ident, PyObject *setter)
{
	if (wakeup_setter == NULL) {
		pthread_atfork(NULL, NULL, forked);
	}
	Py_XSETREF(wakeup_setter, Py_NewRef(setter));
	main_thread = (pthread_t)ident;
}

static int32_t acquire(void *lock, bool quorum)
{
	int32_t status;
	Py_BEGIN_ALLOW_THREADS;
	status = quorum ? redislock_quorum_lock_acquire(lock) : redislock_lock_acquire(lock);
	Py_END_ALLOW_THREADS;
	return status;
}

/* An exception, put aside: nothing of Python's may be called while one is set. */
struct raised {
	PyObject *type, *value, *trace;
};

static struct raised take_raised(void)
{
	struct raised raised = { NULL, NULL, NULL };
#if PY_VERSION_HEX >= 0x030C0000
	raised.value = PyErr_GetRaisedException();
#else
	PyErr_Fetch(&raised.type, &raised.value, &raised.trace);
#endif
	return raised;
}

static void raise_again(struct raised raised)
{
#if PY_VERSION_HEX >= 0x030C0000
	PyErr_SetRaisedException(raised.value);
#else
	PyErr_Restore(raised.type, raised.value, raised.trace);
#endif
}

/* Python's function of that name, which no C API has; the former descriptor. */
static int set_wakeup_fd(int fd)
{
	struct raised raised = take_raised();
	int former = -1;
	PyObject *number = PyLong_FromLong(fd);
	PyObject *answer = number != NULL ? PyObject_CallOneArg(wakeup_setter, number) : NULL;
	if (answer != NULL) {
		former = (int)PyLong_AsLong(answer);
	}
	PyErr_Clear(); /* the former one may be closed by now; and other interpreters than the main one have none */
	Py_XDECREF(answer);
	Py_XDECREF(number);
	raise_again(raised);
	return former;
}

static int32_t acquire_interruptibly(void *lock, bool quorum)
{
	if (wakeup_setter == NULL || !pthread_equal(pthread_self(), main_thread)) {
		return acquire(lock, quorum);
	}
	if (!watching && !start_watching()) {
		return REDISLOCK_NO_MEMORY;
	}
	pthread_mutex_lock(&mutex);
	waited_for = lock;
	of_quorum = quorum;
	pthread_mutex_unlock(&mutex);
	int former = set_wakeup_fd(wake_up[WRITER]);
	/* One that came before that has written nothing here. */
	int32_t status = PyErr_CheckSignals() == 0 ? acquire(lock, quorum) : REDISLOCK_INTERRUPTED;
	set_wakeup_fd(former);
	pthread_mutex_lock(&mutex);
	waited_for = NULL;
	if (status == REDISLOCK_INTERRUPTED || former >= 0) {
		pass_on(former);
	}
	pthread_cond_signal(&over);
	pthread_mutex_unlock(&mutex);
	return status;
}

int32_t rlp_acquire(redislock_lock *lock)
{
	return acquire_interruptibly(lock, false);
}

int32_t rlp_quorum_acquire(redislock_quorum_lock *lock)
{
	return acquire_interruptibly(lock, true);
}

int32_t rlp_give_up(redislock_lock *lock)
{
	int32_t status;
	Py_BEGIN_ALLOW_THREADS;
	status = redislock_lock_cancel(lock);
	if (redislock_lock_is_held(lock) == 1) {
		status = redislock_lock_release(lock);
	}
	Py_END_ALLOW_THREADS;
	return status;
}
