/* SPDX-License-Identifier: MIT
 *
 * What an address owns: passwords among it, so that nothing is freed before it is wiped. */
#include "transport.h"

#include <redislock/redislock.h>

#include <stdlib.h>
#include <string.h>

static void wipe(char **text)
{
	if (*text != NULL) {
		explicit_bzero(*text, strlen(*text));
		free(*text);
		*text = NULL;
	}
}

int32_t rlk_address_set(char **text, const char *value)
{
	char *copy = NULL;

	if (value != NULL) {
		copy = strdup(value);
		if (copy == NULL) {
			return REDISLOCK_NO_MEMORY;
		}
	}
	wipe(text);
	*text = copy;
	return REDISLOCK_OK;
}

void rlk_address_clear(struct rlk_address *address)
{
	wipe(&address->host);
	wipe(&address->path);
	wipe(&address->user);
	rlk_secret_clear(&address->password);
	wipe(&address->client_name);
	wipe(&address->sentinels.service);
	wipe(&address->sentinels.user);
	rlk_secret_clear(&address->sentinels.password);
	for (size_t i = 0; i < address->host_count; i++) {
		wipe(&address->hosts[i].name);
	}
	wipe(&address->tls_files.authorities);
	wipe(&address->tls_files.authority_folder);
	wipe(&address->tls_files.certificate);
	wipe(&address->tls_files.key);
	wipe(&address->tls_files.server_name);
	memset(address, 0, sizeof *address);
}
