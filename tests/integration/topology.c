/* SPDX-License-Identifier: MIT
 *
 * topology sentinel|cluster COMMAND ARGUMENT...: runs a command with REDISLOCK_URL for such servers of its own, which
 * end with it; its exit status is the command's. */
#include "cluster.h"
#include "sentinels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(const char *url, char **command)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("REDISLOCK_URL", url, 1);
		execvp(command[0], command);
		perror(command[0]);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	static struct test_sentinels sentinels;
	static struct test_cluster cluster;
	int status;

	if (argc < 3 || (strcmp(argv[1], "sentinel") != 0 && strcmp(argv[1], "cluster") != 0)) {
		fputs("usage: topology sentinel|cluster COMMAND ARGUMENT...\n", stderr);
		return 64;
	}
	if (strcmp(argv[1], "sentinel") == 0) {
		test_sentinels_start(&sentinels, 0);
		status = run(sentinels.url, argv + 2);
		test_sentinels_stop(&sentinels);
	} else if (test_cluster_possible()) {
		test_cluster_start(&cluster, 0);
		status = run(cluster.url, argv + 2);
		test_cluster_stop(&cluster);
	} else {
		puts("SKIP: the server doesn't publish by slots, as a cluster needs it; Redis does since 7.0");
		status = 77;
	}
	return status;
}
