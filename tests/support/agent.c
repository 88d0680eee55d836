/* SPDX-License-Identifier: MIT */
#include "agent.h"
#include "fork.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Without padding: valgrind would see bytes sent that nobody has set. */
struct order {
	int64_t task;
	int64_t argument;
};

_Static_assert(sizeof(struct order) == 2 * sizeof(int64_t), "padding");

/* In the agent a failed check can't jump back into the test: it ends the process, and the test sees no answer. */
static void need(int32_t status, const char *what)
{
	if (status == REDISLOCK_OK)
		return;
	fprintf(stderr, "agent: %s: %s\n", what, redislock_error_name(status));
	_exit(1);
}

static redislock_lock *make(const struct agent_options *options)
{
	redislock_client *client;
	redislock_lock *lock;

	need(redislock_client_new(options->url, &client), "client");
	need(redislock_client_set_name(client, "agent"), "client name");
	need(redislock_lock_new(client, options->kind != 0 ? options->kind : REDISLOCK_KIND_PUBSUB, options->name,
	                        strlen(options->name), &lock),
	     "lock");
	redislock_client_free(client);
	if (options->ttl_ms != 0) {
		need(redislock_lock_set_ttl_ms(lock, options->ttl_ms), "ttl");
		need(redislock_lock_set_renewal(lock, options->renewal), "renewal");
	}
	if (options->wait_ms != 0)
		need(redislock_lock_set_wait_ms(lock, options->wait_ms), "wait");
	if (options->kind == REDISLOCK_KIND_SPIN)
		need(redislock_lock_set_spin_interval_ms(lock, 5), "interval");
	return lock;
}

static int32_t obey(redislock_lock *lock, const struct order *order, const struct agent_options *options)
{
	switch ((enum agent_task)order->task) {
	case AGENT_ACQUIRE:
		need(redislock_lock_set_wait_ms(lock, options->wait_ms != 0 ? options->wait_ms : 60000), "wait");
		return redislock_lock_acquire(lock);
	case AGENT_TRY:
		need(redislock_lock_set_wait_ms(lock, 0), "wait");
		return redislock_lock_acquire(lock);
	case AGENT_RELEASE:
		return redislock_lock_release(lock);
	case AGENT_EXTEND:
		return redislock_lock_extend(lock, order->argument);
	case AGENT_LOOK:
	case AGENT_END:
		break;
	}
	return REDISLOCK_OK;
}

static void serve(int fd, const struct agent_options *options)
{
	redislock_lock *lock = make(options);
	struct order order;

	do {
		struct agent_answer answer;

		if (recv(fd, &order, sizeof(order), 0) != (ssize_t)sizeof(order))
			_exit(1);
		memset(&answer, 0, sizeof(answer));
		answer.called_us = test_now_us();
		answer.status = obey(lock, &order, options);
		answer.answered_us = test_now_us();
		answer.held = redislock_lock_is_held(lock);
		answer.remaining_ms = redislock_lock_remaining_ms(lock);
		answer.fence = redislock_lock_fence(lock);
		need(redislock_lock_token(lock, answer.token, sizeof(answer.token)), "token");
		if (order.task == AGENT_END)
			redislock_lock_free(lock);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			_exit(1);
	} while (order.task != AGENT_END);
}

void agent_start(struct agent *agent, const struct agent_options *options)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	agent->pid = test_fork();
	assert_true(agent->pid >= 0);
	if (agent->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(pair[0]);
		serve(pair[1], options);
		_exit(0);
	}
	close(pair[1]);
	agent->socket = pair[0];
}

void agent_tell(struct agent *agent, enum agent_task task, int64_t argument)
{
	const struct order order = { task, argument };

	assert_int_equal(send(agent->socket, &order, sizeof(order), MSG_NOSIGNAL), sizeof(order));
}

bool agent_has_answered(struct agent *agent)
{
	struct pollfd poller = { agent->socket, POLLIN, 0 };

	return poll(&poller, 1, 0) == 1;
}

struct agent_answer agent_answer(struct agent *agent)
{
	struct agent_answer answer;
	struct pollfd poller = { agent->socket, POLLIN, 0 };
	int ready;

	do
		ready = poll(&poller, 1, 2 * TEST_DEADLINE_MS);
	while (ready < 0 && errno == EINTR);
	if (ready != 1)
		fail_msg("an agent did not answer");
	if (recv(agent->socket, &answer, sizeof(answer), 0) != (ssize_t)sizeof(answer))
		fail_msg("an agent ended");
	if (answer.status == REDISLOCK_OK && answer.held != 0)
		assert_true(answer.fence > 0);
	return answer;
}

struct agent_answer agent_do(struct agent *agent, enum agent_task task, int64_t argument)
{
	struct agent_answer answer;

	agent_tell(agent, task, argument);
	answer = agent_answer(agent);
	if (task == AGENT_END)
		agent_kill(agent);
	return answer;
}

static void await(struct agent *agent, int options)
{
	int status;

	while (waitpid(agent->pid, &status, options) < 0 && errno == EINTR)
		continue;
}

void agent_kill(struct agent *agent)
{
	if (agent->pid == 0)
		return;
	kill(agent->pid, SIGKILL);
	await(agent, 0);
	close(agent->socket);
	agent->pid = 0;
}

void agent_pause(struct agent *agent)
{
	assert_int_equal(kill(agent->pid, SIGSTOP), 0);
	await(agent, WUNTRACED);
}

void agent_resume(struct agent *agent)
{
	assert_int_equal(kill(agent->pid, SIGCONT), 0);
}
