/* SPDX-License-Identifier: MIT
 *
 * A table of nodes that live in what they find. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(struct rlk_slice key)
{
	uint64_t hash = 14695981039346656037u; /* FNV-1a */
	for (size_t i = 0; i < key.length; i++) {
		hash = (hash ^ (uint8_t)key.data[i]) * 1099511628211u;
	}
	return hash;
}

static struct rlk_node **bucket_of(const struct rlk_table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->capacity - 1)];
}

struct rlk_node *rlk_table_find(const struct rlk_table *table, struct rlk_slice key)
{
	if (table->count == 0) {
		return NULL;
	}
	uint64_t hash = hash_of(key);
	struct rlk_node *node = *bucket_of(table, hash);
	while (node != NULL && (node->hash != hash || node->key.length != key.length ||
	                        memcmp(node->key.data, key.data, key.length) != 0)) {
		node = node->next;
	}
	return node;
}

static bool grow(struct rlk_table *table)
{
	size_t capacity = table->capacity > 0 ? table->capacity * 2 : 16;
	struct rlk_node **buckets = calloc(capacity, sizeof(struct rlk_node *));
	if (buckets == NULL) {
		return false;
	}
	struct rlk_table grown = { buckets, capacity, table->count };
	for (size_t i = 0; i < table->capacity; i++) {
		for (struct rlk_node *node = table->buckets[i], *next; node != NULL; node = next) {
			struct rlk_node **bucket = bucket_of(&grown, node->hash);
			next = node->next;
			node->next = *bucket;
			*bucket = node;
		}
	}
	free(table->buckets);
	*table = grown;
	return true;
}

bool rlk_table_add(struct rlk_table *table, struct rlk_node *node, struct rlk_slice key)
{
	if (table->count >= table->capacity && !grow(table) && table->capacity == 0) {
		return false;
	}
	node->key = key;
	node->hash = hash_of(key);
	struct rlk_node **bucket = bucket_of(table, node->hash);
	node->next = *bucket;
	*bucket = node;
	table->count++;
	return true;
}

void rlk_table_remove(struct rlk_table *table, struct rlk_node *node)
{
	struct rlk_node **at = bucket_of(table, node->hash);
	while (*at != node) {
		at = &(*at)->next;
	}
	*at = node->next;
	table->count--;
}

struct rlk_node *rlk_table_next(const struct rlk_table *table, const struct rlk_node *node)
{
	if (node != NULL && node->next != NULL) {
		return node->next;
	}
	size_t i = node != NULL ? (node->hash & (table->capacity - 1)) + 1 : 0;
	while (i < table->capacity && table->buckets[i] == NULL) {
		i++;
	}
	return i < table->capacity ? table->buckets[i] : NULL;
}

void rlk_table_clear(struct rlk_table *table)
{
	free(table->buckets);
	*table = (struct rlk_table) { 0 };
}
