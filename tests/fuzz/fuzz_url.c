/* SPDX-License-Identifier: MIT
 *
 * URLs: any text. What is taken is whole and within its limits; what is refused says why, never with the password. */
#include "transport/transport_internal.h"

#include <redislock/redislock.h>

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check_taken(const struct rlk_address *address)
{
	struct rlk_peer peer;

	require(address->db >= 0);
	require(!address->cluster || (address->sentinels.service == NULL && address->db == 0));
	require((address->host_count > 0) == (address->cluster || address->sentinels.service != NULL));
	if (address->host_count > 0) {
		require(address->host == NULL && address->path == NULL && address->host_count <= RLK_HOSTS);
		require(address->cluster || address->sentinels.service[0] != '\0');
		for (size_t i = 0; i < address->host_count; i++)
			require(address->hosts[i].name[0] != '\0' && address->hosts[i].port > 0);
		return;
	}
	require((address->host == NULL) != (address->path == NULL));
	if (address->host != NULL) {
		require(address->host[0] != '\0' && address->port > 0);
		rlk_peer_numeric(&peer, address->host, address->port);
	} else {
		require(address->path[0] == '/' && rlk_peer_unix(&peer, address->path));
	}
}

static void check_left_empty(const struct rlk_address *address)
{
	static const struct rlk_address empty;

	require(address->host == empty.host && address->path == NULL && address->user == NULL &&
	        address->password.text == NULL && address->client_name == NULL && address->sentinels.service == NULL &&
	        address->host_count == 0 && address->sentinels.password.text == NULL);
}

/* Part of what a text shows as an example: by chance, or as the fuzzer learned it. */
static bool is_exemplary(const char *password)
{
	return strstr("?ca=/etc/redis/ca.pem&server_name=redis", password) != NULL ||
	       strstr("?sentinel_user=me&sentinel_password=word", password) != NULL;
}

/* What stands between the first colon behind the scheme and the last @ would be a password; one of a few letters may
 * be a word of the text by chance, and one that the text has for another password, too, is part of its own words. */
static void check_silence(char *url, const char *text)
{
	char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
	char *colon = scheme != NULL ? strchr(scheme + 3, ':') : NULL;
	char password[64], other_text[256];
	struct rlk_address address;

	if (colon == NULL || at == NULL || at - colon < 12 || at - colon - 1 >= (long)sizeof(password))
		return;
	memcpy(password, colon + 1, (size_t)(at - colon - 1));
	password[at - colon - 1] = '\0';
	if (strstr(text, password) == NULL || is_exemplary(password))
		return;
	memset(colon + 1, '*', (size_t)(at - colon - 1));
	rlk_address_parse(url, &address, other_text, sizeof(other_text));
	rlk_address_clear(&address);
	memcpy(colon + 1, password, (size_t)(at - colon - 1));
	require(strstr(other_text, password) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *url = malloc(size + 1), text[256] = "", short_text[8];
	struct rlk_address address;
	int32_t status;

	require(url != NULL);
	memcpy(url, data, size);
	url[size] = '\0';
	status = rlk_address_parse(url, &address, text, sizeof(text));
	require((status == REDISLOCK_OK) == (text[0] == '\0'));
	if (status == REDISLOCK_OK) {
		check_taken(&address);
	} else {
		require(status == REDISLOCK_INVALID_ARGUMENT || status == REDISLOCK_UNSUPPORTED);
		check_left_empty(&address);
		check_silence(url, text);
	}
	rlk_address_clear(&address);
	require(rlk_address_parse(url, &address, short_text, sizeof(short_text)) == status);
	rlk_address_clear(&address);
	free(url);
	return 0;
}
