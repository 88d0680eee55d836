/* SPDX-License-Identifier: MIT
 *
 * What this build is. The version comes from the build. */
#include "api.h"

#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

RLK_EXPORT int32_t redislock_version_number(void)
{
	return REDISLOCK_VERSION_MAJOR * 1000000 + REDISLOCK_VERSION_MINOR * 1000 + REDISLOCK_VERSION_PATCH;
}

RLK_EXPORT const char *redislock_version_string(void)
{
	return TEXT(REDISLOCK_VERSION_MAJOR) "." TEXT(REDISLOCK_VERSION_MINOR) "." TEXT(REDISLOCK_VERSION_PATCH);
}

RLK_EXPORT int32_t redislock_has(const char *feature)
{
	/* RESP3 is in no build: it wouldn't be faster. Other names are unknown. */
	if (feature == NULL) {
		return 0;
	}
	bool has = strcmp(feature, "cluster") == 0 || strcmp(feature, "sentinel") == 0 ||
	           (strcmp(feature, "tls") == 0 && rlk_tls_built);
	return has ? 1 : 0;
}
