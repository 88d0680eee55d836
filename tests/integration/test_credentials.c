/* SPDX-License-Identifier: MIT
 *
 * What is left of a password in memory: it is kept in one place, for the next connection, and no core dump has that. A
 * process of its own, which knows the passwords only as constants that can't be written, looks into all its memory that
 * can be. */
#include "locks.h"
#include "fork.h"
#include "waiter.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TOO_MUCH_MEMORY = 1 };
#else
enum { TOO_MUCH_MEMORY = 0 };
#endif

#define FIRST "a-word-to-begin-with-f1rst-of-the-s3crets"
#define SECOND "a-word-to-begin-with-the-s3cond-one-of-them"

/* Memory that is freed is written to at its beginning. */
enum { OVERWRITTEN = 16 };

enum { CHUNK = 65536, ROTATIONS = 20, LOCKERS = 4 };

static struct test_server server;

/* ---- in the process of its own: its memory ---- */

static char *chunk; /* what was read of it; not looked into */
static int copies, dumped;

static void look_into(int memory, const char *start, const char *end, bool in_dumps, const char *needle)
{
	const size_t length = strlen(needle);

	if (start <= chunk && chunk < end)
		return;
	for (const char *at = start; at < end;) {
		size_t wanted = (size_t)(end - at) < CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t got = pread(memory, chunk, wanted, (off_t)(uintptr_t)at);
		if (got <= 0)
			break; /* not for reading, like [vvar] */
		for (char *found = chunk;
		     (found = memmem(found, (size_t)(chunk + got - found), needle, length)) != NULL; found++) {
			copies++;
			dumped += in_dumps;
		}
		if ((size_t)got < CHUNK)
			break;
		at += (size_t)got - (length - 1); /* across the edge */
	}
	explicit_bzero(chunk, CHUNK);
}

/* How many copies there are, and how many of them a core dump would have. */
static void count(const char *needle)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	uintptr_t start = 0, end = 0;
	char line[4096], rights[8];
	bool writable = false;

	assert_non_null(maps);
	assert_true(memory >= 0);
	copies = dumped = 0;
	needle += OVERWRITTEN;
	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t first, behind;
		if (sscanf(line, "%zx-%zx %7s", &first, &behind, rights) == 3) {
			start = first;
			end = behind;
			writable = rights[1] == 'w';
		}
		/* The last line about a mapping. */
		if (strncmp(line, "VmFlags:", 8) == 0 && writable)
			look_into(memory, (const char *)start, (const char *)end, strstr(line, " dd") == NULL, needle);
	}
	close(memory);
	fclose(maps);
}

#define assert_copies(needle, expected)                                                                                \
	do {                                                                                                           \
		count(needle);                                                                                         \
		assert_int_equal(copies, (expected));                                                                  \
		assert_int_equal(dumped, 0);                                                                           \
	} while (0)

static int32_t make_by(const char *scheme, const char *user, const char *password, const char *rest,
                       redislock_client **client)
{
	char url[256];
	int32_t status;

	snprintf(url, sizeof(url), "%s://%s:%s@127.0.0.1:%d%s", scheme, user, password, server.port, rest);
	status = redislock_client_new(url, client);
	if (status != REDISLOCK_OK) {
		char text[256];
		assert_status(redislock_url_error(url, text, sizeof(text)), status);
	}
	explicit_bzero(url, sizeof(url));
	return status;
}

static int32_t make(const char *user, const char *password, const char *rest, redislock_client **client)
{
	return make_by("redis", user, password, rest, client);
}

static void cut_connections(void)
{
	test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL);
	test_number(&server, "CLIENT", "KILL", "TYPE", "pubsub", NULL);
}

/* ---- in the process of its own: what it does ---- */

