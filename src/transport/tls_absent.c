/* SPDX-License-Identifier: MIT
 *
 * In the place of tls.c where there is no OpenSSL. Nothing but the URL's scheme leads here, and it is refused. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <errno.h>
#include <stdio.h>

const bool rlk_tls_built = false;

bool rlk_tls_start(struct rlk_tls *tls, int fd, const char *host, const struct rlk_tls_files *files)
{
	(void)fd;
	(void)host;
	(void)files;
	tls->status = REDISLOCK_UNSUPPORTED;
	snprintf(tls->text, sizeof tls->text, "this build has no TLS");
	return false;
}

void rlk_tls_stop(struct rlk_tls *tls)
{
	(void)tls;
}

enum rlk_tls_step rlk_tls_shake(struct rlk_tls *tls)
{
	(void)tls;
	return RLK_TLS_FAILED;
}

ssize_t rlk_tls_send(struct rlk_tls *tls, const void *data, size_t length)
{
	(void)tls;
	(void)data;
	(void)length;
	errno = EPROTO;
	return -1;
}

ssize_t rlk_tls_receive(struct rlk_tls *tls, void *data, size_t size)
{
	(void)tls;
	(void)data;
	(void)size;
	errno = EPROTO;
	return -1;
}
