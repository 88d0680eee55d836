/* SPDX-License-Identifier: MIT */
#include "engine.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

#define NODES 1000

static struct rlk_table table;
static struct rlk_node nodes[NODES];
static char keys[NODES][16];

static struct rlk_slice key(size_t i)
{
	snprintf(keys[i], sizeof(keys[i]), "key %zu", i);
	return (struct rlk_slice) { keys[i], strlen(keys[i]) };
}

static int stop(void **state)
{
	(void)state;
	rlk_table_clear(&table);
	return 0;
}

static void what_was_added_is_found_and_nothing_else(void **state)
{
	(void)state;
	assert_null(rlk_table_find(&table, key(0)));
	for (size_t i = 0; i < NODES; i += 2)
		assert_true(rlk_table_add(&table, &nodes[i], key(i)));
	for (size_t i = 0; i < NODES; i++)
		assert_ptr_equal(rlk_table_find(&table, key(i)), i % 2 == 0 ? &nodes[i] : NULL);
	for (size_t i = 0; i < NODES; i += 4)
		rlk_table_remove(&table, &nodes[i]);
	for (size_t i = 0; i < NODES; i++)
		assert_ptr_equal(rlk_table_find(&table, key(i)), i % 4 == 2 ? &nodes[i] : NULL);
}

static void keys_are_bytes(void **state)
{
	const struct rlk_slice one = { "a\0b", 3 }, other = { "a\0c", 3 }, shorter = { "a\0b", 2 };

	(void)state;
	assert_true(rlk_table_add(&table, &nodes[0], one));
	assert_ptr_equal(rlk_table_find(&table, one), &nodes[0]);
	assert_null(rlk_table_find(&table, other));
	assert_null(rlk_table_find(&table, shorter));
}

static void walk_comes_to_each_node_once(void **state)
{
	size_t seen = 0;

	(void)state;
	assert_null(rlk_table_next(&table, NULL));
	for (size_t i = 0; i < NODES; i++)
		assert_true(rlk_table_add(&table, &nodes[i], key(i)));
	for (struct rlk_node *node = rlk_table_next(&table, NULL); node != NULL; node = rlk_table_next(&table, node)) {
		keys[node - nodes][0]++;
		seen++;
	}
	assert_int_equal(seen, NODES);
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(keys[i][0], 'k' + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_was_added_is_found_and_nothing_else, stop),
		cmocka_unit_test_teardown(keys_are_bytes, stop),
		cmocka_unit_test_teardown(walk_comes_to_each_node_once, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
