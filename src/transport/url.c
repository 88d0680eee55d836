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
#define DEFAULT_PORT 6379

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

static void wipe(char **text)
{
	if (*text != NULL) {
		explicit_bzero(*text, strlen(*text));
		free(*text);
		*text = NULL;
	}
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
				wipe(text);
				return invalid(complaint, part, " has a % that isn't followed by two hex digits");
			}
			c = (char)(high * 16 + low);
			at += 2;
		}
		if (c == '\0') {
			wipe(text);
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
		wipe(&password);
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

static int32_t parse_server(struct rlk_slice raw, char **host, uint16_t *port, const struct complaint *complaint)
{
	const char *end = raw.data + raw.length;
	const char *rest;
	int64_t number = DEFAULT_PORT;
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

/* Nodes of a cluster, with commas between them. */
static int32_t parse_seeds(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint)
{
	for (const char *at = raw.data, *end = raw.data + raw.length; at <= end;) {
		const char *comma = find(between(at, end), ",");
		if (address->seed_count == RLK_SEEDS) {
			return invalid(complaint, "it", " names more than 16 nodes; some are enough");
		}
		struct rlk_host *seed = &address->seeds[address->seed_count++];
		int32_t status = parse_server(between(at, comma), &seed->name, &seed->port, complaint);
		if (status != REDISLOCK_OK) {
			return status;
		}
		at = comma + 1;
	}
	return REDISLOCK_OK;
}

/* What TLS needs to know besides: KEY=VALUE&... */
static int32_t parse_tls(struct rlk_slice raw, struct rlk_address *address, const struct complaint *complaint)
{
	struct rlk_tls_files *files = &address->tls_files;
	const struct {
		const char *key, *part;
		char **text;
	} options[] = {
		{ "ca=", "ca", &files->authorities },
		{ "ca_folder=", "ca_folder", &files->authority_folder },
		{ "cert=", "cert", &files->certificate },
		{ "key=", "key", &files->key },
		{ "server_name=", "server_name", &files->server_name },
	};
	enum { OPTIONS = sizeof options / sizeof options[0] };

	for (const char *at = raw.data, *end = raw.data + raw.length; at <= end;) {
		const char *next = find(between(at, end), "&#");
		int32_t status;
		size_t i = 0, length;
		while (i < OPTIONS && ((size_t)(next - at) < strlen(options[i].key) ||
		                       memcmp(at, options[i].key, strlen(options[i].key)) != 0)) {
			i++;
		}
		if (i == OPTIONS || *options[i].text != NULL || (next < end && *next == '#')) {
			return invalid(complaint, "after the ?",
			               " there can be ca, ca_folder, cert, key and server_name, each once, "
			               "as in ?ca=/etc/redis/ca.pem&server_name=redis");
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
	if ((files->certificate == NULL) != (files->key == NULL)) {
		return invalid(complaint, "cert and key", " belong together");
	}
	return REDISLOCK_OK;
}

static int32_t parse_tcp(struct rlk_slice raw, bool cluster, struct rlk_address *address,
                         const struct complaint *complaint)
{
	const char *end = raw.data + raw.length;
	const char *slash = find(raw, "/?#");
	const char *query = find(raw, "?#");
	const char *server = raw.data;
	int32_t status = REDISLOCK_OK;

	/* The last @ counts, so that one in a password does no harm. */
	for (const char *at = raw.data; at < slash; at++) {
		if (*at == '@') {
			server = at + 1;
		}
	}
	if (server > raw.data) {
		status = parse_credentials(between(raw.data, server - 1), address, complaint);
	}
	if (status == REDISLOCK_OK && cluster) {
		status = parse_seeds(between(server, slash), address, complaint);
	} else if (status == REDISLOCK_OK) {
		status = parse_server(between(server, slash), &address->host, &address->port, complaint);
	}
	if (status == REDISLOCK_OK && address->tls && query < end && *query == '?') {
		status = parse_tls(between(query + 1, end), address, complaint);
		end = query;
	}
	if (status == REDISLOCK_OK && query < end) {
		return invalid(complaint, "after the database",
		               " nothing can follow (write ? # in a password as %3F %23)");
	}
	if (status == REDISLOCK_OK && end - slash > 1) { /* without the query */
		status = parse_db(between(slash + 1, end), address, complaint);
	}
	if (status == REDISLOCK_OK && cluster && address->db != 0) {
		return invalid(complaint, "the database", " of a cluster is always 0");
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

static bool has_scheme(const char *url, const char *scheme)
{
	return strncasecmp(url, scheme, strlen(scheme)) == 0;
}

static int32_t parse(const char *url, struct rlk_address *address, const struct complaint *complaint)
{
	static const char *const absent[] = { "redis+sentinel://" };
	const char *start;
	struct rlk_slice rest;
	bool cluster;

	if (url == NULL) {
		return invalid(complaint, "there", " is none");
	}
	if (strnlen(url, URL_MAX + 1) > URL_MAX) {
		return invalid(complaint, "it", " is longer than 4096 bytes");
	}
	start = strstr(url, "://");
	if (start == NULL) {
		return invalid(complaint, "it", " must begin with redis://, rediss://, redis+cluster:// or unix://");
	}
	rest = between(start + 3, url + strlen(url));
	cluster = has_scheme(url, "redis+cluster://") || has_scheme(url, "rediss+cluster://");
	if (has_scheme(url, "rediss://") || has_scheme(url, "rediss+cluster://")) {
		if (!rlk_tls_built) {
			return complain(complaint, REDISLOCK_UNSUPPORTED, "rediss://", " needs a build with TLS");
		}
		address->tls = true;
	}
	if (has_scheme(url, "redis://") || address->tls || cluster) {
		return parse_tcp(rest, cluster, address, complaint);
	}
	if (has_scheme(url, "unix://")) {
		return parse_unix(rest, address, complaint);
	}
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		if (has_scheme(url, absent[i])) {
			return complain(complaint, REDISLOCK_UNSUPPORTED, absent[i], " is not supported by this build");
		}
	}
	return complain(complaint, REDISLOCK_UNSUPPORTED, "its scheme",
	                " is not supported: use redis://, rediss://, redis+cluster:// or unix://");
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

int32_t rlk_address_set(char **text, const char *value)
{
	char *copy = NULL;

	if (value != NULL) {
		copy = strdup(value);
		if (copy == NULL) {
			return REDISLOCK_NO_MEMORY;
		}
	}
	wipe(text);
	*text = copy;
	return REDISLOCK_OK;
}

void rlk_address_clear(struct rlk_address *address)
{
	for (size_t i = 0; i < address->seed_count; i++) {
		wipe(&address->seeds[i].name);
	}
	wipe(&address->host);
	wipe(&address->path);
	wipe(&address->user);
	rlk_secret_clear(&address->password);
	wipe(&address->client_name);
	wipe(&address->tls_files.authorities);
	wipe(&address->tls_files.authority_folder);
	wipe(&address->tls_files.certificate);
	wipe(&address->tls_files.key);
	wipe(&address->tls_files.server_name);
	memset(address, 0, sizeof *address);
}
