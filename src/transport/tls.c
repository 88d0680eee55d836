/* SPDX-License-Identifier: MIT
 *
 * TLS by OpenSSL, over a BIO that uses the same sockets as everything else: so nothing raises SIGPIPE, nothing blocks,
 * and no release of hiredis matters. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

const bool rlk_tls_built = true;

static bool fail(struct rlk_tls *tls, int32_t status, const char *problem)
{
	tls->status = status;
	snprintf(tls->text, sizeof tls->text, "%s", problem);
	return false;
}

/* What goes wrong with a file of the user's: what it is for, its name, and OpenSSL's reason. */
static bool fail_by_file(struct rlk_tls *tls, const char *what, const char *path)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	tls->status = REDISLOCK_INVALID_ARGUMENT;
	snprintf(tls->text, sizeof tls->text, "%s can't be used (%s): %s", what,
	         reason != NULL ? reason : "unknown reason", path);
	return false;
}

static bool fail_by_memory(struct rlk_tls *tls)
{
	return fail(tls, REDISLOCK_NO_MEMORY, "out of memory for TLS");
}

/* ---- the bytes below ---- */

static int fd_of(BIO *bio)
{
	const struct rlk_tls *tls = BIO_get_data(bio);

	return tls->fd;
}

static int bio_write(BIO *bio, const char *data, int length)
{
	ssize_t sent = rlk_socket_send(fd_of(bio), data, (size_t)length);

	BIO_clear_retry_flags(bio);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		BIO_set_retry_write(bio);
	}
	return (int)sent;
}

static int bio_read(BIO *bio, char *data, int size)
{
	ssize_t received = rlk_socket_receive(fd_of(bio), data, (size_t)size);

	BIO_clear_retry_flags(bio);
	if (received < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
		BIO_set_retry_read(bio);
	}
	return (int)received;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static bool make_bio(struct rlk_tls *tls)
{
	BIO *bio;

	tls->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "redislock");
	if (tls->method == NULL || BIO_meth_set_write(tls->method, bio_write) != 1 ||
	    BIO_meth_set_read(tls->method, bio_read) != 1 || BIO_meth_set_ctrl(tls->method, bio_control) != 1) {
		return false;
	}
	bio = BIO_new(tls->method);
	if (bio == NULL) {
		return false;
	}
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	return true;
}

/* ---- whom to trust, and who we are ---- */

/* Never ask a person for the phrase of a key: nobody may be there. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL wants this type */
static int no_phrase(char *buffer, int size, int writing, void *data)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)data;
	return 0;
}

static bool load_authorities(struct rlk_tls *tls, const struct rlk_tls_files *files)
{
	if (files->authorities == NULL && files->authority_folder == NULL) {
		return SSL_CTX_set_default_verify_paths(tls->context) == 1 || fail_by_memory(tls);
	}
	if (files->authorities != NULL && SSL_CTX_load_verify_file(tls->context, files->authorities) != 1) {
		return fail_by_file(tls, "the file of certificate authorities", files->authorities);
	}
	if (files->authority_folder != NULL && SSL_CTX_load_verify_dir(tls->context, files->authority_folder) != 1) {
		return fail_by_file(tls, "the folder of certificate authorities", files->authority_folder);
	}
	return true;
}

static bool load_certificate(struct rlk_tls *tls, const struct rlk_tls_files *files)
{
	if (files->certificate == NULL) {
		return true;
	}
	if (SSL_CTX_use_certificate_chain_file(tls->context, files->certificate) != 1) {
		return fail_by_file(tls, "the client's certificate", files->certificate);
	}
	if (SSL_CTX_use_PrivateKey_file(tls->context, files->key, SSL_FILETYPE_PEM) != 1) {
		return fail_by_file(tls, "the key of the client's certificate", files->key);
	}
	return true;
}

static bool make_context(struct rlk_tls *tls, const struct rlk_tls_files *files)
{
	/* No handler at the process's exit: a keeper may still run then. */
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL) != 1) {
		return fail_by_memory(tls);
	}
	tls->context = SSL_CTX_new(TLS_client_method());
	if (tls->context == NULL) {
		return fail_by_memory(tls);
	}
	SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(tls->context, no_phrase);
	SSL_CTX_set_verify(tls->context, files->unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	return (files->unverified || load_authorities(tls, files)) && load_certificate(tls, files);
}

/* An address is verified as one, and is no name to ask for. */
static bool expect_host(struct rlk_tls *tls, const char *host)
{
	struct rlk_peer ignored;
	char name[256]; /* OpenSSL's macro takes no constant */

	if (rlk_peer_numeric(&ignored, host, 0)) {
		char address[INET6_ADDRSTRLEN];
		snprintf(address, sizeof address, "%.*s", (int)strcspn(host, "%"), host);
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), address) == 1;
	}
	SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	snprintf(name, sizeof name, "%s", host);
	return SSL_set1_host(tls->ssl, name) == 1 && SSL_set_tlsext_host_name(tls->ssl, name) == 1;
}

