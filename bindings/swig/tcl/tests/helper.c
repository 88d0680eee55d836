/* SPDX-License-Identifier: MIT
 *
 * What the tests need and Tcl hasn't: the clock of other contenders, and sockets of unix. */
#include "test.h"

#include <tcl.h>

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* helper::now: microseconds since the start. */
static int now(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
	(void)data;
	(void)count;
	(void)words;
	Tcl_SetObjResult(interp, Tcl_NewWideIntObj(test_now_us()));
	return TCL_OK;
}

/* helper::connect PATH: a channel to whoever listens there. */
static int connect_to(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)data;
	if (count != 2 || strlen(Tcl_GetString(words[1])) >= sizeof address.sun_path) {
		Tcl_WrongNumArgs(interp, 1, words, "path");
		return TCL_ERROR;
	}
	strcpy(address.sun_path, Tcl_GetString(words[1]));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		if (fd >= 0)
			close(fd);
		Tcl_SetObjResult(interp, Tcl_NewStringObj(Tcl_PosixError(interp), -1));
		return TCL_ERROR;
	}
	Tcl_Channel channel = Tcl_MakeFileChannel((ClientData)(intptr_t)fd, TCL_READABLE | TCL_WRITABLE);
	Tcl_RegisterChannel(interp, channel);
	Tcl_SetObjResult(interp, Tcl_NewStringObj(Tcl_GetChannelName(channel), -1));
	return TCL_OK;
}

int Helper_Init(Tcl_Interp *interp);

int Helper_Init(Tcl_Interp *interp)
{
	if (Tcl_InitStubs(interp, "8.6", 0) == NULL)
		return TCL_ERROR;
	Tcl_CreateNamespace(interp, "helper", NULL, NULL);
	Tcl_CreateObjCommand(interp, "helper::now", now, NULL, NULL);
	Tcl_CreateObjCommand(interp, "helper::connect", connect_to, NULL, NULL);
	return TCL_OK;
}
