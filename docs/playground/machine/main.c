/* SPDX-License-Identifier: MIT */
/*
 * main.c: the machine as a program of the host, for the tests.
 *
 *     host ARCHIVE LEVEL
 *
 * Reads operations, one a line. For the start and for each of them prints two lines: what went
 * wrong ("done" if nothing), and the state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "machine.h"

static void print_state(const char *outcome)
{
	printf("%s\n%s\n", outcome, machine_state());
}

void outside_write(const char *text, size_t nr_bytes)
{
	fwrite(text, 1, nr_bytes, stderr);
}

_Noreturn void outside_waits(void)
{
	print_state("waits");
	exit(0);
}

_Noreturn void outside_panicked(void)
{
	print_state("panicked");
	exit(0);
}

static size_t read_archive(const char *name)
{
	FILE *file = fopen(name, "rb");
	size_t nr_bytes;

	if (!file) {
		perror(name);
		exit(2);
	}
	nr_bytes = fread(phys_to_virt(MACHINE_RAM_END), 1, MACHINE_END - MACHINE_RAM_END, file);
	fclose(file);
	return nr_bytes;
}

int main(int nr_arguments, char **arguments)
{
	void *wanted = phys_to_virt(0);
	char words[64];

	if (nr_arguments != 3) {
		fputs("usage: host ARCHIVE LEVEL\n", stderr);
		return 2;
	}
	if (mmap(wanted, MACHINE_END, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) != wanted) {
		perror("host: no memory for the machine's RAM");
		return 2;
	}
	machine_start(read_archive(arguments[1]), (unsigned)atoi(arguments[2]));
	print_state("done");
	while (fgets(words, sizeof(words), stdin)) {
		char *end = strchr(words, '\n');
		const char *wrong;

		if (end)
			*end = '\0';
		wrong = machine_do(words);
		print_state(wrong ? wrong : "done");
	}
	return 0;
}
