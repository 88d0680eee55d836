/* SPDX-License-Identifier: MIT
 *
 * Signals: while waiting they interrupt the wait, while the command runs they are read from a descriptor. */
#include "run.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Those that end a wait. SIGALRM is the last: the handler uses it as well. */
static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM };
/* Those that only redis-lock wants to be different: its own messages may go nowhere, and it must hear of its child. */
static const int own[] = { SIGPIPE, SIGCHLD };

enum { ENDING = sizeof ending / sizeof ending[0], OWN = sizeof own / sizeof own[0] };

static struct sigaction inherited_ending[ENDING], inherited_own[OWN];
static sigset_t inherited_mask;

static redislock_client *waiting;
static volatile sig_atomic_t caught, caught_from_keyboard;

static void on_signal(int number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (caught == 0) {
		caught = number;
		caught_from_keyboard = info->si_code == SI_KERNEL;
	}
	redislock_client_interrupt(waiting);
	/* An interrupt touches no wait that begins later, and one may be just about to: so again, until we are out. */
	alarm(1);
	errno = saved;
}

void signals_interrupt(redislock_client *client)
{
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

	waiting = client;
	pthread_sigmask(SIG_SETMASK, NULL, &inherited_mask);
	sigfillset(&action.sa_mask);
	for (int i = 0; i < OWN; i++) {
		struct sigaction different = { .sa_handler = own[i] == SIGPIPE ? SIG_IGN : SIG_DFL };
		sigaction(own[i], &different, &inherited_own[i]);
	}
	for (int i = 0; i < ENDING; i++) {
		sigaction(ending[i], NULL, &inherited_ending[i]);
		/* What was ignored, as by nohup, stays so. */
		if (inherited_ending[i].sa_handler != SIG_IGN) {
			sigaction(ending[i], &action, NULL);
		}
	}
}

struct caught signals_caught(void)
{
	return (struct caught) { caught, caught_from_keyboard != 0 };
}

/* The handler's own alarm must not be taken for somebody's signal. All are blocked. */
static void end_alarm(void)
{
	struct sigaction ignored = { .sa_handler = SIG_IGN };

	if (caught != 0) {
		alarm(0);
		sigaction(SIGALRM, &ignored, NULL);
	}
}

int signals_descriptor(void)
{
	/* Faults of our own; whether they are blocked makes no difference to the kernel, but to who debugs them. */
	static const int left_alone[] = { SIGBUS, SIGFPE, SIGILL, SIGSEGV };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof left_alone / sizeof left_alone[0]; i++) {
		sigdelset(&set, left_alone[i]);
	}
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	end_alarm();
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void signals_inherited(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	end_alarm();
	for (int i = 0; i < ENDING; i++) {
		sigaction(ending[i], &inherited_ending[i], NULL);
	}
	for (int i = 0; i < OWN; i++) {
		sigaction(own[i], &inherited_own[i], NULL);
	}
	pthread_sigmask(SIG_SETMASK, &inherited_mask, NULL);
}

unsigned signals_keys(int descriptor)
{
	struct signalfd_siginfo info;
	unsigned keys = 0;

	while (read(descriptor, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_code == SI_KERNEL) {
			keys |= info.ssi_signo == SIGINT ? KEY_INTERRUPT : info.ssi_signo == SIGQUIT ? KEY_QUIT : 0;
		}
	}
	return keys;
}

bool signals_stop(int number, bool whole_group)
{
	sigset_t set, before, pending;

	sigemptyset(&set);
	sigaddset(&set, number);
	pthread_sigmask(SIG_UNBLOCK, &set, &before);
	kill(whole_group ? 0 : getpid(), number);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* A stop signal takes back a pending SIGCONT: this is one that came later. */
	return sigpending(&pending) == 0 && sigismember(&pending, SIGCONT) == 1;
}

void signals_tell_group(unsigned keys)
{
	static const struct {
		unsigned key;
		int number;
	} sent[] = { { KEY_INTERRUPT, SIGINT }, { KEY_QUIT, SIGQUIT } };
	struct sigaction ignored = { .sa_handler = SIG_IGN };

	for (size_t i = 0; i < sizeof sent / sizeof sent[0]; i++) {
		if ((keys & sent[i].key) != 0) {
			kill(0, sent[i].number);
			sigaction(sent[i].number, &ignored, NULL); /* takes back our own, which is blocked */
		}
	}
}

/* A shell ends its script or loop only when it sees that the interrupt ended what it waited for. */
void signals_die_of_interrupt(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(SIGINT, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	kill(getpid(), SIGINT);
}