bool rlk_tls_start(struct rlk_tls *tls, int fd, const char *host, const struct rlk_tls_files *files)
{
	ERR_clear_error();
	tls->fd = fd;
	tls->status = REDISLOCK_OK;
	if (!make_context(tls, files)) {
		return false;
	}
	tls->ssl = SSL_new(tls->context);
	if (tls->ssl == NULL || !make_bio(tls) ||
	    !expect_host(tls, files->server_name != NULL ? files->server_name : host)) {
		return fail_by_memory(tls);
	}
	SSL_set_connect_state(tls->ssl);
	return true;
}

void rlk_tls_stop(struct rlk_tls *tls)
{
	/* Without a word to the server, as a child after a fork must do it. */
	SSL_free(tls->ssl);
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->method);
	tls->ssl = NULL;
	tls->context = NULL;
	tls->method = NULL;
}

/* ---- what went wrong ---- */

static const char *distrust(long result)
{
	switch (result) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "the server's certificate is for another host: connect by a name that is in it, or set the name "
		       "to expect";
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return "the server's certificate, or one that it rests on, has expired: renew it";
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return "the server's certificate isn't valid yet: check the clocks";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		return "the server's certificate is signed by itself: to trust it, give it as the certificate "
		       "authority";
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "the server's certificate is signed by nobody whom this client trusts: give the file of its "
		       "certificate authority";
	case X509_V_ERR_CERT_REVOKED:
		return "the server's certificate was revoked";
	default:
		return NULL;
	}
}

static bool fail_by_alert(struct rlk_tls *tls, int reason, bool shaken)
{
	switch (reason) {
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
		return fail(tls, REDISLOCK_AUTHENTICATION,
		            "the server broke off: it wants a certificate of the client, or none of its ciphers is "
		            "known here");
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
		return fail(tls, REDISLOCK_AUTHENTICATION, "the server doesn't take the client's certificate");
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_BAD_PROTOCOL_VERSION_NUMBER:
		return fail(tls, shaken ? REDISLOCK_CONNECTION_LOST : REDISLOCK_PROTOCOL,
		            "the server doesn't speak TLS there: use its TLS port, or redis:// without TLS");
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		return fail(tls, REDISLOCK_UNTRUSTED, "the server speaks no TLS that is safe: it takes 1.2 or later");
	default:
		return false;
	}
}

/* Sets what is known of the failure of a call. False, for the ease of its callers. */
static bool explain(struct rlk_tls *tls, int kind, int error, bool shaken)
{
	unsigned long last = ERR_peek_last_error();
	long verified = SSL_get_verify_result(tls->ssl);
	char text[160];

	if (kind == SSL_ERROR_SYSCALL || kind == SSL_ERROR_ZERO_RETURN ||
	    ERR_GET_REASON(last) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		/* Below TLS: the socket's own trouble is told by its errno, and its end by EPIPE. */
		bool ended = kind != SSL_ERROR_SYSCALL || error == 0;
		tls->status = REDISLOCK_OK;
		tls->error = ended ? EPIPE : error;
		return false;
	}
	if (!shaken && verified != X509_V_OK && ERR_GET_REASON(last) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		const char *problem = distrust(verified);
		if (problem != NULL) {
			return fail(tls, REDISLOCK_UNTRUSTED, problem);
		}
		snprintf(text, sizeof text, "the server's certificate can't be trusted: %s",
		         X509_verify_cert_error_string(verified));
		return fail(tls, REDISLOCK_UNTRUSTED, text);
	}
	if (fail_by_alert(tls, ERR_GET_REASON(last), shaken) || tls->status != REDISLOCK_OK) {
		return false;
	}
	snprintf(text, sizeof text, "TLS failed: %s",
	         ERR_reason_error_string(last) != NULL ? ERR_reason_error_string(last) : "unknown reason");
	return fail(tls, shaken ? REDISLOCK_CONNECTION_LOST : REDISLOCK_UNTRUSTED, text);
}

/* ---- the bytes above ---- */

enum rlk_tls_step rlk_tls_shake(struct rlk_tls *tls)
{
	int done, kind, error;

	ERR_clear_error();
	errno = 0;
	done = SSL_do_handshake(tls->ssl);
	error = errno;
	if (done == 1) {
		return RLK_TLS_DONE;
	}
	kind = SSL_get_error(tls->ssl, done);
	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
		return kind == SSL_ERROR_WANT_READ ? RLK_TLS_READ : RLK_TLS_WRITE;
	}
	explain(tls, kind, error, false);
	return RLK_TLS_FAILED;
}

static ssize_t outcome(struct rlk_tls *tls, int result, int error)
{
	int kind;

	if (result > 0) {
		return result;
	}
	kind = SSL_get_error(tls->ssl, result);
	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	explain(tls, kind, error, true);
	errno = tls->status != REDISLOCK_OK ? EPROTO : tls->error;
	return -1;
}

ssize_t rlk_tls_send(struct rlk_tls *tls, const void *data, size_t length)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_write(tls->ssl, data, length < INT32_MAX ? (int)length : INT32_MAX);
	return outcome(tls, result, errno);
}

ssize_t rlk_tls_receive(struct rlk_tls *tls, void *data, size_t size)
{
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_read(tls->ssl, data, size < INT32_MAX ? (int)size : INT32_MAX);
	return outcome(tls, result, errno);
}