static void looking_finds_what_is_there(void **state)
{
	char *heap = strdup(FIRST);

	(void)state;
	assert_non_null(heap);
	count(FIRST);
	assert_int_equal(copies, 1);
	assert_int_equal(dumped, 1);
	explicit_bzero(heap, strlen(FIRST));
	assert_copies(FIRST, 0);
	free(heap);
}

static void password_of_a_url_is_kept_once_and_gone_with_its_client(void **state)
{
	redislock_client *client;
	redislock_lock *lock, *other;
	struct waiter waiter;

	(void)state;
	assert_status(make("one", FIRST, "/1", &client), REDISLOCK_OK);
	assert_copies(FIRST, 1);
	lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "kept");
	other = test_lock(client, REDISLOCK_KIND_PUBSUB, "kept");
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_copies(FIRST, 1);
	waiter_start(&waiter, other); /* by the second connection */
	test_eventually(test_connections(&server, "sub=2 ") == 1);
	assert_copies(FIRST, 1);
	cut_connections();
	test_eventually(test_connections(&server, "sub=2 ") == 1);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_copies(FIRST, 1);
	assert_status(redislock_lock_release(other), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(other);
	redislock_client_free(client);
	assert_copies(FIRST, 0);
}

static void refused_password_is_kept_once_and_gone_with_its_client(void **state)
{
	redislock_client *client;
	char text[512];

	(void)state;
	assert_status(make("one", SECOND, "", &client), REDISLOCK_OK);
	assert_status(redislock_client_connect(client), REDISLOCK_AUTHENTICATION);
	assert_copies(SECOND, 1);
	assert_status(redislock_client_error(client, text, sizeof(text)), REDISLOCK_OK);
	redislock_client_free(client);
	assert_copies(SECOND, 0);
}

static void password_of_a_url_that_is_refused_is_gone(void **state)
{
	redislock_client *client;

	(void)state;
	assert_status(make("one", FIRST, "/no-number", &client), REDISLOCK_INVALID_ARGUMENT);
	assert_status(make("one", FIRST, "%zz", &client), REDISLOCK_INVALID_ARGUMENT);
	assert_status(make("one", "%zz" FIRST, "", &client), REDISLOCK_INVALID_ARGUMENT);
	assert_status(make("one", FIRST "%zz", "", &client), REDISLOCK_INVALID_ARGUMENT);
	assert_copies(FIRST, 0);
}

static void password_that_was_replaced_is_gone(void **state)
{
	redislock_client *client;

	(void)state;
	assert_status(make("one", FIRST, "", &client), REDISLOCK_OK);
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_set_credentials(client, "two", SECOND), REDISLOCK_OK);
	assert_copies(FIRST, 0);
	assert_copies(SECOND, 1);
	cut_connections();
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_int_equal(test_connections(&server, "user=two "), 1);
	assert_copies(SECOND, 1);
	assert_status(redislock_client_set_credentials(client, NULL, NULL), REDISLOCK_OK);
	assert_copies(SECOND, 0);
	redislock_client_free(client);
}

/* The server is none, but it is greeted as one before it can say so. */
static void passwords_of_sentinels_are_kept_once_and_gone_with_their_client(void **state)
{
	redislock_client *client;

	(void)state;
	assert_status(make_by("redis+sentinel", "one", FIRST,
	                      "/service?sentinel_user=two&sentinel_password=" SECOND "%zz", &client),
	              REDISLOCK_INVALID_ARGUMENT);
	assert_status(make_by("redis+sentinel", "one", FIRST,
	                      "/service?sentinel_password=" SECOND "&sentinel_password=" SECOND, &client),
	              REDISLOCK_INVALID_ARGUMENT);
	assert_copies(FIRST, 0);
	assert_copies(SECOND, 0);
	assert_status(make_by("redis+sentinel", "one", FIRST, "/service?sentinel_user=two&sentinel_password=" SECOND,
	                      &client),
	              REDISLOCK_OK);
	assert_copies(SECOND, 1);
	/* It may be greeted once more, to be listened to, when that is found out. */
	test_eventually((assert_status(redislock_client_connect(client), REDISLOCK_PROTOCOL), count(SECOND),
	                 copies == 1 && dumped == 0));
	assert_copies(FIRST, 1);
	assert_status(redislock_client_set_sentinel_credentials(client, NULL, NULL), REDISLOCK_OK);
	assert_status(redislock_client_set_credentials(client, "one", SECOND), REDISLOCK_OK);
	assert_copies(FIRST, 0);
	redislock_client_free(client);
	assert_copies(SECOND, 0);
}

