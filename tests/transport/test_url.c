/* SPDX-License-Identifier: MIT */
#include "test.h"

#include "transport/transport.h"

#include <redislock/redislock.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rlk_address parsed(const char *url)
{
	struct rlk_address address;
	char text[256] = "untouched";

	if (rlk_address_parse(url, &address, text, sizeof text) != REDISLOCK_OK)
		fail_msg("%s: %s", url, text);
	assert_string_equal(text, "");
	return address;
}

static void refused(const char *url, int32_t status, const char *part)
{
	struct rlk_address address;
	char text[256] = "";
	const struct rlk_address empty = { 0 };

	assert_int_equal(rlk_address_parse(url, &address, text, sizeof text), status);
	if (strstr(text, part) == NULL)
		fail_msg("%s: \"%s\" doesn't name %s", url, text, part);
	if (strstr(text, "secret") != NULL)
		fail_msg("%s: \"%s\" has the password in it", url, text);
	assert_memory_equal(&address, &empty, sizeof empty);
	assert_int_equal(rlk_address_parse(url, &address, NULL, 0), status);
}

static void invalid(const char *url, const char *part)
{
	refused(url, REDISLOCK_INVALID_ARGUMENT, part);
}

static void a_host_alone_gets_the_default_port_and_database(void **state)
{
	struct rlk_address address = parsed("redis://example.org");

	(void)state;
	assert_string_equal(address.host, "example.org");
	assert_null(address.path);
	assert_int_equal(address.port, 6379);
	assert_int_equal(address.db, 0);
	assert_null(address.user);
	assert_null(address.password.text);
	assert_null(address.client_name);
	rlk_address_clear(&address);
}

static void every_part_of_a_tcp_url_is_read(void **state)
{
	struct rlk_address address = parsed("REDIS://me:se%3Acret@10.0.0.1:65535/15");

	(void)state;
	assert_string_equal(address.host, "10.0.0.1");
	assert_int_equal(address.port, 65535);
	assert_int_equal(address.db, 15);
	assert_string_equal(address.user, "me");
	assert_string_equal(address.password.text, "se:cret");
	rlk_address_clear(&address);
}

static void every_part_is_percent_decoded(void **state)
{
	struct rlk_address address = parsed("redis://%6De%40:%2f%3F%23%25%ff@h%6Fst/0");

	(void)state;
	assert_string_equal(address.user, "me@");
	assert_string_equal(address.password.text, "/?#%\xff");
	assert_string_equal(address.host, "host");
	rlk_address_clear(&address);
	address = parsed("unix:///run/a%20b%3fc.sock");
	assert_string_equal(address.path, "/run/a b?c.sock");
	rlk_address_clear(&address);
}

static void a_user_or_password_may_be_missing(void **state)
{
	struct rlk_address address = parsed("redis://:secret@host/");

	(void)state;
	assert_null(address.user);
	assert_string_equal(address.password.text, "secret");
	rlk_address_clear(&address);
	address = parsed("redis://me@host");
	assert_string_equal(address.user, "me");
	assert_null(address.password.text);
	rlk_address_clear(&address);
	address = parsed("redis://:@host");
	assert_null(address.user);
	assert_null(address.password.text);
	rlk_address_clear(&address);
}

static void the_last_at_sign_ends_the_password(void **state)
{
	struct rlk_address address = parsed("redis://me:a@b:c@host");

	(void)state;
	assert_string_equal(address.password.text, "a@b:c");
	assert_string_equal(address.host, "host");
	rlk_address_clear(&address);
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
	struct rlk_address address = parsed("redis://[::1]:7000/2");

	(void)state;
	assert_string_equal(address.host, "::1");
	assert_int_equal(address.port, 7000);
	assert_int_equal(address.db, 2);
	rlk_address_clear(&address);
	address = parsed("redis://:secret@[fe80::1%25lo]");
	assert_string_equal(address.host, "fe80::1%lo");
	assert_int_equal(address.port, 6379);
	rlk_address_clear(&address);
	invalid("redis://::1", "the host");
	invalid("redis://[::1", "the host");
	invalid("redis://[::1]6379", "after the host");
	invalid("redis://[::g]", "the host");
	invalid("redis://[]", "the host");
	invalid("redis://[fe80::1%25]", "the host");
	invalid("redis://[127.0.0.1]", "the host");
}

static void a_unix_socket_is_a_path_with_a_database(void **state)
{
	struct rlk_address address = parsed("unix:///run/redis.sock?db=3");

	(void)state;
	assert_string_equal(address.path, "/run/redis.sock");
	assert_null(address.host);
	assert_int_equal(address.db, 3);
	rlk_address_clear(&address);
	invalid("unix://run/redis.sock", "the path");
	invalid("unix://", "the path");
	invalid("unix:///run/redis.sock?", "after the path");
	invalid("unix:///run/redis.sock?db=", "the database");
	invalid("unix:///run/redis.sock?db=x", "the database");
	invalid("unix:///run/redis.sock?password=secret", "after the path");
	invalid("unix:///run/redis.sock#x", "after the path");
}

