/* SPDX-License-Identifier: MIT
 *
 * In the place of tls.c in the shared library: it loads the module that has it, redislock1/tls.so beside the library,
 * when the first connection wants TLS. Otherwise every program that links the library would load OpenSSL at its start,
 * which takes longer than all the rest of it. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

const bool rlk_tls_built = true;

static _Atomic(const struct rlk_tls_module *) loaded;

/* Where the library is; where it was to be installed if that isn't known for certain. */
static void find_module(char path[PATH_MAX])
{
	Dl_info here;
	const char *slash = NULL;

	if (dladdr(&rlk_tls_built, &here) != 0 && here.dli_fname != NULL && here.dli_fname[0] == '/') {
		slash = strrchr(here.dli_fname, '/');
	}
	if (slash != NULL) {
		snprintf(path, PATH_MAX, "%.*s/" REDISLOCK_MODULES "/tls.so", (int)(slash - here.dli_fname),
		         here.dli_fname);
	} else {
		snprintf(path, PATH_MAX, "%s", REDISLOCK_LIBDIR "/" REDISLOCK_MODULES "/tls.so");
	}
}

/* Two threads may do it at once: it stays one module. */
static const struct rlk_tls_module *load(struct rlk_tls *tls)
{
	const struct rlk_tls_module *module = atomic_load(&loaded);
	char path[PATH_MAX];
	void *handle;

	if (module != NULL) {
		return module;
	}
	find_module(path);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	module = handle != NULL ? dlsym(handle, "redislock_tls") : NULL;
	if (module != NULL && strcmp(module->version, RLK_TLS_MODULE_VERSION) == 0) {
		atomic_store(&loaded, module);
		return module;
	}
	snprintf(tls->text, sizeof tls->text, "%s: %.180s",
	         module != NULL ? "the module for TLS is of another release, start the program again"
	                        : "the module for TLS can't be loaded, install it",
	         path);
	tls->status = REDISLOCK_UNSUPPORTED;
	return NULL;
}

bool rlk_tls_start(struct rlk_tls *tls, int fd, const char *host, const struct rlk_tls_files *files)
{
	const struct rlk_tls_module *module = load(tls);

	return module != NULL && module->start(tls, fd, host, files);
}

/* The others are for what was started, or what is all zero. */

enum rlk_tls_step rlk_tls_shake(struct rlk_tls *tls)
{
	return atomic_load(&loaded)->shake(tls);
}

ssize_t rlk_tls_send(struct rlk_tls *tls, const void *data, size_t length)
{
	return atomic_load(&loaded)->send(tls, data, length);
}

ssize_t rlk_tls_receive(struct rlk_tls *tls, void *data, size_t size)
{
	return atomic_load(&loaded)->receive(tls, data, size);
}

void rlk_tls_stop(struct rlk_tls *tls)
{
	const struct rlk_tls_module *module = atomic_load(&loaded);

	if (module != NULL) {
		module->stop(tls);
	}
}
