/* SPDX-License-Identifier: MIT
 *
 * URLs. Every part is percent-decoded after the URL was split, so that any byte but NUL can be in a password or path.
 * What is said about a wrong URL names the part and never quotes it, as a password may have ended up anywhere. */
#include "transport.h"

#include <redislock/redislock.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define URL_MAX 4096
#define SERVICE_MAX 255
#define DEFAULT_PORT 6379
#define SENTINEL_PORT 26379
#define SCHEMES "redis://, rediss://, redis+sentinel://, redis+cluster:// or unix://"

/* Where to say what is wrong. */
struct complaint {
	char *text;
	size_t size;
};

static int32_t complain(const struct complaint *complaint, int32_t status, const char *part, const char *problem)
{
	const char *about = status == REDISLOCK_UNSUPPORTED ? "the URL can't be used" : "the URL is wrong";

	if (complaint->text != NULL && complaint->size > 0) {
		snprintf(complaint->text, complaint->size, "%s: %s%s", about, part, problem);
	}
	return status;
}

static int32_t invalid(const struct complaint *complaint, const char *part, const char *problem)
{
	return complain(complaint, REDISLOCK_INVALID_ARGUMENT, part, problem);
}

static struct rlk_slice between(const char *start, const char *end)
{
	return (struct rlk_slice) { start, (size_t)(end - start) };
}