static void a_path_longer_than_a_socket_address_is_invalid(void **state)
{
	char url[200] = "unix:///";
	struct rlk_address address;

	(void)state;
	memset(url + 8, 'p', 106);
	url[8 + 106] = '\0';
	address = parsed(url);
	assert_int_equal(strlen(address.path), 107);
	rlk_address_clear(&address);
	url[8 + 106] = 'p';
	invalid(url, "the path");
}

static void a_wrong_host_is_invalid(void **state)
{
	char url[400] = "redis://";

	(void)state;
	invalid("redis://", "the host");
	invalid("redis:///0", "the host");
	invalid("redis://:secret@", "the host");
	invalid("redis://:secret@:6379", "the host");
	invalid("redis://ho st", "the host");
	invalid("redis://ho%0ast", "the host");
	invalid("redis://a,b", "the host");
	memset(url + 8, 'h', 256);
	invalid(url, "the host");
}

static void a_wrong_port_is_invalid(void **state)
{
	(void)state;
	invalid("redis://host:", "the port");
	invalid("redis://host:0", "the port");
	invalid("redis://host:65536", "the port");
	invalid("redis://host:99999999999999999999", "the port");
	invalid("redis://host:-1", "the port");
	invalid("redis://host:63x", "the port");
}

static void a_wrong_database_is_invalid(void **state)
{
	(void)state;
	invalid("redis://host/x", "the database");
	invalid("redis://host/0/", "the database");
	invalid("redis://host/-1", "the database");
	invalid("redis://host/2147483648", "the database");
	invalid("redis://host/0?db=1", "after the database");
	invalid("redis://host#0", "after the database");
}

static void a_password_that_was_not_encoded_is_never_repeated(void **state)
{
	(void)state;
	invalid("redis://me:secret/secret@host", "the port");
	invalid("redis://me:?secret@host", "the port");
	invalid("redis://me:secret#secret@host", "the port");
	invalid("redis://me:%zzsecret@host", "the password");
	invalid("redis://me:secret%@host", "the password");
	invalid("redis://me:secret%0@host", "the password");
	invalid("me:secret@host", "redis://");
	refused("secret://me:secret@host", REDISLOCK_UNSUPPORTED, "scheme");
}

static void a_nul_byte_is_invalid(void **state)
{
	(void)state;
	invalid("redis://h%00st", "the host");
	invalid("redis://m%00e:secret@host", "the user");
	invalid("redis://me:secret%00@host", "the password");
	invalid("unix:///run/%00", "the path");
}

static void rediss_is_redis_with_tls(void **state)
{
	struct rlk_address address;

	(void)state;
	if (!rlk_tls_built)
		return;
	assert_int_equal(rlk_address_parse("rediss://user:word@host:1/2", &address, NULL, 0), REDISLOCK_OK);
	assert_true(address.tls);
	assert_string_equal(address.host, "host");
	assert_int_equal(address.port, 1);
	assert_int_equal(address.db, 2);
	rlk_address_clear(&address);
	assert_int_equal(rlk_address_parse("redis://host", &address, NULL, 0), REDISLOCK_OK);
	assert_false(address.tls);
	rlk_address_clear(&address);
}

static void rediss_says_whom_to_trust_and_who_it_is(void **state)
{
	struct rlk_address address;

	(void)state;
	if (!rlk_tls_built)
		return;
	assert_int_equal(rlk_address_parse("rediss://host/3?ca=/a%26b&ca_folder=f&cert=c&key=k&server_name=n", &address,
	                                   NULL, 0),
	                 REDISLOCK_OK);
	assert_int_equal(address.db, 3);
	assert_string_equal(address.tls_files.authorities, "/a&b");
	assert_string_equal(address.tls_files.authority_folder, "f");
	assert_string_equal(address.tls_files.certificate, "c");
	assert_string_equal(address.tls_files.key, "k");
	assert_string_equal(address.tls_files.server_name, "n");
	assert_false(address.tls_files.unverified);
	rlk_address_clear(&address);
	assert_int_equal(rlk_address_parse("rediss://host?ca=a", &address, NULL, 0), REDISLOCK_OK);
	assert_string_equal(address.tls_files.authorities, "a");
	rlk_address_clear(&address);
	refused("rediss://host/x?ca=a", REDISLOCK_INVALID_ARGUMENT, "database");
	refused("rediss://host?", REDISLOCK_INVALID_ARGUMENT, "after the ?");
	refused("rediss://host?ca", REDISLOCK_INVALID_ARGUMENT, "after the ?");
	refused("rediss://host?ca=a&", REDISLOCK_INVALID_ARGUMENT, "after the ?");
	refused("rediss://host?ca=a&ca=b", REDISLOCK_INVALID_ARGUMENT, "each once");
	refused("rediss://host?ca=a#b", REDISLOCK_INVALID_ARGUMENT, "after the ?");
	refused("rediss://host?verify=no", REDISLOCK_INVALID_ARGUMENT, "after the ?");
	refused("rediss://host?ca=", REDISLOCK_INVALID_ARGUMENT, "ca is empty");
	refused("rediss://host?ca=%0", REDISLOCK_INVALID_ARGUMENT, "ca has a %");
	refused("rediss://host?cert=c", REDISLOCK_INVALID_ARGUMENT, "belong together");
	refused("redis://host?ca=a", REDISLOCK_INVALID_ARGUMENT, "nothing can follow");
}

