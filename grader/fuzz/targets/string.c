/* SPDX-License-Identifier: MIT */
/*
 * string.c: the kernel's string functions beside the host's.
 *
 * An input is which function, three small numbers, and two texts with a line's end between
 * them. Each text ends where a page ends that nobody may touch, as the kernel's functions
 * have instructions that AddressSanitizer does not know. What both sides return and leave
 * behind must be the same.
 *
 * The kernel's functions are built with kernel_ before the names of those that ISO C has.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "memory.h"
#include "words.h"

extern __typeof__(memcpy) kernel_memcpy;
extern __typeof__(memmove) kernel_memmove;
extern __typeof__(memset) kernel_memset;
extern void *kernel_memchr(const void *memory, int byte, size_t nr_bytes);
extern __typeof__(memcmp) kernel_memcmp;
extern __typeof__(strlen) kernel_strlen;
extern __typeof__(strnlen) kernel_strnlen;
extern __typeof__(strcmp) kernel_strcmp;
extern __typeof__(strncmp) kernel_strncmp;
extern char *kernel_strchr(const char *text, int byte);
extern char *kernel_strstr(const char *text, const char *part);
extern bool starts_with(const char *text, const char *prefix);
extern int __popcountdi2(unsigned long word);
extern bool glob_matches(const char *pattern, const char *text);
extern bool parse_number(const char *text, unsigned long *value, const char **end);

#define NR_ROOMS 3              /* one for each text, and one to write to */

/* One page for a text, between two that nobody may touch. */
struct room {
	char before[PAGE_BYTES], page[PAGE_BYTES], after[PAGE_BYTES];
};

static struct room *room_of(unsigned number)
{
	static struct room *rooms;

