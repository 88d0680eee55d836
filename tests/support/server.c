/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int test_free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static char certificates[64];

void test_server_certificates(const char *folder)
{
	assert_true(strlen(folder) < sizeof(certificates));
	strcpy(certificates, folder);
}

enum { TLS_SETTINGS = 6 };

struct settings {
	char names[TLS_SETTINGS][32]; /* as on a command line */
	char values[TLS_SETTINGS][96];
};

static void fill_in(struct settings *settings)
{
	static const char *const all[TLS_SETTINGS][2] = {
		{ "--tls-cert-file", "/server.pem" },
		{ "--tls-key-file", "/server.key" },
		{ "--tls-ca-cert-file", "/authority.pem" },
		{ "--tls-auth-clients", "no" },
		{ "--tls-replication", "yes" },
		{ "--tls-cluster", "yes" },
	};

	for (size_t i = 0; i < TLS_SETTINGS; i++) {
		snprintf(settings->names[i], sizeof(settings->names[i]), "%s", all[i][0]);
		snprintf(settings->values[i], sizeof(settings->values[i]), "%s%s",
		         all[i][1][0] == '/' ? certificates : "", all[i][1]);
	}
}

static void exec_server(const struct test_server *server, char *const *arguments)
{
	const char *chosen = getenv("REDIS_SERVER");
	int log;
	sigset_t none;

	/* The server must not outlive a test that crashed. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir(server->folder) != 0)
		_exit(126);
	log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	if (chosen != NULL && chosen[0] != '\0') {
		execvp(chosen, arguments);
	} else {
		execvp("redis-server", arguments);
		execvp("valkey-server", arguments);
	}
	_exit(127);
}

static void write_place(FILE *file, const struct test_server *server)
{
	const bool tls = (server->flags & TEST_SERVER_TLS) != 0;
	struct settings settings;

	fprintf(file, "bind 127.0.0.1\nport %d\nunixsocket %s\ndir %s\n", tls ? 0 : server->port, server->socket,
	        server->folder);
	if (tls) {
		fill_in(&settings);
		fprintf(file, "tls-port %d\n", server->port);
		for (size_t i = 0; i < TLS_SETTINGS; i++)
			fprintf(file, "%s %s\n", settings.names[i] + 2, settings.values[i]);
	}
}

/* A sentinel writes to its configuration what it learns; it keeps that over a restart. */
static void run_sentinel(struct test_server *server)
{
	char *arguments[] = { "redis-server", "sentinel.conf", "--sentinel", NULL };
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/sentinel.conf", server->folder);
	if (access(path, F_OK) != 0) {
		file = fopen(path, "w");
		assert_non_null(file);
		write_place(file, server);
		for (size_t i = 0; server->arguments[i] != NULL; i++)
			fprintf(file, "%s\n", server->arguments[i]);
		assert_int_equal(fclose(file), 0);
	}
	unlink(server->socket);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0)
		exec_server(server, arguments);
}

static void run_server(struct test_server *server)
{
	char port[16];
	char *aof = (server->flags & TEST_SERVER_AOF) != 0 ? "yes" : "no";
	char *arguments[64] = { "redis-server", "--port",       port, "--bind",        "127.0.0.1", "--unixsocket",
		                server->socket, "--daemonize",  "no", "--save",        "",          "--dir",
		                server->folder, "--appendonly", aof,  "--appendfsync", "always" };
	size_t count = 0;
	struct settings settings;

	snprintf(port, sizeof(port), "%d", server->port);
	while (arguments[count] != NULL)
		count++;
	if ((server->flags & TEST_SERVER_TLS) != 0) {
		arguments[2] = "0";
		arguments[count++] = "--tls-port";
		arguments[count++] = port;
		fill_in(&settings);
		for (size_t i = 0; i < TLS_SETTINGS; i++) {
			arguments[count++] = settings.names[i];
			arguments[count++] = settings.values[i];
		}
	}
	for (size_t i = 0; server->arguments[i] != NULL; i++)
		arguments[count++] = server->arguments[i];
	unlink(server->socket);
	server->pid = fork();
	assert_true(server->pid >= 0);
	if (server->pid == 0)
		exec_server(server, arguments);
}

