/* SPDX-License-Identifier: MIT
 *
 * tls.c as a module that the shared library loads at the first rediss:// connection: see tls_load.c. */
#include "transport_internal.h"

__attribute__((visibility("default"))) extern const struct rlk_tls_module redislock_tls;

const struct rlk_tls_module redislock_tls = { RLK_TLS_MODULE_VERSION, rlk_tls_start,   rlk_tls_shake,
	                                      rlk_tls_send,           rlk_tls_receive, rlk_tls_stop };
