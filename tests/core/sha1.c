/* SPDX-License-Identifier: MIT
 *
 * SHA-1 (FIPS 180-4), for nothing but the names of scripts. */
#include "sha1.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64, ROUNDS = 80 };

static uint32_t rotate(uint32_t word, int bits)
{
	return word << bits | word >> (32 - bits);
}

static void take_block(uint32_t hash[5], const unsigned char block[BLOCK])
{
	uint32_t word[ROUNDS], a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
	for (size_t i = 0; i < ROUNDS; i++) {
		word[i] = i < 16 ? (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		                           (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3]
		                 : rotate(word[i - 3] ^ word[i - 8] ^ word[i - 14] ^ word[i - 16], 1);
	}
	for (size_t i = 0; i < ROUNDS; i++) {
		uint32_t mix = i < 20   ? ((b & c) | (~b & d)) + 0x5a827999
		               : i < 40 ? (b ^ c ^ d) + 0x6ed9eba1
		               : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
		                        : (b ^ c ^ d) + 0xca62c1d6;
		uint32_t next = rotate(a, 5) + mix + e + word[i];
		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	hash[0] += a;
	hash[1] += b;
	hash[2] += c;
	hash[3] += d;
	hash[4] += e;
}

void sha1_hex(const char *bytes, size_t length, char hex[41])
{
	uint32_t hash[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	unsigned char last[2 * BLOCK] = { 0 };
	size_t rest = length % BLOCK, padded = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
	for (size_t at = 0; at + BLOCK <= length; at += BLOCK) {
		take_block(hash, (const unsigned char *)bytes + at);
	}
	memcpy(last, bytes + length - rest, rest);
	last[rest] = 0x80;
	for (size_t i = 0; i < 8; i++) {
		last[padded - 1 - i] = (unsigned char)((uint64_t)length * 8 >> 8 * i);
	}
	for (size_t at = 0; at < padded; at += BLOCK) {
		take_block(hash, last + at);
	}
	for (size_t i = 0; i < 5; i++) {
		snprintf(hex + 8 * i, 9, "%08x", (unsigned)hash[i]);
	}
}
