/* SPDX-License-Identifier: MIT
 *
 * The terminal's foreground. SIGTTOU is blocked whenever this is called, so that nothing here can stop us. */
#include "run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_pipe(int fd)
{
	struct stat status;
	return fstat(fd, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

/* In a pipeline another program may need the terminal as well (as the pager does that reads the command's output), and
 * what a script starts in its background has no terminal for its input. There the command gets the terminal when it
 * asks for it, that is when it is stopped for using it. */
void terminal_open(struct terminal *terminal)
{
	terminal->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	terminal->given = false;
	terminal->wanted = terminal_is_ours(terminal) && isatty(STDIN_FILENO) && !is_pipe(STDOUT_FILENO) &&
	                   !is_pipe(STDERR_FILENO);
}

bool terminal_is_ours(const struct terminal *terminal)
{
	return terminal->fd >= 0 && tcgetpgrp(terminal->fd) == getpgrp();
}

void terminal_give(struct terminal *terminal)
{
	terminal->given = tcsetpgrp(terminal->fd, terminal->group) == 0;
	terminal->wanted = true;
}

/* The command may have lent it to a process group of its own. But what is a shell's now is left alone. */
void terminal_take_back(struct terminal *terminal)
{
	if (terminal->given || (terminal->fd >= 0 && tcgetpgrp(terminal->fd) == terminal->group)) {
		tcsetpgrp(terminal->fd, getpgrp());
	}
	terminal->given = false;
}

void terminal_look(struct terminal *terminal)
{
	terminal->given = terminal->given && tcgetpgrp(terminal->fd) == terminal->group;
}