/* It has no AUTH, and quotes what it doesn't know. */
static void password_that_the_server_repeats_is_gone(void **state)
{
	redislock_client *client;

	(void)state;
	assert_status(make("one", FIRST, "", &client), REDISLOCK_OK);
	assert_status(redislock_client_connect(client), REDISLOCK_AUTHENTICATION);
	assert_copies(FIRST, 1);
	redislock_client_free(client);
	assert_copies(FIRST, 0);
}

static const struct CMUnitTest all[] = {
	cmocka_unit_test(looking_finds_what_is_there),
	cmocka_unit_test(password_of_a_url_is_kept_once_and_gone_with_its_client),
	cmocka_unit_test(refused_password_is_kept_once_and_gone_with_its_client),
	cmocka_unit_test(password_of_a_url_that_is_refused_is_gone),
	cmocka_unit_test(password_that_was_replaced_is_gone),
	cmocka_unit_test(passwords_of_sentinels_are_kept_once_and_gone_with_their_client),
};
static const struct CMUnitTest repeated[] = { cmocka_unit_test(password_that_the_server_repeats_is_gone) };

static int look_at_oneself(const char *socket, const char *port, const char *which)
{
	snprintf(server.socket, sizeof(server.socket), "%s", socket);
	server.port = atoi(port);
	chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* A mapping of its own: whatever lies next to it would be left out with it. */
	if (chunk == MAP_FAILED || madvise(chunk, CHUNK, MADV_DONTFORK) != 0)
		return 1;
	return strcmp(which, "repeated") == 0 ? cmocka_run_group_tests(repeated, NULL, NULL)
	                                      : cmocka_run_group_tests(all, NULL, NULL);
}

/* ---- in the test ---- */