static void a_cluster_has_several_hosts(void **state)
{
	struct rlk_address address = parsed("redis+cluster://me:a,b@host,[::1]:7000,%68:1/0");

	(void)state;
	assert_null(address.host);
	assert_string_equal(address.password.text, "a,b");
	assert_int_equal(address.host_count, 3);
	assert_string_equal(address.hosts[0].name, "host");
	assert_int_equal(address.hosts[0].port, 6379);
	assert_string_equal(address.hosts[1].name, "::1");
	assert_int_equal(address.hosts[1].port, 7000);
	assert_string_equal(address.hosts[2].name, "h");
	assert_int_equal(address.hosts[2].port, 1);
	rlk_address_clear(&address);
	invalid("redis+cluster://", "host is missing");
	invalid("redis+cluster://a,", "host is missing");
	invalid("redis+cluster://a,,b", "host is missing");
	invalid("redis+cluster://a:0,b", "port");
	invalid("redis+cluster://a/1", "always 0");
	invalid("redis+cluster://a?ca=b", "nothing can follow");
	invalid("redis+cluster://a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", "more than 16");
	if (rlk_tls_built) {
		address = parsed("rediss+cluster://a,b?ca=c");
		assert_true(address.tls);
		assert_int_equal(address.host_count, 2);
		rlk_address_clear(&address);
	} else {
		refused("rediss+cluster://a", REDISLOCK_UNSUPPORTED, "rediss+cluster://");
	}
}

static void sentinels_stand_with_commas_before_their_service(void **state)
{
	struct rlk_address address = parsed("redis+sentinel://me:se%2Cret@one,[::1]:7000,three:7001/my%2fmaster/3");

	(void)state;
	assert_null(address.host);
	assert_null(address.path);
	assert_int_equal(address.host_count, 3);
	assert_string_equal(address.hosts[0].name, "one");
	assert_int_equal(address.hosts[0].port, 26379);
	assert_string_equal(address.hosts[1].name, "::1");
	assert_int_equal(address.hosts[1].port, 7000);
	assert_string_equal(address.hosts[2].name, "three");
	assert_int_equal(address.hosts[2].port, 7001);
	assert_string_equal(address.sentinels.service, "my/master");
	assert_int_equal(address.db, 3);
	assert_string_equal(address.user, "me");
	assert_string_equal(address.password.text, "se,ret");
	assert_null(address.sentinels.user);
	assert_null(address.sentinels.password.text);
	assert_false(address.tls);
	rlk_address_clear(&address);
	address = parsed("redis+sentinel://a/b/?sentinel_user=you&sentinel_password=s%26t");
	assert_int_equal(address.db, 0);
	assert_null(address.user);
	assert_string_equal(address.sentinels.user, "you");
	assert_string_equal(address.sentinels.password.text, "s&t");
	rlk_address_clear(&address);
	if (rlk_tls_built) {
		address = parsed("rediss+sentinel://a/b?ca=c&sentinel_password=d");
		assert_true(address.tls);
		assert_string_equal(address.tls_files.authorities, "c");
		assert_string_equal(address.sentinels.password.text, "d");
		rlk_address_clear(&address);
	}
}

static void a_url_of_sentinels_without_a_part_is_refused(void **state)
{
	(void)state;
	invalid("redis+sentinel://:secret@a,b", "the service");
	invalid("redis+sentinel://a/", "the service");
	invalid("redis+sentinel://a//1", "the service");
	invalid("redis+sentinel://a/?sentinel_password=secret", "the service");
	invalid("redis+sentinel://a/b%20c", "the service");
	invalid("redis+sentinel://a/%4", "the service");
	invalid("redis+sentinel://a,/b", "the host");
	invalid("redis+sentinel://,a/b", "the host");
	invalid("redis+sentinel:///b", "the host");
	invalid("redis+sentinel://a:0/b", "the port");
	invalid("redis+sentinel://a,b:x/c", "the port");
	invalid("redis+sentinel://a/b/c", "the database");
	invalid("redis+sentinel://a/b/1/2", "the database");
	invalid("redis+sentinel://a/b#c", "after the database");
	invalid("redis+sentinel://a/b?", "after the ?");
	invalid("redis+sentinel://a/b?ca=c", "after the ?");
	invalid("redis+sentinel://a/b?sentinel_user=c", "sentinel_user");
	invalid("redis+sentinel://a/b?sentinel_password=secret&sentinel_password=secret", "each once");
	invalid("redis+sentinel://a/b?sentinel_password=", "sentinel_password is empty");
	invalid("redis+sentinel://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17/b", "more than 16");
	if (rlk_tls_built)
		invalid("rediss://host?sentinel_password=secret", "after the ?");
}

