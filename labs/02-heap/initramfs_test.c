/* SPDX-License-Identifier: MIT */
/*
 * initramfs_test.c: tests of the cpio archive's reader.
 *
 * Each test writes an archive into a static buffer, spoils it where it likes, and
 * unpacks it. Whatever happens, a failure must leave the directory empty and the
 * heap as it was.
 */
#include "format.h"
#include "heap.h"
#include "initramfs.h"
#include "ktest.h"
#include "memory.h"
#include "string.h"

#define ARCHIVE_BYTES  16384
#define FIELD(n)       (6 + 8 * (size_t)(n))    /* where field n of a header lies */
#define FILE_BYTES     FIELD(6)
#define NAME_BYTES     FIELD(11)

static char archive[ARCHIVE_BYTES] __attribute__((aligned(4)));
static size_t nr_bytes;                 /* of the archive, so far */
static size_t last_header;              /* offset of the header put last */
static struct directory directory;
static struct cpio_error error;

/* Writes `length` bytes and pads them with rubbish to a multiple of 4. */
static void put(const char *bytes, size_t length)
{
	memcpy(archive + nr_bytes, bytes, length);
	nr_bytes += length;
	while (nr_bytes % 4 != 0)
		archive[nr_bytes++] = '#';
}

static void put_entry(const char *name, uint32_t mode, const char *contents)
{
	char header_and_name[CPIO_HEADER_BYTES + CPIO_MAX_NAME];
	size_t name_bytes = strlen(name) + 1;

	last_header = nr_bytes;
	format_string(header_and_name, sizeof(header_and_name),
		      "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s",
		      0xabcdef, mode, 1000, 100, 1, 1767225600, (unsigned)strlen(contents),
		      8, 1, 0, 0, (unsigned)name_bytes, 0, name);
	put(header_and_name, CPIO_HEADER_BYTES + name_bytes);
	put(contents, strlen(contents));
}

static void put_file(const char *name, const char *contents)
{
	put_entry(name, DENTRY_REGULAR | 0644, contents);
}

static void put_trailer(void)
{
	put_entry("TRAILER!!!", 0, "");
}

static void build_usual(void)
{
	nr_bytes = 0;
	put_entry("etc", DENTRY_DIRECTORY | 0755, "");
	put_file("etc/motd", "Ouroboros greets you.\n");
	put_file("etc/empty", "");
	put_trailer();
}

static bool unpack(void)
{
	return cpio_unpack(&directory, archive, nr_bytes, &error);
}

/* Unpacks and checks that nothing stays behind: a good directory is given back here. */
static bool unpack_and_destroy(void)
{
	struct heap_stats before, after;
	bool good;

	heap_stats(&before);
	good = unpack();
	CHECK(good == (error.reason == NULL), "reason: %s", error.reason);
	CHECK(good || directory.slots == NULL, "damaged, and yet not empty");
	directory_destroy(&directory);
	heap_stats(&after);
	CHECK(before.nr_live == after.nr_live && before.live_bytes == after.live_bytes,
	      "%zu objects before, %zu after: %s", before.nr_live, after.nr_live, error.reason);
	return good;
}

/* Checks that the archive is rejected, and for the right reason. */
static void expect_damage(const char *reason, size_t offset, size_t nr_entries)
{
	CHECK(!unpack_and_destroy(), "good, but has: %s", reason);
	CHECK(strcmp(error.reason, reason) == 0, "\"%s\" instead of: %s", error.reason, reason);
	CHECK(error.offset_bytes == offset, "offset %zu: %s", error.offset_bytes, reason);
	CHECK(error.nr_entries == nr_entries, "%zu entries: %s", error.nr_entries, reason);
}

KTEST(initramfs, a_good_archive_becomes_a_directory)
{
	const struct dentry *motd;

	build_usual();
	CHECK(unpack(), "%s", error.reason);
	CHECK(directory.nr_entries == 3 && error.nr_entries == 3, "%zu", directory.nr_entries);
	motd = directory_find(&directory, "etc/motd");
	CHECK(motd != NULL && motd->nr_bytes == 22, "etc/motd");
	CHECK(memcmp(motd->data, "Ouroboros greets you.\n", 22) == 0, "its contents");
	CHECK((const char *)motd->data > archive, "its contents were copied");
	CHECK(motd->mode == (DENTRY_REGULAR | 0644) && motd->inode == 0xabcdef, "its fields");
	CHECK(motd->uid == 1000 && motd->gid == 100 && motd->nr_links == 1, "its fields");
	CHECK(motd->mtime == 1767225600, "its time");
	CHECK(directory_find(&directory, "etc")->mode == (DENTRY_DIRECTORY | 0755), "etc");
	CHECK(directory_find(&directory, "etc/empty")->data == NULL, "etc/empty");
	directory_destroy(&directory);
}

