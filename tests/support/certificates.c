/* SPDX-License-Identifier: MIT
 *
 * Certificates, made by OpenSSL. */
#include "certificates.h"

#include "test.h"

#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY (24L * 60 * 60)

static FILE *open_file(const char *folder, const char *name, const char *ending, const char *mode)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.%s", folder, name, ending);
	file = fopen(path, mode);
	assert_non_null(file);
	return file;
}

static void add_extension(X509 *x509, int kind, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, x509, x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static X509 *read_certificate(const char *folder, const char *name)
{
	FILE *file = open_file(folder, name, "pem", "r");
	X509 *x509 = PEM_read_X509(file, NULL, NULL, NULL);

	fclose(file);
	assert_non_null(x509);
	return x509;
}

static EVP_PKEY *read_key(const char *folder, const char *name)
{
	FILE *file = open_file(folder, name, "key", "r");
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);

	fclose(file);
	assert_non_null(key);
	return key;
}

static void sign(const char *folder, X509 *x509, EVP_PKEY *key, const char *signer)
{
	X509 *by = signer != NULL ? read_certificate(folder, signer) : x509;
	EVP_PKEY *with = signer != NULL ? read_key(folder, signer) : key;

	assert_int_equal(X509_set_issuer_name(x509, X509_get_subject_name(by)), 1);
	assert_true(X509_sign(x509, with, EVP_sha256()) > 0);
	if (signer != NULL) {
		X509_free(by);
		EVP_PKEY_free(with);
	}
}

static void write_files(const char *folder, const char *name, X509 *x509, EVP_PKEY *key)
{
	FILE *file = open_file(folder, name, "pem", "w");

	assert_int_equal(PEM_write_X509(file, x509), 1);
	assert_int_equal(fclose(file), 0);
	file = open_file(folder, name, "key", "w");
	assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(fclose(file), 0);
}

void test_certificate_make(const char *folder, const struct test_certificate *certificate)
{
	static long serial;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x509 = X509_new();

	assert_non_null(key);
	assert_non_null(x509);
	X509_set_version(x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x509), -10 * DAY);
	X509_gmtime_adj(X509_getm_notAfter(x509), certificate->days * DAY);
	X509_set_pubkey(x509, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
	                           (const unsigned char *)certificate->name, -1, -1, 0);
	if (certificate->hosts != NULL) {
		add_extension(x509, NID_subject_alt_name, certificate->hosts);
	} else {
		add_extension(x509, NID_basic_constraints, "critical,CA:TRUE");
	}
	sign(folder, x509, key, certificate->signer);
	write_files(folder, certificate->name, x509, key);
	X509_free(x509);
	EVP_PKEY_free(key);
}
