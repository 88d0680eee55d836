/* SPDX-License-Identifier: MIT
 *
 * What a client of TLS is told beforehand. */
#include "api.h"

#include <string.h>

enum { PATH_MAX_BYTES = 4096, NAME_MAX_BYTES = 255 };

/* NULL is a text, too. */
static bool fits(const char *text, size_t max)
{
	return text == NULL || (text[0] != '\0' && strnlen(text, max + 1) <= max);
}

/* As rlk_client_enter(), for a client of TLS. */
static int32_t enter(redislock_client *client, bool valid)
{
	int32_t status = rlk_client_enter(client, valid, RLK_EITHER);

	if (status != REDISLOCK_OK || client->driver.engine.address.tls) {
		return status;
	}
	return rlk_client_leave(client, rlk_tls_built ? REDISLOCK_INVALID_ARGUMENT : REDISLOCK_UNSUPPORTED);
}

/* Both or none. */
static int32_t set_two(char **first, const char *first_value, char **second, const char *second_value)
{
	char *copy = NULL;
	int32_t status = rlk_address_set(&copy, first_value);

	if (status == REDISLOCK_OK) {
		status = rlk_address_set(second, second_value);
	}
	if (status == REDISLOCK_OK) {
		char *old = *first;
		*first = copy;
		copy = old;
	}
	rlk_address_set(&copy, NULL);
	return status;
}

RLK_EXPORT int32_t redislock_client_set_tls_authorities(redislock_client *client, const char *file, const char *folder)
{
	int32_t status = enter(client, fits(file, PATH_MAX_BYTES) && fits(folder, PATH_MAX_BYTES));
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_tls_files *files = &client->driver.engine.address.tls_files;
	return rlk_client_leave(client, set_two(&files->authorities, file, &files->authority_folder, folder));
}

RLK_EXPORT int32_t redislock_client_set_tls_certificate(redislock_client *client, const char *certificate,
                                                        const char *key)
{
	bool valid = fits(certificate, PATH_MAX_BYTES) && fits(key, PATH_MAX_BYTES) &&
	             (certificate == NULL) == (key == NULL);
	int32_t status = enter(client, valid);
	if (status != REDISLOCK_OK) {
		return status;
	}
	struct rlk_tls_files *files = &client->driver.engine.address.tls_files;
	return rlk_client_leave(client, set_two(&files->certificate, certificate, &files->key, key));
}

RLK_EXPORT int32_t redislock_client_set_tls_server_name(redislock_client *client, const char *name)
{
	int32_t status = enter(client, fits(name, NAME_MAX_BYTES));
	if (status != REDISLOCK_OK) {
		return status;
	}
	return rlk_client_leave(client, rlk_address_set(&client->driver.engine.address.tls_files.server_name, name));
}

RLK_EXPORT int32_t redislock_client_set_tls_unverified(redislock_client *client, int32_t on)
{
	int32_t status = enter(client, on == 0 || on == 1);
	if (status != REDISLOCK_OK) {
		return status;
	}
	client->driver.engine.address.tls_files.unverified = on == 1;
	return rlk_client_leave(client, REDISLOCK_OK);
}