static void show_log(const struct test_server *server)
{
	char path[96], line[512];
	FILE *log;

	snprintf(path, sizeof(path), "%s/log", server->folder);
	log = fopen(path, "r");
	if (log == NULL)
		return;
	while (fgets(line, sizeof(line), log) != NULL)
		print_error("server: %s", line);
	fclose(log);
}

/* Whether the server answers, is the very process that was started, and has its data: it answers INFO while it loads
 * them, but not much else. A process that has ended is reaped. */
static bool is_up(struct test_server *server)
{
	char info[8192], expected[48];
	int status;

	if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
		server->pid = 0;
		return false;
	}
	if (access(server->socket, F_OK) != 0)
		return false;
	if (!test_command(server, info, sizeof(info), "INFO", "server", NULL))
		return false;
	snprintf(expected, sizeof(expected), "process_id:%ld\r\n", (long)server->pid);
	if (strstr(info, expected) == NULL)
		return false;
	return (server->flags & TEST_SERVER_SENTINEL) != 0 ||
	       (test_command(server, info, sizeof(info), "INFO", "persistence", NULL) &&
	        strstr(info, "\nloading:0\r\n") != NULL);
}

static bool comes_up(struct test_server *server)
{
	const int64_t until = test_now_ms() + TEST_DEADLINE_MS;

	if ((server->flags & TEST_SERVER_SENTINEL) != 0)
		run_sentinel(server);
	else
		run_server(server);
	while (server->pid != 0 && test_now_ms() < until) {
		if (is_up(server))
			return true;
		test_sleep_ms(5);
	}
	return false;
}

void test_server_start(struct test_server *server, unsigned flags, const char *const *arguments)
{
	memset(server, 0, sizeof(*server));
	server->flags = flags;
	for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
		assert_true(i < sizeof(server->arguments) / sizeof(server->arguments[0]) - 1);
		server->arguments[i] = strdup(arguments[i]);
		assert_non_null(server->arguments[i]);
	}
	/* Not TMPDIR: the path of a unix socket has little room. */
	strcpy(server->folder, "/tmp/redislock-test.XXXXXX");
	assert_non_null(mkdtemp(server->folder));
	snprintf(server->socket, sizeof(server->socket), "%s/socket", server->folder);
	snprintf(server->url, sizeof(server->url), "unix://%s", server->socket);
	/* Another process may take a port that was free a moment ago. */
	for (int tries = 0; tries < 5; tries++) {
		if ((flags & TEST_SERVER_TCP) != 0) {
			server->port = test_free_port();
			snprintf(server->tcp_url, sizeof(server->tcp_url), "%s://127.0.0.1:%d",
			         (flags & TEST_SERVER_TLS) != 0 ? "rediss" : "redis", server->port);
		}
		if (comes_up(server))
			return;
		if (server->pid != 0)
			break;
	}
	show_log(server);
	test_server_stop(server);
	fail_msg("no server: is redis-server or valkey-server installed, or REDIS_SERVER set?");
}

void test_server_restart(struct test_server *server)
{
	assert_int_equal(server->pid, 0);
	if (!comes_up(server)) {
		show_log(server);
		fail_msg("the server did not come back");
	}
}

void test_server_kill(struct test_server *server)
{
	int status;

	if (server->pid == 0)
		return;
	kill(server->pid, SIGKILL);
	while (waitpid(server->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	server->pid = 0;
}

void test_server_pause(struct test_server *server)
{
	int status;

	assert_int_equal(kill(server->pid, SIGSTOP), 0);
	while (waitpid(server->pid, &status, WUNTRACED) < 0 && errno == EINTR)
		continue;
	assert_true(WIFSTOPPED(status));
}

void test_server_resume(struct test_server *server)
{
	assert_int_equal(kill(server->pid, SIGCONT), 0);
}

static void remove_folder(const char *folder)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL) {
		char path[512];
		struct stat info;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode))
			remove_folder(path);
		else
			unlink(path);
	}
	closedir(directory);
	rmdir(folder);
}

void test_server_stop(struct test_server *server)
{
	test_server_kill(server);
	if (server->folder[0] != '\0')
		remove_folder(server->folder);
	for (size_t i = 0; server->arguments[i] != NULL; i++)
		free(server->arguments[i]);
	memset(server, 0, sizeof(*server));
}
