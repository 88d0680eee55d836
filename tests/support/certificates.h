/* SPDX-License-Identifier: MIT
 *
 * Certificates of the test's own: PEM files in a folder, each as NAME.pem and NAME.key. */
#ifndef TEST_CERTIFICATES_H
#define TEST_CERTIFICATES_H

struct test_certificate {
	const char *name;
	const char *signer; /* the name of one that was made before; NULL: itself */
	const char *hosts;  /* as in "DNS:localhost,IP:127.0.0.1"; NULL: it is an authority */
	long days;          /* until it expires, counted from now */
};

void test_certificate_make(const char *folder, const struct test_certificate *certificate);

#endif
