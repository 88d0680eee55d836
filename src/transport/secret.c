/* SPDX-License-Identifier: MIT
 *
 * Passwords. They are needed as long as there may be another connection, and rest in pages of their own until then,
 * which no core dump has. */
#include "transport.h"

#include <redislock/redislock.h>

#include <string.h>
#include <sys/mman.h>

int32_t rlk_secret_set(struct rlk_secret *secret, const char *text)
{
	char *copy = NULL;

	if (text != NULL) {
		size_t size = strlen(text) + 1;
		copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (copy == MAP_FAILED) {
			return REDISLOCK_NO_MEMORY;
		}
		/* Where the kernel can't do that there is nothing better. */
		madvise(copy, size, MADV_DONTDUMP);
		memcpy(copy, text, size);
	}
	rlk_secret_clear(secret);
	secret->text = copy;
	return REDISLOCK_OK;
}

void rlk_secret_clear(struct rlk_secret *secret)
{
	if (secret->text != NULL) {
		size_t size = strlen(secret->text) + 1;
		explicit_bzero(secret->text, size);
		munmap(secret->text, size);
		secret->text = NULL;
	}
}