	if (rooms == NULL) {
		rooms = mmap(NULL, NR_ROOMS * sizeof(*rooms), PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		MUST(rooms != MAP_FAILED, "no memory");
		for (unsigned i = 0; i < NR_ROOMS; i++)
			mprotect(rooms[i].page, PAGE_BYTES, PROT_READ | PROT_WRITE);
	}
	return &rooms[number];
}

/* Two texts, each with a NUL behind it as the last byte of its page. */
struct texts {
	char *a, *b;
	size_t a_bytes, b_bytes;        /* without the NUL; there may be others inside */
	size_t limit, from, to;         /* small numbers */
	int byte;
};

static char *place(unsigned room, const void *bytes, size_t nr_bytes)
{
	char *start = room_of(room)->page + PAGE_BYTES - 1 - nr_bytes;

	memcpy(start, bytes, nr_bytes);
	start[nr_bytes] = '\0';
	return start;
}

static int sign(int number)
{
	return (number > 0) - (number < 0);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* ---- what writes: the whole page must look as the host's function would have left it */

static void must_be_as(const char *expected, const char *page, const void *result, const void *to)
{
	MUST(memcmp(expected, page, PAGE_BYTES) == 0, "other bytes");
	MUST(result == to, "returns %p", result);
}

static void try_memcpy(struct texts *texts)
{
	char expected[PAGE_BYTES], *page = room_of(2)->page;
	char *to = page + PAGE_BYTES - texts->a_bytes;

	memset(page, 0x5a, PAGE_BYTES);
	memcpy(expected, page, PAGE_BYTES);
	memcpy(expected + (to - page), texts->a + 1, texts->a_bytes);
	must_be_as(expected, page, kernel_memcpy(to, texts->a + 1, texts->a_bytes), to);
}

/* Inside one text, from anywhere to anywhere. */
static void try_memmove(struct texts *texts)
{
	char expected[PAGE_BYTES], *page = room_of(0)->page;
	size_t from = least(texts->from, texts->a_bytes), to = least(texts->to, texts->a_bytes);
	size_t nr_bytes = texts->a_bytes + 1 - (from > to ? from : to);

	memcpy(expected, page, PAGE_BYTES);
	memmove(expected + (texts->a + to - page), expected + (texts->a + from - page), nr_bytes);
	must_be_as(expected, page, kernel_memmove(texts->a + to, texts->a + from, nr_bytes),
		   texts->a + to);
}

static void try_memset(struct texts *texts)
{
	char expected[PAGE_BYTES], *page = room_of(0)->page;

	memcpy(expected, page, PAGE_BYTES);
	memset(expected + (texts->a - page), texts->byte, texts->a_bytes + 1);
	must_be_as(expected, page, kernel_memset(texts->a, texts->byte, texts->a_bytes + 1),
		   texts->a);
}

/* ---- what only reads */

static void try_memchr(struct texts *texts)
{
	size_t nr_bytes = least(texts->limit, texts->a_bytes + 1);
	const char *end = texts->a + texts->a_bytes + 1;

	MUST(kernel_memchr(end - nr_bytes, texts->byte, nr_bytes) ==
	     memchr(end - nr_bytes, texts->byte, nr_bytes), "byte %#x", texts->byte);
}

static void try_memcmp(struct texts *texts)
{
	size_t nr_bytes = least(texts->a_bytes, texts->b_bytes) + 1;
	const char *a = texts->a + texts->a_bytes + 1 - nr_bytes;
	const char *b = texts->b + texts->b_bytes + 1 - nr_bytes;

	MUST(sign(kernel_memcmp(a, b, nr_bytes)) == sign(memcmp(a, b, nr_bytes)), "%zu bytes",
	     nr_bytes);
}

static void try_lengths(struct texts *texts)
{
	MUST(kernel_strlen(texts->a) == strlen(texts->a), "%zu", kernel_strlen(texts->a));
	MUST(kernel_strnlen(texts->a, texts->limit) == strnlen(texts->a, texts->limit), "limit %zu",
	     texts->limit);
	texts->a[texts->a_bytes] = 'x';         /* now the page ends before the text does */
	MUST(kernel_strnlen(texts->a, texts->a_bytes + 1) == strnlen(texts->a, texts->a_bytes + 1),
	     "limit %zu", texts->a_bytes + 1);
}

static void try_comparisons(struct texts *texts)
{
	const char *a = texts->a, *b = texts->b;
	size_t limit = texts->limit;

	MUST(sign(kernel_strcmp(a, b)) == sign(strcmp(a, b)), "\"%s\" \"%s\"", a, b);
	MUST(sign(kernel_strncmp(a, b, limit)) == sign(strncmp(a, b, limit)),
	     "\"%s\" \"%s\" limit %zu", a, b, limit);
	MUST(starts_with(a, b) == (strncmp(a, b, strlen(b)) == 0), "\"%s\" \"%s\"", a, b);
}

static void try_searches(struct texts *texts)
{
	const char *a = texts->a, *b = texts->b;

	MUST(kernel_strchr(a, texts->byte) == strchr(a, texts->byte), "\"%s\" %#x", a, texts->byte);
	MUST(kernel_strstr(a, b) == strstr(a, b), "\"%s\" \"%s\"", a, b);
}

static void try_glob(struct texts *texts)
{
	if (strchr(texts->b, '[') != NULL)      /* only the host's has a meaning for it */
		return;
	MUST(glob_matches(texts->b, texts->a) == (fnmatch(texts->b, texts->a, FNM_NOESCAPE) == 0),
	     "pattern \"%s\", text \"%s\"", texts->b, texts->a);
}

/* string.h in other words. *end is where the number ends, *value what it is. */
static bool number_of(const char *text, unsigned long *value, const char **end)
{
	const char *digits = "0123456789abcdef", *suffixes = "KMG", *found;
	unsigned base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	const char *first = base == 16 ? text + 2 : text;
	unsigned __int128 number = 0;
	bool fits = true;

	for (*end = first; **end != '\0'; ++*end) {
		found = strchr(digits, **end >= 'A' && **end <= 'F' ? **end + 'a' - 'A' : **end);
		if (found == NULL || found - digits >= base)
			break;
		number = number * base + (unsigned)(found - digits);
		fits = fits && number <= ULONG_MAX;
		number &= ULONG_MAX;
	}
	if (*end == first || !fits)
		return false;
	if (**end != '\0' && (found = strchr(suffixes, **end)) != NULL) {
		number <<= 10 * (found - suffixes + 1);
		++*end;
	}
	*value = (unsigned long)number;
	return number <= ULONG_MAX;
}

static void try_number(struct texts *texts)
{
	unsigned long ours, theirs = 0;
	const char *our_end, *their_end = NULL;
	bool is_number = number_of(texts->a, &ours, &our_end);
	unsigned char byte = (unsigned char)texts->byte;
	unsigned long word = texts->limit * 0x0101010101010101ul ^ texts->from << 20 ^ byte;
	int nr_bits = 0;

	MUST((hex_digit((char)byte) < 16) == !!isxdigit(byte), "digit %#x", byte);
	MUST((hex_digit((char)byte) < 10) == !!isdigit(byte), "digit %#x", byte);
	for (unsigned bit = 0; bit < 64; bit++)
		nr_bits += (word >> bit) & 1;
	MUST(__popcountdi2(word) == nr_bits, "%#lx has %d bits", word, nr_bits);
	MUST(parse_number(texts->a, &theirs, &their_end) == is_number, "\"%s\"", texts->a);
	if (is_number)
		MUST(theirs == ours && their_end == our_end, "\"%s\" is %#lx", texts->a, theirs);
}

static void (*const tries[])(struct texts *texts) = {
	try_memcpy, try_memmove, try_memset, try_memchr, try_memcmp, try_lengths,
	try_comparisons, try_searches, try_glob, try_number,
};

void fuzz_one(const uint8_t *bytes, size_t nr_bytes)
{
	struct input input = { bytes, least(nr_bytes, PAGE_BYTES - 1) };
	unsigned which = take_byte(&input) % ARRAY_LENGTH(tries);
	struct texts texts = { .limit = take_byte(&input), .from = take_byte(&input),
			       .to = take_byte(&input) };
	const uint8_t *middle;

	texts.byte = texts.limit == UCHAR_MAX ? (int)(texts.from << 8 | texts.to) : (int)texts.to;
	middle = memchr(input.next, '\n', input.nr_left);
	texts.a_bytes = middle == NULL ? input.nr_left : (size_t)(middle - input.next);
	texts.b_bytes = middle == NULL ? 0 : input.nr_left - texts.a_bytes - 1;
	texts.a = place(0, input.next, texts.a_bytes);
	texts.b = place(1, input.next + input.nr_left - texts.b_bytes, texts.b_bytes);
	tries[which](&texts);
}