static void a_scheme_that_is_known_but_absent_is_unsupported(void **state)
{
	(void)state;
	if (!rlk_tls_built)
		refused("rediss://:secret@host", REDISLOCK_UNSUPPORTED, "rediss://");
}

static void an_unknown_scheme_is_unsupported(void **state)
{
	(void)state;
	refused("http://host", REDISLOCK_UNSUPPORTED, "scheme");
	refused("xredis://host", REDISLOCK_UNSUPPORTED, "scheme");
	refused("://host", REDISLOCK_UNSUPPORTED, "scheme");
}

static void no_url_is_invalid(void **state)
{
	(void)state;
	invalid(NULL, "none");
	invalid("", "redis://");
	invalid("host", "redis://");
}

static void a_url_of_4096_bytes_is_read_and_one_more_is_not(void **state)
{
	char url[4098] = "redis://:";
	struct rlk_address address;

	(void)state;
	memset(url + 9, 'p', 4096 - 9 - 2);
	memcpy(url + 4094, "@h", 3);
	address = parsed(url);
	assert_int_equal(strlen(address.password.text), 4096 - 9 - 2);
	rlk_address_clear(&address);
	memcpy(url + 4094, "@ho", 4);
	invalid(url, "4096");
}

static void a_text_is_replaced_by_a_copy(void **state)
{
	struct rlk_address address = parsed("redis://:old@host");
	char value[] = "new";

	(void)state;
	assert_int_equal(rlk_secret_set(&address.password, value), REDISLOCK_OK);
	value[0] = 'x';
	assert_string_equal(address.password.text, "new");
	assert_int_equal(rlk_secret_set(&address.password, NULL), REDISLOCK_OK);
	assert_null(address.password.text);
	assert_int_equal(rlk_address_set(&address.client_name, "me"), REDISLOCK_OK);
	rlk_address_clear(&address);
	assert_null(address.client_name);
	rlk_address_clear(&address);
}

static void a_short_text_is_cut(void **state)
{
	struct rlk_address address;
	char text[8] = "1234567";

	(void)state;
	assert_int_equal(rlk_address_parse("redis://host:x", &address, text, 4), REDISLOCK_INVALID_ARGUMENT);
	assert_string_equal(text, "the");
	assert_int_equal(text[4], '5');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_alone_gets_the_default_port_and_database),
		cmocka_unit_test(every_part_of_a_tcp_url_is_read),
		cmocka_unit_test(every_part_is_percent_decoded),
		cmocka_unit_test(a_user_or_password_may_be_missing),
		cmocka_unit_test(the_last_at_sign_ends_the_password),
		cmocka_unit_test(an_ipv6_address_stands_in_brackets),
		cmocka_unit_test(a_unix_socket_is_a_path_with_a_database),
		cmocka_unit_test(a_path_longer_than_a_socket_address_is_invalid),
		cmocka_unit_test(a_wrong_host_is_invalid),
		cmocka_unit_test(a_wrong_port_is_invalid),
		cmocka_unit_test(a_wrong_database_is_invalid),
		cmocka_unit_test(a_password_that_was_not_encoded_is_never_repeated),
		cmocka_unit_test(a_nul_byte_is_invalid),
		cmocka_unit_test(rediss_is_redis_with_tls),
		cmocka_unit_test(rediss_says_whom_to_trust_and_who_it_is),
		cmocka_unit_test(a_cluster_has_several_hosts),
		cmocka_unit_test(sentinels_stand_with_commas_before_their_service),
		cmocka_unit_test(a_url_of_sentinels_without_a_part_is_refused),
		cmocka_unit_test(a_scheme_that_is_known_but_absent_is_unsupported),
		cmocka_unit_test(an_unknown_scheme_is_unsupported),
		cmocka_unit_test(no_url_is_invalid),
		cmocka_unit_test(a_url_of_4096_bytes_is_read_and_one_more_is_not),
		cmocka_unit_test(a_text_is_replaced_by_a_copy),
		cmocka_unit_test(a_short_text_is_cut),
	};

	return cmocka_run_group_tests_name("url", tests, NULL, NULL);
}