/* The first of some characters, or the end. */
static const char *find(struct rlk_slice slice, const char *characters)
{
	const char *at = slice.data;
	const char *end = slice.data + slice.length;

	while (at < end && strchr(characters, *at) == NULL) {
		at++;
	}
	return at;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Decodes a part into a text of its own; part is its name in a complaint. */
static int32_t decode(struct rlk_slice raw, const char *part, char **text, const struct complaint *complaint)
{
	char *out = calloc(1, raw.length + 1);
	size_t length = 0;

	if (out == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	*text = out;
	for (size_t at = 0; at < raw.length; at++) {
		char c = raw.data[at];
		if (c == '%') {
			int high = raw.length - at > 2 ? hex_digit(raw.data[at + 1]) : -1;
			int low = high >= 0 ? hex_digit(raw.data[at + 2]) : -1;
			if (low < 0) {
				rlk_address_set(text, NULL);
				return invalid(complaint, part, " has a % that isn't followed by two hex digits");
			}
			c = (char)(high * 16 + low);
			at += 2;
		}
		if (c == '\0') {
			rlk_address_set(text, NULL);
			return invalid(complaint, part, " contains a NUL byte (%00)");
		}
		out[length++] = c;
	}
	return REDISLOCK_OK;
}

static bool parse_number(struct rlk_slice digits, int64_t max, int64_t *number)
{
	*number = 0;
	for (size_t i = 0; i < digits.length; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9') {
			return false;
		}
		*number = *number * 10 + (digits.data[i] - '0');
		if (*number > max) {
			return false;
		}
	}
	return digits.length > 0;
}

static int32_t parse_db(struct rlk_slice digits, struct rlk_address *address, const struct complaint *complaint)
{
	int64_t number;

	if (!parse_number(digits, INT32_MAX, &number)) {
		return invalid(complaint, "the database", " must be a number, as in /0 or ?db=0");
	}
	address->db = (int32_t)number;
	return REDISLOCK_OK;
}

static int32_t parse_credentials(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint)
{
	const char *end = raw.data + raw.length;
	const char *colon = find(raw, ":");
	int32_t status = REDISLOCK_OK;

	if (colon > raw.data) {
		status = decode(between(raw.data, colon), "the user", &address->user, complaint);
	}
	/* A user without a password gets an empty one from the greeting: the server may take any. */
	if (status == REDISLOCK_OK && end - colon > 1) {
		char *password = NULL;
		status = decode(between(colon + 1, end), "the password", &password, complaint);
		if (status == REDISLOCK_OK) {
			status = rlk_secret_set(&address->password, password);
		}
		rlk_address_set(&password, NULL);
	}
	return status;
}

static int32_t parse_bracketed(struct rlk_slice raw, char **host, const struct complaint *complaint)
{
	struct in6_addr ignored;
	char *scope;
	int32_t status = decode(raw, "the host", host, complaint);
	bool good;

	if (status != REDISLOCK_OK) {
		return status;
	}
	scope = strchr(*host, '%');
	if (scope != NULL) {
		*scope = '\0';
	}
	good = inet_pton(AF_INET6, *host, &ignored) == 1 && (scope == NULL || scope[1] != '\0');
	if (scope != NULL) {
		*scope = '%';
	}
	return good ? REDISLOCK_OK : invalid(complaint, "the host", " in brackets isn't an IPv6 address");
}

static int32_t parse_name(struct rlk_slice raw, char **host, const struct complaint *complaint)
{
	int32_t status = decode(raw, "the host", host, complaint);

	if (status != REDISLOCK_OK) {
		return status;
	}
	if ((*host)[0] == '\0') {
		return invalid(complaint, "the host", " is missing");
	}
	if (strlen(*host) > RLK_HOST_MAX) {
		return invalid(complaint, "the host", " is longer than 255 bytes");
	}
	for (const char *at = *host; *at != '\0'; at++) {
		if ((unsigned char)*at <= ' ' || *at == 0x7f || strchr("/@?#[]\\,", *at) != NULL) {
			return invalid(complaint, "the host", " contains a character that can't be in a host's name");
		}
	}
	return REDISLOCK_OK;
}

/* A host, and the port if it isn't the usual one, which stands there before. */
static int32_t parse_server(struct rlk_slice raw, char **host, uint16_t *port, const struct complaint *complaint)
{
	const char *end = raw.data + raw.length;
	const char *rest;
	int64_t number = *port;
	int32_t status;

	if (raw.length > 0 && raw.data[0] == '[') {
		const char *closing = find(raw, "]");
		if (closing == end) {
			return invalid(complaint, "the host", " has a [ without a ]");
		}
		status = parse_bracketed(between(raw.data + 1, closing), host, complaint);
		rest = closing + 1;
		if (status == REDISLOCK_OK && rest < end && *rest != ':') {
			return invalid(complaint, "after the host", " only a port can follow, as in [::1]:6379");
		}
	} else {
		rest = find(raw, ":");
		if (rest < end && find(between(rest + 1, end), ":") < end) {
			return invalid(complaint, "the host",
			               " has more than one colon: put an IPv6 address in brackets, "
			               "and write : and @ in a password as %3A and %40");
		}
		status = parse_name(between(raw.data, rest), host, complaint);
	}
	if (status == REDISLOCK_OK && rest < end &&
	    (!parse_number(between(rest + 1, end), UINT16_MAX, &number) || number == 0)) {
		return invalid(complaint, "the port",
		               " must be a number from 1 to 65535 (write / ? # in a password as %2F %3F %23)");
	}
	*port = (uint16_t)number;
	return status;
}

/* What TLS and sentinels need to know besides: KEY=VALUE&... The password is copied to where the caller wipes it. */
static int32_t parse_option_list(struct rlk_slice raw, struct rlk_address *address, char **password,
                                 const struct complaint *complaint)
{
	struct rlk_tls_files *files = &address->tls_files;
	const bool tls = address->tls, asks = address->sentinels.service != NULL;
	const struct {
		const char *key, *part;
		char **text;
		bool usable;
	} options[] = {
		{ "ca=", "ca", &files->authorities, tls },
		{ "ca_folder=", "ca_folder", &files->authority_folder, tls },
		{ "cert=", "cert", &files->certificate, tls },
		{ "key=", "key", &files->key, tls },
		{ "server_name=", "server_name", &files->server_name, tls },
		{ "sentinel_user=", "sentinel_user", &address->sentinels.user, asks },
		{ "sentinel_password=", "sentinel_password", password, asks },
	};
	enum { OPTIONS = sizeof options / sizeof options[0] };
	const char *possible = " there can be ca, ca_folder, cert, key and server_name, each once, "
	                       "as in ?ca=/etc/redis/ca.pem&server_name=redis";

	if (asks) {
		possible = tls ? " there can be ca, ca_folder, cert, key, server_name, sentinel_user and "
		                 "sentinel_password, each once"
		               : " there can be sentinel_user and sentinel_password, each once, "
		                 "as in ?sentinel_user=me&sentinel_password=word";
	}

	for (const char *at = raw.data, *end = raw.data + raw.length; at <= end;) {
		const char *next = find(between(at, end), "&#");
		int32_t status;
		size_t i = 0, length;
		while (i < OPTIONS && ((size_t)(next - at) < strlen(options[i].key) ||
		                       memcmp(at, options[i].key, strlen(options[i].key)) != 0)) {
			i++;
		}
		if (i == OPTIONS || !options[i].usable || *options[i].text != NULL || (next < end && *next == '#')) {
			return invalid(complaint, "after the ?", possible);
		}
		length = strlen(options[i].key);
		status = decode(between(at + length, next), options[i].part, options[i].text, complaint);
		if (status != REDISLOCK_OK) {
			return status;
		}
		if ((*options[i].text)[0] == '\0') {
			return invalid(complaint, options[i].part, " is empty");
		}
		at = next + 1;
	}
	return REDISLOCK_OK;
}

static int32_t parse_options(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint)
{
	const struct rlk_tls_files *files = &address->tls_files;
	char *password = NULL;
	int32_t status = parse_option_list(raw, address, &password, complaint);

	if (status == REDISLOCK_OK) {
		status = rlk_secret_set(&address->sentinels.password, password);
	}
	rlk_address_set(&password, NULL);
	if (status != REDISLOCK_OK) {
		return status;
	}
	if ((files->certificate == NULL) != (files->key == NULL)) {
		return invalid(complaint, "cert and key", " belong together");
	}
	if (address->sentinels.user != NULL && address->sentinels.password.text == NULL) {
		return invalid(complaint, "sentinel_user", " needs a sentinel_password");
	}
	return REDISLOCK_OK;
}

/* What stands before the hosts; servers is where these begin. The last @ counts, so that one in a password does no
 * harm. */
static int32_t parse_front(struct rlk_slice raw, const char **servers, struct rlk_address *address,
                           const struct complaint *complaint)
{
	*servers = raw.data;
	for (const char *at = raw.data; at < raw.data + raw.length; at++) {
		if (*at == '@') {
			*servers = at + 1;
		}
	}
	return *servers > raw.data ? parse_credentials(between(raw.data, *servers - 1), address, complaint)
	                           : REDISLOCK_OK;
}

/* Several, with commas between them. */
static int32_t parse_hosts(struct rlk_slice raw, uint16_t usual_port, struct rlk_address *address,
                           const struct complaint *complaint)
{
	for (const char *at = raw.data, *end = raw.data + raw.length; at <= end;) {
		const char *comma = find(between(at, end), ",");
		if (address->host_count == RLK_HOSTS) {
			return invalid(complaint, "the hosts", " are more than 16; some are enough");
		}
		struct rlk_host *host = &address->hosts[address->host_count++];
		host->port = usual_port;
		int32_t status = parse_server(between(at, comma), &host->name, &host->port, complaint);
		if (status != REDISLOCK_OK) {
			return status;
		}
		at = comma + 1;
	}
	return REDISLOCK_OK;
}

static int32_t parse_tcp(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint)
{
	const char *end = raw.data + raw.length;
	const char *slash = find(raw, "/?#");
	const char *query = find(raw, "?#");
	const char *server;
	int32_t status = parse_front(between(raw.data, slash), &server, address, complaint);

	if (status == REDISLOCK_OK && address->cluster) {
		status = parse_hosts(between(server, slash), DEFAULT_PORT, address, complaint);
	} else if (status == REDISLOCK_OK) {
		address->port = DEFAULT_PORT;
		status = parse_server(between(server, slash), &address->host, &address->port, complaint);
	}
	if (status == REDISLOCK_OK && address->tls && query < end && *query == '?') {
		status = parse_options(between(query + 1, end), address, complaint);
		end = query;
	}
	if (status == REDISLOCK_OK && query < end) {
		return invalid(complaint, "after the database",
		               " nothing can follow (write ? # in a password as %3F %23)");
	}
	if (status == REDISLOCK_OK && end - slash > 1) { /* without the query */
		status = parse_db(between(slash + 1, end), address, complaint);
	}
	if (status == REDISLOCK_OK && address->cluster && address->db != 0) {
		return invalid(complaint, "the database", " of a cluster is always 0");
	}
	return status;
}

static int32_t parse_service(struct rlk_slice raw, char **service, const struct complaint *complaint)
{
	int32_t status = decode(raw, "the service", service, complaint);

	if (status != REDISLOCK_OK) {
		return status;
	}
	if ((*service)[0] == '\0') {
		return invalid(complaint, "the service",
		               " is missing: the name that the sentinels know, as in redis+sentinel://host/mymaster");
	}
	if (strlen(*service) > SERVICE_MAX) {
		return invalid(complaint, "the service", " is longer than 255 bytes");
	}
	for (const char *at = *service; *at != '\0'; at++) {
		if ((unsigned char)*at <= ' ' || *at == 0x7f) {
			return invalid(complaint, "the service", " contains a character that can't be in its name");
		}
	}
	return REDISLOCK_OK;
}

static int32_t parse_sentinel(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint)
{
	const char *end = raw.data + raw.length;
	const char *slash = find(raw, "/?#");
	const char *query = find(raw, "?#");
	const char *service = slash < query ? slash + 1 : slash;
	const char *service_end = find(between(service, query), "/");
	const char *servers;
	int32_t status = parse_front(between(raw.data, slash), &servers, address, complaint);

	if (status == REDISLOCK_OK) {
		status = parse_hosts(between(servers, slash), SENTINEL_PORT, address, complaint);
	}
	if (status == REDISLOCK_OK) {
		status = parse_service(between(service, service_end), &address->sentinels.service, complaint);
	}
	if (status == REDISLOCK_OK && query - service_end > 1) {
		status = parse_db(between(service_end + 1, query), address, complaint);
	}
	if (status == REDISLOCK_OK && query < end) {
		status = *query == '?' ? parse_options(between(query + 1, end), address, complaint)
		                       : invalid(complaint, "after the database",
		                                 " nothing can follow (write ? # in a password as %3F %23)");
	}
	return status;
}

static int32_t parse_unix(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint)
{
	const char *end = raw.data + raw.length;
	const char *query = find(raw, "?#");
	int32_t status;

	if (raw.length == 0 || raw.data[0] != '/') {
		return invalid(complaint, "the path", " must begin with a slash, as in unix:///run/redis.sock");
	}
	status = decode(between(raw.data, query), "the path", &address->path, complaint);
	if (status != REDISLOCK_OK) {
		return status;
	}
	if (strlen(address->path) >= sizeof((struct sockaddr_un *)NULL)->sun_path) {
		return invalid(complaint, "the path", " is too long for a unix socket");
	}
	if (query == end) {
		return REDISLOCK_OK;
	}
	if (end - query < 4 || memcmp(query, "?db=", 4) != 0) {
		return invalid(complaint, "after the path", " only ?db= and a number can follow");
	}
	return parse_db(between(query + 4, end), address, complaint);
}

static int32_t parse(const char *url, struct rlk_address *address, const struct complaint *complaint)
{
	static const struct {
		const char *name;
		int32_t (*parse)(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint);
		bool tls, cluster;
	} schemes[] = {
		{ "redis://", parse_tcp, false, false },
		{ "rediss://", parse_tcp, true, false },
		{ "redis+sentinel://", parse_sentinel, false, false },
		{ "rediss+sentinel://", parse_sentinel, true, false },
		{ "redis+cluster://", parse_tcp, false, true },
		{ "rediss+cluster://", parse_tcp, true, true },
		{ "unix://", parse_unix, false, false },
	};

	if (url == NULL) {
		return invalid(complaint, "there", " is none");
	}
	if (strnlen(url, URL_MAX + 1) > URL_MAX) {
		return invalid(complaint, "it", " is longer than 4096 bytes");
	}
	if (strstr(url, "://") == NULL) {
		return invalid(complaint, "it", " must begin with " SCHEMES);
	}
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t length = strlen(schemes[i].name);
		if (strncasecmp(url, schemes[i].name, length) != 0) {
			continue;
		}
		if (schemes[i].tls && !rlk_tls_built) {
			return complain(complaint, REDISLOCK_UNSUPPORTED, schemes[i].name, " needs a build with TLS");
		}
		address->tls = schemes[i].tls;
		address->cluster = schemes[i].cluster;
		return schemes[i].parse(between(url + length, url + strlen(url)), address, complaint);
	}
	return complain(complaint, REDISLOCK_UNSUPPORTED, "its scheme", " is not supported: use " SCHEMES);
}

int32_t rlk_address_parse(const char *url, struct rlk_address *address, char *text, size_t size)
{
	const struct complaint complaint = { text, size };
	int32_t status;

	if (text != NULL && size > 0) {
		text[0] = '\0';
	}
	memset(address, 0, sizeof *address);
	status = parse(url, address, &complaint);
	if (status != REDISLOCK_OK) {
		rlk_address_clear(address);
	}
	if (status == REDISLOCK_NO_MEMORY && text != NULL && size > 0) {
		snprintf(text, size, "out of memory");
	}
	return status;
}
