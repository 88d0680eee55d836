// SPDX-License-Identifier: MIT
//
// The public header in C++: it compiles without a warning, links as C, and its handles are distinct types.
#include <redislock/redislock.h>

#include <cstring>

int main()
{
	redislock_client *client = 0;
	redislock_lock *lock = 0;

	if (redislock_client_new("redis://127.0.0.1:1", &client) != REDISLOCK_OK)
		return 1;
	if (redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "c++", 3, &lock) != REDISLOCK_OK)
		return 2;
	redislock_client_free(client);
	const bool good = std::strcmp(redislock_lock_name(lock, 0), "c++") == 0 && redislock_lock_fence(lock) == 0;
	redislock_lock_free(lock);
	return good ? 0 : 3;
}
