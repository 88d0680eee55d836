/* SPDX-License-Identifier: MIT
 *
 * The proxy as a program: faults-proxy LISTEN_SOCKET SERVER_SOCKET SEED. It does what it reads, line by line, and ends
 * with its input. */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>

static bool obey(struct proxy *proxy, const char *line)
{
	char word[32];
	long long a = 0, b = 0;

	if (sscanf(line, "%31s %lld %lld", word, &a, &b) < 1)
		return false;
	if (strcmp(word, "delay") == 0)
		proxy_delay(proxy, a, b);
	else if (strcmp(word, "freeze") == 0)
		proxy_freeze(proxy, a == 0 ? PROXY_REQUESTS : PROXY_REPLIES, (unsigned)b);
	else if (strcmp(word, "thaw") == 0)
		proxy_thaw(proxy);
	else if (strcmp(word, "cut") == 0)
		proxy_cut(proxy, (unsigned)a, b);
	else if (strcmp(word, "refuse") == 0)
		proxy_refuse(proxy, a != 0);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	char line[128];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 4) {
		fprintf(stderr, "usage: faults-proxy LISTEN_SOCKET SERVER_SOCKET SEED\n");
		return 64;
	}
	struct proxy *proxy = proxy_start(argv[1], argv[2]);
	if (proxy == NULL) {
		perror("faults-proxy");
		return 1;
	}
	proxy_seed(proxy, strtoull(argv[3], NULL, 10));
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		if (!obey(proxy, line)) {
			fprintf(stderr, "faults-proxy: unknown: %s", line);
			return 64;
		}
	proxy_stop(proxy);
	return 0;
}
