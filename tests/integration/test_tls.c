/* SPDX-License-Identifier: MIT
 *
 * TLS with real servers: what is trusted works, and whatever is not fails at once, each with a text of its own. */
#include "certificates.h"
#include "locks.h"
#include "waiter.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Who serves with which certificate. */
enum who { GOOD, EXPIRED, SELF_SIGNED, STRANGE, SERVERS };

static const struct test_certificate certificates[] = {
	{ "authority", NULL, NULL, 10 },
	{ "stranger", NULL, NULL, 10 },
	{ "good", "authority", "DNS:localhost,IP:127.0.0.1", 10 },
	{ "expired", "authority", "DNS:localhost,IP:127.0.0.1", -1 },
	{ "self", NULL, "DNS:localhost,IP:127.0.0.1", 10 },
	{ "strange", "stranger", "DNS:localhost,IP:127.0.0.1", 10 },
	{ "client", "authority", "DNS:client", 10 },
	{ "impostor", "stranger", "DNS:client", 10 },
};
static const char *const served[SERVERS] = { "good", "expired", "self", "strange" };

static char folder[] = "/tmp/redislock-tls.XXXXXX";
static struct test_server servers[SERVERS];
static int ports[SERVERS];

static const char *file(const char *name, const char *ending)
{
	static char paths[4][128];
	static int next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s.%s", folder, name, ending);
	return path;
}

/* A port that nobody else listens on: the server says so itself. */
static int open_tls_port(struct test_server *server)
{
	for (int tries = 0; tries < 100; tries++) {
		struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t length = sizeof(address);
		char port[8], reply[128];
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
		close(fd);
		snprintf(port, sizeof(port), "%d", ntohs(address.sin_port));
		if (test_command(server, reply, sizeof(reply), "CONFIG", "SET", "tls-port", port, NULL))
			return ntohs(address.sin_port);
	}
	fail_msg("no port for TLS");
	return 0;
}

/* One that hasn't doesn't know its settings either, and would not start with them. */
static bool servers_have_tls(void)
{
	struct test_server server;
	char reply[128];

	test_server_start(&server, 0, NULL);
	assert_true(test_command(&server, reply, sizeof(reply), "CONFIG", "GET", "tls-port", NULL));
	test_server_stop(&server);
	return strstr(reply, "tls-port") != NULL;
}

static int start(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++)
		test_certificate_make(folder, &certificates[i]);
	for (int i = 0; i < SERVERS; i++) {
		const char *arguments[] = { "--tls-cert-file",
			                    file(served[i], "pem"),
			                    "--tls-key-file",
			                    file(served[i], "key"),
			                    "--tls-ca-cert-file",
			                    file("authority", "pem"),
			                    "--tls-auth-clients",
			                    "no",
			                    NULL };
		test_server_start(&servers[i], TEST_SERVER_TCP, arguments);
		ports[i] = open_tls_port(&servers[i]);
	}
	return 0;
}

static int stop(void **state)
{
	char command[128];

	(void)state;
	for (int i = 0; i < SERVERS; i++)
		test_server_stop(&servers[i]);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

static redislock_client *client_of(const char *scheme, const char *host, int port)
{
	char url[128];

	snprintf(url, sizeof(url), "%s://%s:%d/0", scheme, host, port);
	return test_client(url);
}

/* A client that trusts the tests' authority. */
static redislock_client *trusting(const char *host, enum who who)
{
	redislock_client *client = client_of("rediss", host, ports[who]);

	assert_status(redislock_client_set_tls_authorities(client, file("authority", "pem"), NULL), REDISLOCK_OK);
	return client;
}

static void assert_works(redislock_client *client)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "tls");

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

/* Frees the client, too. */
static void assert_fails(redislock_client *client, int32_t expected, const char *part)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "tls");
	const int64_t begun = test_now_ms();
	char text[512];

	assert_status(redislock_client_connect(client), expected);
	assert_status(redislock_client_error(client, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" has no \"%s\"", text, part);
	/* Nothing that waiting would mend: not at the end of the wait of 60 s. */
	assert_status(redislock_lock_acquire(lock), expected);
	assert_true(test_now_ms() - begun < TEST_DEADLINE_MS);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

static void a_trusted_server_is_used_by_name_and_by_address(void **state)
{
	(void)state;
	assert_int_equal(redislock_has("tls"), 1);
	assert_works(trusting("localhost", GOOD));
	assert_works(trusting("127.0.0.1", GOOD));
}

static void waiters_are_woken_over_tls(void **state)
{
	redislock_client *client = trusting("localhost", GOOD), *other = trusting("localhost", GOOD);
	redislock_lock *held = test_lock(client, REDISLOCK_KIND_PUBSUB, "woken");
	redislock_lock *wanted = test_lock(other, REDISLOCK_KIND_PUBSUB, "woken");

	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_acquire(held), REDISLOCK_OK);
	waiter_start(&waiter, wanted);
	test_eventually(test_queue(&servers[GOOD], "woken") == 1);
	assert_status(redislock_lock_release(held), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(wanted), REDISLOCK_OK);
	redislock_lock_free(held);
	redislock_lock_free(wanted);
	redislock_client_free(client);
	redislock_client_free(other);
	assert_nothing_left(&servers[GOOD]);
}