KTEST(initramfs, an_archive_may_be_empty)
{
	nr_bytes = 0;
	put_trailer();
	CHECK(unpack() && directory.nr_entries == 0, "%s", error.reason);
	put_file("behind/the/trailer", "");
	CHECK(unpack() && directory.nr_entries == 0, "what follows the trailer counts");
}

KTEST(initramfs, a_file_has_one_name)
{
	nr_bytes = 0;
	put_entry(".", DENTRY_DIRECTORY | 0755, "");
	put_file("./etc/motd", "first");
	put_file(".profile", "");
	put_file("..data/.../x./y.", "");
	put_file("etc/motd", "second one");
	put_trailer();
	CHECK(unpack(), "%s", error.reason);
	CHECK(directory.nr_entries == 3 && error.nr_entries == 5, "%zu", directory.nr_entries);
	CHECK(directory_find(&directory, "etc/motd")->nr_bytes == 10, "the later one counts");
	CHECK(directory_find(&directory, ".profile") != NULL, "a dot may begin a name");
	CHECK(directory_find(&directory, "..data/.../x./y.") != NULL, "and so may two, or end it");
	directory_destroy(&directory);
}

KTEST(initramfs, odd_names_are_rejected)
{
	static const struct { const char *name, *reason; } cases[] = {
		{ "", "empty name" }, { "./", "empty name" },
		{ "/", "absolute name" }, { "/etc", "absolute name" },
		{ ".//etc", "absolute name" },
		{ "etc/", "name with a slash at its end" },
		{ "etc//motd", "name with an empty component" },
		{ "..", "name with a .. component" }, { "../etc", "name with a .. component" },
		{ "etc/../motd", "name with a .. component" },
		{ "etc/..", "name with a .. component" },
		{ "./.", "name with a . component" }, { "etc/./motd", "name with a . component" },
		{ "././etc", "name with a . component" }, { "etc/.", "name with a . component" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		nr_bytes = 0;
		put_file("good", "contents");
		put_file(cases[i].name, "");
		expect_damage(cases[i].reason, last_header, 1);
	}
}

KTEST(initramfs, damage_is_named_and_located)
{
	static const struct { size_t at; const char *bytes, *reason; } cases[] = {
		{ 0, "070702", "bad magic" }, { 0, "070707", "bad magic" },
		{ 5, "\xff", "bad magic" },
		{ FIELD(0), "0000000g", "field with a byte that is no hexadecimal digit" },
		{ FIELD(12) + 7, " ", "field with a byte that is no hexadecimal digit" },
		{ FIELD(7), "0x", "field with a byte that is no hexadecimal digit" },
		{ NAME_BYTES, "00000000", "name length 0" },
		{ NAME_BYTES, "00000101", "name too long" },
		{ NAME_BYTES, "ffffffff", "name too long" },
		{ NAME_BYTES, "00000100", "name past the end" },
		{ NAME_BYTES, "00000004", "name without a NUL" },
		{ NAME_BYTES, "0000000b", "name with a NUL inside" },
		{ FILE_BYTES, "00000005", "contents past the end" },
		{ FILE_BYTES, "ffffffff", "contents past the end" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		size_t header;

		build_usual();
		nr_bytes = last_header;         /* without the trailer */
		put_file("victim", "#");
		header = last_header;
		memcpy(archive + header + cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
		expect_damage(cases[i].reason, header, 3);
	}
}

KTEST(initramfs, hexadecimal_digits_have_either_case)
{
	build_usual();
	memcpy(archive + FIELD(0), "00ABcdEF", 8);
	CHECK(unpack() && directory_find(&directory, "etc")->inode == 0xabcdef, "%s", error.reason);
	directory_destroy(&directory);
}

KTEST(initramfs, the_longest_name_fits)
{
	static char name[CPIO_MAX_NAME + 1];

	memset(name, 'x', CPIO_MAX_NAME - 1);
	nr_bytes = 0;
	put_file(name, "contents");
	put_trailer();
	CHECK(unpack() && directory_find(&directory, name) != NULL, "%s", error.reason);
	directory_destroy(&directory);
}

KTEST(initramfs, an_archive_cut_anywhere_is_damaged)
{
	size_t whole;

	build_usual();
	whole = last_header + CPIO_HEADER_BYTES + sizeof("TRAILER!!!");
	for (nr_bytes = 0; nr_bytes < whole; nr_bytes++)
		CHECK(!unpack_and_destroy(), "good, but cut after %zu bytes", nr_bytes);
	CHECK(unpack_and_destroy(), "%s", error.reason);
	nr_bytes = last_header;
	expect_damage("no trailer", last_header, 3);
	nr_bytes = last_header + 1;
	expect_damage("header past the end", last_header, 3);
}

KTEST(initramfs, a_random_byte_anywhere_does_no_harm)
{
	build_usual();
	for (size_t i = 0; i < 1000; i++) {
		size_t at = random_below(&ktest_random, (uint32_t)nr_bytes);
		char good = archive[at];

		archive[at] = (char)random_next(&ktest_random);
		unpack_and_destroy();
		archive[at] = good;
		ktest_progress();
	}
}