static void assert_leaves_nothing(const char *which)
{
	char port[16];
	int status;
	pid_t pid = test_fork();

	assert_true(pid >= 0);
	snprintf(port, sizeof(port), "%d", server.port);
	if (pid == 0) {
		/* Who looks up functions at their first call saves registers meanwhile, with what was just copied by
		 * them. The library doesn't do that. */
		setenv("LD_BIND_NOW", "1", 1);
		execl("/proc/self/exe", "credentials", server.socket, port, which, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void skip_if_too_much(void)
{
	if (TOO_MUCH_MEMORY) {
		print_message("SKIP: with a sanitizer there is too much memory to look into\n");
		skip();
	}
}

static void make_users(void)
{
	assert_true(
	        test_command(&server, NULL, 0, "ACL", "SETUSER", "one", "on", ">" FIRST, "~*", "&*", "+@all", NULL));
	assert_true(
	        test_command(&server, NULL, 0, "ACL", "SETUSER", "two", "on", ">" SECOND, "~*", "&*", "+@all", NULL));
}

static void nothing_is_left_of_a_password(void **state)
{
	(void)state;
	skip_if_too_much();
	make_users();
	assert_leaves_nothing("all");
}

static void nothing_is_left_of_what_a_server_repeats(void **state)
{
	static const char *const arguments[] = { "--rename-command", "AUTH", "", NULL };
	struct test_server usual = server;

	(void)state;
	skip_if_too_much();
	test_server_start(&server, TEST_SERVER_TCP, arguments);
	assert_leaves_nothing("repeated");
	test_server_stop(&server);
	server = usual;
}

/* ---- rotation ---- */

struct locker {
	pthread_t thread;
	redislock_client *client;
	int number;
	atomic_int *rounds;
	atomic_int *trouble; /* the status of one that ended too early */
	atomic_bool *end;
	int32_t status;
};

static void *lock_again_and_again(void *argument)
{
	struct locker *locker = argument;
	redislock_lock *lock;
	char name[32];

	snprintf(name, sizeof(name), "rotated-%d", locker->number % 2);
	locker->status = redislock_lock_new(locker->client, test_kinds[locker->number % 2], name, strlen(name), &lock);
	if (locker->status != REDISLOCK_OK)
		return NULL;
	while (locker->status == REDISLOCK_OK && !atomic_load(locker->end)) {
		locker->status = redislock_lock_acquire(lock);
		if (locker->status == REDISLOCK_OK)
			locker->status = redislock_lock_release(lock);
		atomic_fetch_add(locker->rounds, 1);
	}
	if (locker->status != REDISLOCK_OK)
		atomic_store(locker->trouble, locker->status);
	redislock_lock_free(lock);
	return NULL;
}

static void await_rounds(atomic_int *rounds, int wanted, atomic_int *trouble)
{
	test_eventually(atomic_load(rounds) >= wanted || atomic_load(trouble) != REDISLOCK_OK);
	assert_status(atomic_load(trouble), REDISLOCK_OK);
}

/* The server knows both passwords until the client's connections are new ones: nobody notices. */
static void password_is_changed_while_others_go_on(void **state)
{
	struct locker lockers[LOCKERS];
	redislock_client *client = test_client(server.url);
	atomic_int rounds, trouble;
	atomic_bool end;

	(void)state;
	atomic_init(&rounds, 0);
	atomic_init(&trouble, REDISLOCK_OK);
	atomic_init(&end, false);
	assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "rotated", "on", ">0", "~*", "&*", "+@all", NULL));
	assert_status(redislock_client_set_credentials(client, "rotated", "0"), REDISLOCK_OK);
	for (int i = 0; i < LOCKERS; i++) {
		lockers[i] = (struct locker) {
			.client = client, .number = i, .rounds = &rounds, .trouble = &trouble, .end = &end
		};
		assert_int_equal(pthread_create(&lockers[i].thread, NULL, lock_again_and_again, &lockers[i]), 0);
	}
	/* A client that has never reached its server doesn't wait for it: the first connection is not to be cut. */
	await_rounds(&rounds, LOCKERS, &trouble);
	for (int i = 1; i <= ROTATIONS; i++) {
		char password[16], right[17], wrong[17];
		int before;

		snprintf(password, sizeof(password), "%d", i);
		snprintf(right, sizeof(right), ">%d", i);
		snprintf(wrong, sizeof(wrong), "<%d", i - 1);
		assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "rotated", right, NULL));
		assert_status(redislock_client_set_credentials(client, "rotated", password), REDISLOCK_OK);
		cut_connections();
		before = atomic_load(&rounds);
		await_rounds(&rounds, before + 2 * LOCKERS, &trouble);
		assert_true(test_command(&server, NULL, 0, "ACL", "SETUSER", "rotated", wrong, NULL));
	}
	atomic_store(&end, true);
	for (int i = 0; i < LOCKERS; i++) {
		assert_int_equal(pthread_join(lockers[i].thread, NULL), 0);
		assert_status(lockers[i].status, REDISLOCK_OK);
	}
	redislock_client_free(client);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, TEST_SERVER_TCP, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_server_stop(&server);
	return 0;
}

int main(int argument_count, char **arguments)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_of_a_password),
		cmocka_unit_test(nothing_is_left_of_what_a_server_repeats),
		cmocka_unit_test(password_is_changed_while_others_go_on),
	};

	if (argument_count == 4)
		return look_at_oneself(arguments[1], arguments[2], arguments[3]);
	return cmocka_run_group_tests(tests, start, stop);
}