static void long_names_go_through_in_pieces(void **state)
{
	redislock_client *client = trusting("localhost", GOOD);
	static char name[32768];
	redislock_lock *lock;

	(void)state;
	memset(name, 'n', sizeof(name));
	for (int i = 0; i < 20; i++) {
		assert_status(redislock_lock_new(client, REDISLOCK_KIND_SPIN, name, sizeof(name), &lock), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		redislock_lock_free(lock);
	}
	redislock_client_free(client);
}

static void a_lost_connection_is_made_anew(void **state)
{
	redislock_client *client = trusting("localhost", GOOD);

	(void)state;
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	test_number(&servers[GOOD], "CLIENT", "KILL", "TYPE", "normal", NULL);
	assert_works(client);
}

static void another_host_is_not_trusted(void **state)
{
	redislock_client *client = trusting("127.0.0.1", GOOD);

	(void)state;
	assert_status(redislock_client_set_tls_server_name(client, "elsewhere.example"), REDISLOCK_OK);
	assert_fails(client, REDISLOCK_UNTRUSTED, "another host");
	client = trusting("localhost", GOOD);
	assert_status(redislock_client_set_tls_server_name(client, "127.0.0.2"), REDISLOCK_OK);
	assert_fails(client, REDISLOCK_UNTRUSTED, "another host");
	client = trusting("127.0.0.1", GOOD);
	assert_status(redislock_client_set_tls_server_name(client, "localhost"), REDISLOCK_OK);
	assert_works(client);
}

static void an_expired_certificate_is_not_trusted(void **state)
{
	(void)state;
	assert_fails(trusting("localhost", EXPIRED), REDISLOCK_UNTRUSTED, "expired");
}

static void a_self_signed_certificate_is_not_trusted_until_it_is_given(void **state)
{
	redislock_client *client;

	(void)state;
	assert_fails(trusting("localhost", SELF_SIGNED), REDISLOCK_UNTRUSTED, "by itself");
	client = client_of("rediss", "localhost", ports[SELF_SIGNED]);
	assert_status(redislock_client_set_tls_authorities(client, file("self", "pem"), NULL), REDISLOCK_OK);
	assert_works(client);
}

static void an_unknown_authority_is_not_trusted(void **state)
{
	(void)state;
	assert_fails(trusting("localhost", STRANGE), REDISLOCK_UNTRUSTED, "by nobody whom");
	/* Nor does the system know it. */
	assert_fails(client_of("rediss", "localhost", ports[GOOD]), REDISLOCK_UNTRUSTED, "by nobody whom");
}

static void whoever_asks_for_it_may_trust_anybody(void **state)
{
	(void)state;
	for (int i = 0; i < SERVERS; i++) {
		redislock_client *client = client_of("rediss", "127.0.0.1", ports[i]);
		assert_status(redislock_client_set_tls_unverified(client, 1), REDISLOCK_OK);
		assert_works(client);
	}
}

static void a_plain_server_is_told_from_one_of_tls(void **state)
{
	redislock_client *client = client_of("rediss", "127.0.0.1", servers[GOOD].port);
	int32_t status;
	char text[512];

	(void)state;
	/* It takes the handshake for commands: depending on random bytes it says what it thinks of them, closes, or
	 * waits for the end of the line. */
	assert_status(redislock_client_set_connect_timeout_ms(client, 500), REDISLOCK_OK);
	status = redislock_client_connect(client);
	assert_status(redislock_client_error(client, text, sizeof(text)), REDISLOCK_OK);
	if ((status != REDISLOCK_PROTOCOL || strstr(text, "doesn't speak TLS") == NULL) &&
	    (status != REDISLOCK_CONNECTION_REFUSED || strstr(text, "speak TLS there?") == NULL))
		fail_msg("%s: \"%s\"", redislock_error_name(status), text);
	redislock_client_free(client);
}

static void set_client_authentication(const char *value)
{
	assert_true(test_command(&servers[GOOD], NULL, 0, "CONFIG", "SET", "tls-auth-clients", value, NULL));
}

static void a_server_may_want_a_certificate(void **state)
{
	redislock_client *client;

	(void)state;
	set_client_authentication("yes");
	assert_fails(trusting("localhost", GOOD), REDISLOCK_AUTHENTICATION, "wants a certificate");
	client = trusting("localhost", GOOD);
	assert_status(redislock_client_set_tls_certificate(client, file("impostor", "pem"), file("impostor", "key")),
	              REDISLOCK_OK);
	assert_fails(client, REDISLOCK_AUTHENTICATION, "certificate");
	client = trusting("localhost", GOOD);
	assert_status(redislock_client_set_tls_certificate(client, file("client", "pem"), file("client", "key")),
	              REDISLOCK_OK);
	assert_works(client);
	set_client_authentication("no");
}

static void bad_files_are_named(void **state)
{
	redislock_client *client = trusting("localhost", GOOD);

	(void)state;
	assert_status(redislock_client_set_tls_authorities(client, file("nowhere", "pem"), NULL), REDISLOCK_OK);
	assert_fails(client, REDISLOCK_INVALID_ARGUMENT, "nowhere.pem");
	client = trusting("localhost", GOOD);
	assert_status(redislock_client_set_tls_certificate(client, file("client", "pem"), file("impostor", "key")),
	              REDISLOCK_OK);
	assert_fails(client, REDISLOCK_INVALID_ARGUMENT, "impostor.key");
}

static void a_server_that_wants_tls_is_told_from_a_broken_one(void **state)
{
	redislock_client *client = client_of("redis", "127.0.0.1", ports[GOOD]);
	char text[512];

	(void)state;
	assert_status(redislock_client_ping(client), REDISLOCK_CONNECTION_LOST);
	assert_status(redislock_client_error(client, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, "does it want TLS") == NULL)
		fail_msg("\"%s\"", text);
	redislock_client_free(client);
}

static void setters_refuse_what_makes_no_sense(void **state)
{
	redislock_client *client = client_of("rediss", "localhost", ports[GOOD]);
	redislock_client *plain = client_of("redis", "localhost", servers[GOOD].port);
	char path[5000];

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_status(redislock_client_set_tls_authorities(NULL, "a", NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_authorities(client, "", NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_authorities(client, path, NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_authorities(plain, "a", NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_certificate(client, "a", NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_certificate(client, NULL, "a"), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_server_name(client, ""), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_unverified(client, 2), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_set_tls_unverified(plain, 1), REDISLOCK_INVALID_ARGUMENT);
	redislock_client_free(client);
	redislock_client_free(plain);
}

/* A copy of the library, to which nothing is beside. */
static void without_its_module_tls_is_refused_and_the_rest_works(void **state)
{
	int32_t (*client_new)(const char *, redislock_client **);
	int32_t (*client_ping)(redislock_client *);
	int32_t (*client_error)(redislock_client *, char *, size_t);
	void (*client_free)(redislock_client *);
	redislock_client *client;
	char command[1024], text[512];
	Dl_info original;
	void *library;

	(void)state;
	assert_int_not_equal(dladdr(dlsym(RTLD_DEFAULT, "redislock_has"), &original), 0);
	snprintf(command, sizeof(command), "cp -L '%s' '%s'", original.dli_fname, file("copy", "so"));
	assert_int_equal(system(command), 0);
	library = dlopen(file("copy", "so"), RTLD_NOW | RTLD_LOCAL);
	assert_non_null(library);
	*(void **)&client_new = dlsym(library, "redislock_client_new");
	*(void **)&client_ping = dlsym(library, "redislock_client_ping");
	*(void **)&client_error = dlsym(library, "redislock_client_error");
	*(void **)&client_free = dlsym(library, "redislock_client_free");
	assert_ptr_not_equal(client_new, redislock_client_new);

	assert_int_equal(client_new(servers[GOOD].url, &client), REDISLOCK_OK);
	assert_int_equal(client_ping(client), REDISLOCK_OK);
	client_free(client);

	snprintf(text, sizeof(text), "rediss://localhost:%d", ports[GOOD]);
	assert_int_equal(client_new(text, &client), REDISLOCK_OK);
	assert_int_equal(client_ping(client), REDISLOCK_UNSUPPORTED);
	assert_int_equal(client_error(client, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "the module for TLS can't be loaded"));
	assert_non_null(strstr(text, "/redislock1/tls.so"));
	client_free(client);
	dlclose(library);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trusted_server_is_used_by_name_and_by_address),
		cmocka_unit_test(waiters_are_woken_over_tls),
		cmocka_unit_test(long_names_go_through_in_pieces),
		cmocka_unit_test(a_lost_connection_is_made_anew),
		cmocka_unit_test(another_host_is_not_trusted),
		cmocka_unit_test(an_expired_certificate_is_not_trusted),
		cmocka_unit_test(a_self_signed_certificate_is_not_trusted_until_it_is_given),
		cmocka_unit_test(an_unknown_authority_is_not_trusted),
		cmocka_unit_test(whoever_asks_for_it_may_trust_anybody),
		cmocka_unit_test(a_plain_server_is_told_from_one_of_tls),
		cmocka_unit_test(a_server_may_want_a_certificate),
		cmocka_unit_test(bad_files_are_named),
		cmocka_unit_test(a_server_that_wants_tls_is_told_from_a_broken_one),
		cmocka_unit_test(setters_refuse_what_makes_no_sense),
		cmocka_unit_test(without_its_module_tls_is_refused_and_the_rest_works),
	};
	int result;

	if (redislock_has("tls") == 0) {
		printf("SKIP: this build has no TLS\n");
		return 77;
	}
	if (!servers_have_tls()) {
		printf("SKIP: this server has no TLS\n");
		return 77;
	}
	start(NULL);
	result = cmocka_run_group_tests(tests, NULL, NULL);
	stop(NULL);
	return result;
}
