/* SPDX-License-Identifier: MIT
 *
 * Gives a fuzzing target the files of a corpus, where there is no fuzzer: replay FILE... */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t data[65536], *exact;
	size_t size;

	if (file == NULL) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	/* So that a sanitizer sees where it ends. */
	exact = malloc(size > 0 ? size : 1);
	if (exact == NULL)
		return 1;
	for (size_t i = 0; i < size; i++)
		exact[i] = data[i];
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

int main(int count, char **arguments)
{
	if (count < 2) {
		fprintf(stderr, "replay FILE...\n");
		return 64;
	}
	for (int i = 1; i < count; i++)
		if (replay(arguments[i]) != 0)
			return 1;
	return 0;
}
