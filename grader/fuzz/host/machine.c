/* SPDX-License-Identifier: MIT */
/*
 * machine.c: what stands below the code that is tried: heap, console, panic, RAM.
 *
 * The heap is the process's, so that AddressSanitizer sees every object's bounds and life.
 * A panic ends the work that was under way, as it ends the kernel, and leaves its message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "console.h"
#include "fuzz.h"
#include "heap.h"
#include "memory.h"
#include "panic.h"
#include "watchdog.h"

#define CONSOLE_BYTES (1 << 20)         /* of text that is kept */

_Noreturn void broken(const char *file, int line, const char *condition, const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	fprintf(stderr, "%s:%d: not kept: %s: ", file, line, condition);
	vfprintf(stderr, message, arguments);
	fputc('\n', stderr);
	abort();
}

void *exact_copy(const void *bytes, size_t nr_bytes)
{
	void *copy = malloc(nr_bytes);

	if (nr_bytes > 0)
		memcpy(copy, bytes, nr_bytes);
	return copy;
}

char *text_copy(const uint8_t *bytes, size_t nr_bytes)
{
	size_t length = nr_bytes == 0 ? 0 : strnlen((const char *)bytes, nr_bytes);
	char *text = malloc(length + 1);

	if (length > 0)
		memcpy(text, bytes, length);
	text[length] = '\0';
	return text;
}

uint8_t take_byte(struct input *input)
{
	if (input->nr_left == 0)
		return 0;
	input->nr_left--;
	return *input->next++;
}

uint64_t take_long(struct input *input)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 8)
		value |= (uint64_t)take_byte(input) << shift;
	return value;
}

char console_text[CONSOLE_BYTES];
static size_t console_bytes;

void machine_begin(void)
{
	heap_fail_at(0);
	console_bytes = 0;
	console_text[0] = '\0';
}

/* What libFuzzer calls, and driver.c: one input on a machine that has nothing in it yet. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nr_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t nr_bytes)
{
	machine_begin();
	fuzz_one(bytes, nr_bytes);
	MUST(heap_nr_live() == 0, "%zu objects stay allocated", heap_nr_live());
	return 0;
}

/* ---- panic */

static jmp_buf panicked;
static bool is_caught;
static char panic_message[1024];

const char *panic_of(void (*work)(void *argument), void *argument)
{
	is_caught = true;
	if (setjmp(panicked) == 0) {
		work(argument);
		is_caught = false;
		return NULL;
	}
	is_caught = false;
	return panic_message;
}

_Noreturn void panic(const char *message, ...)
{
	va_list arguments;

	va_start(arguments, message);
	vsnprintf(panic_message, sizeof(panic_message), message, arguments);
	va_end(arguments);
	MUST(is_caught, "panic: %s", panic_message);
	longjmp(panicked, 1);
}

/* ---- heap */

static size_t nr_tried, nr_live, fail_at;

void heap_fail_at(size_t number)
{
	nr_tried = 0;
	fail_at = number;
}

size_t heap_nr_tried(void)
{
	return nr_tried;
}

size_t heap_nr_live(void)
{
	return nr_live;
}

void *kmalloc(size_t bytes)
{
	if (++nr_tried == fail_at || bytes > HEAP_MAX_BYTES)
		return NULL;
	nr_live++;
	return malloc(bytes);
}

void *kzalloc(size_t count, size_t bytes)
{
	size_t product;
	void *object = __builtin_mul_overflow(count, bytes, &product) ? NULL : kmalloc(product);

	return object == NULL ? NULL : memset(object, 0, product);
}

void kfree(void *object)
{
	if (object != NULL)
		nr_live--;
	free(object);
}

/* ---- console, clock, watchdog */

void console_write(const char *text, size_t nr_bytes)
{
	size_t room = CONSOLE_BYTES - 1 - console_bytes;

	if (nr_bytes > room)
		nr_bytes = room;
	memcpy(console_text + console_bytes, text, nr_bytes);
	console_bytes += nr_bytes;
	console_text[console_bytes] = '\0';
}

uint64_t clock_ms(void)
{
	return 0;
}

void watchdog_pet(void) { }
void watchdog_allow(unsigned seconds) { }

/* ---- RAM, and the kernel's image in it */

__asm__(".pushsection .bss, \"aw\", @nobits\n"
	".balign 4096\n"
	".globl image_start, image_end\n"
	"image_start: .skip 0x180000\n"
	"image_end: .skip 1\n"
	".popsection\n");

void ram_map(void)
{
	static void *ram;
	void *wanted = phys_to_virt(0);

	if (ram == NULL)
		ram = mmap(wanted, BOOT_MAP_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			   MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	MUST(ram == wanted, "no room at %p for the machine's RAM", wanted);
}

void ram_clear(void *start, size_t nr_bytes)
{
	madvise(start, nr_bytes, MADV_DONTNEED);
}
