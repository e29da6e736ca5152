/* SPDX-License-Identifier: MIT */
/*
 * cpio_test.c: tests of reading one entry of a cpio archive. Each writes an entry into a static
 * buffer, spoils it where it likes, and reads it.
 */
#include "cpio.h"
#include "directory.h"
#include "format.h"
#include "ktest.h"
#include "memory.h"
#include "string.h"

#define FIELD(n)  (6 + 8 * (size_t)(n))         /* where field n of a header lies */

static uint8_t bytes[2 * CPIO_HEADER_BYTES + 8192] __attribute__((aligned(4)));
static size_t nr_bytes;
static struct cpio_entry entry;

/* Puts one entry at the start of the buffer, padded with rubbish. */
static void build(const char *magic, uint32_t mode, const char *name, size_t name_bytes,
		  const char *contents, uint32_t check)
{
	char header[CPIO_HEADER_BYTES + 1];
	size_t data = ROUND_UP(CPIO_HEADER_BYTES + name_bytes + 1, 4);

	format_string(header, sizeof(header),
		      "%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		      magic, 1, mode, 1000, 100, 1, 1767225600, (unsigned)strlen(contents), 8, 1,
		      4, 64, (unsigned)name_bytes + 1, check);
	memset(bytes, '#', sizeof(bytes));
	memcpy(bytes, header, CPIO_HEADER_BYTES);
	memcpy(bytes + CPIO_HEADER_BYTES, name, name_bytes);
	bytes[CPIO_HEADER_BYTES + name_bytes] = '\0';
	memcpy(bytes + data, contents, strlen(contents));
	nr_bytes = ROUND_UP(data + strlen(contents), 4);
}

static void build_file(const char *name)
{
	build("070701", DENTRY_REGULAR | 0644, name, strlen(name), "contents", 0);
}

static const char *read(void)
{
	return cpio_read_entry(bytes, nr_bytes, 0, &entry);
}

static void expect_reason(const char *expected)
{
	const char *reason = read();

	CHECK(reason != NULL, "good, but should be: %s", expected);
	CHECK(strcmp(reason, expected) == 0, "\"%s\" instead of: %s", reason, expected);
}

static void expect_name(const char *name, size_t name_bytes)
{
	const char *reason = read();

	CHECK(reason == NULL, "\"%s\" is rejected: %s", name, reason);
	CHECK(entry.name_bytes == name_bytes && memcmp(entry.name, name, name_bytes) == 0,
	      "\"%.*s\" instead of \"%s\"", (int)entry.name_bytes, entry.name, name);
}

KTEST(cpio, an_entry_has_all_that_the_archive_says)
{
	build_file("etc/motd");
	expect_name("etc/motd", 8);
	CHECK(memcmp(entry.data, "contents", 8) == 0, "contents");
	CHECK(entry.fields[CPIO_FILE_BYTES] == 8, "%u bytes", entry.fields[CPIO_FILE_BYTES]);
	CHECK(entry.fields[CPIO_MODE] == (DENTRY_REGULAR | 0644), "mode");
	CHECK(entry.fields[CPIO_SPECIAL_MAJOR] == 4, "major %u", entry.fields[CPIO_SPECIAL_MAJOR]);
	CHECK(entry.fields[CPIO_SPECIAL_MINOR] == 64, "minor %u", entry.fields[CPIO_SPECIAL_MINOR]);
	CHECK(entry.end_bytes == nr_bytes && !entry.is_trailer, "end at %zu", entry.end_bytes);
	memcpy(bytes + FIELD(CPIO_INODE), "00ABcdEF", 8);
	CHECK(read() == NULL && entry.fields[CPIO_INODE] == 0xabcdef, "digits of either case");
}

KTEST(cpio, a_name_has_the_bytes_that_the_archive_gives)
{
	static char name[CPIO_MAX_NAME];

	for (size_t i = 0; i < sizeof(name) - 1; i++)
		name[i] = (char)(i + 1 == '/' ? 'x' : i + 1);
	build_file(name);
	expect_name(name, CPIO_MAX_NAME - 1);
}

KTEST(cpio, what_says_no_more_than_the_root_is_dropped)
{
	static const struct { const char *name; uint32_t type; const char *kept; } cases[] = {
		{ "./etc/motd", DENTRY_REGULAR, "etc/motd" },
		{ "/etc/motd", DENTRY_REGULAR, "etc/motd" },
		{ "//etc/motd", DENTRY_REGULAR, "etc/motd" },
		{ "././/./etc/motd", DENTRY_REGULAR, "etc/motd" },
		{ "etc/", DENTRY_DIRECTORY, "etc" }, { "/etc//", DENTRY_DIRECTORY, "etc" },
		{ "/", DENTRY_DIRECTORY, "" }, { ".", DENTRY_DIRECTORY, "" },
		{ "./", DENTRY_DIRECTORY, "" }, { "./.", DENTRY_DIRECTORY, "" },
		{ ".profile", DENTRY_REGULAR, ".profile" },
		{ "..data/.../x./y.", DENTRY_REGULAR, "..data/.../x./y." },
		{ "./TRAILER!!!", DENTRY_REGULAR, "TRAILER!!!" },
		{ "/TRAILER!!!", DENTRY_REGULAR, "TRAILER!!!" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		build("070701", cases[i].type, cases[i].name, strlen(cases[i].name), "", 0);
		expect_name(cases[i].kept, strlen(cases[i].kept));
		CHECK(!entry.is_trailer, "\"%s\" is the trailer", cases[i].name);
	}
}

KTEST(cpio, odd_names_are_rejected)
{
	static const struct { const char *name, *reason; } cases[] = {
		{ "", "empty name" }, { ".", "empty name" }, { "./", "empty name" },
		{ "/", "empty name" }, { "etc/", "name with a slash at its end" },
		{ "etc//motd", "name with an empty component" },
		{ "..", "name with a .. component" }, { "../etc", "name with a .. component" },
		{ "/../etc", "name with a .. component" },
		{ "etc/../motd", "name with a .. component" },
		{ "etc/..", "name with a .. component" },
		{ "etc/./motd", "name with a . component" }, { "etc/.", "name with a . component" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		build_file(cases[i].name);
		expect_reason(cases[i].reason);
	}
}

KTEST(cpio, the_longest_name_fits_whatever_is_dropped_before_it)
{
	static char name[2 + CPIO_MAX_NAME + 1] = "./";

	memset(name + 2, 'x', CPIO_MAX_NAME - 1);
	build_file(name);
	expect_name(name + 2, CPIO_MAX_NAME - 1);
	name[2 + CPIO_MAX_NAME - 1] = 'x';
	build_file(name);
	expect_reason("name too long");
}

KTEST(cpio, only_an_entry_without_contents_is_the_trailer)
{
	build("070701", 0, "TRAILER!!!", 10, "", 0);
	CHECK(read() == NULL && entry.is_trailer, "the trailer is none");
	build_file("TRAILER!!!");
	expect_reason("a file named like the trailer; archive it as ./TRAILER!!!");
}

KTEST(cpio, a_checksum_is_checked)
{
	build("070702", DENTRY_REGULAR, "etc/motd", 8, "\x01\xff\x03", 0x103);
	expect_name("etc/motd", 8);
	build("070702", DENTRY_REGULAR, "etc/motd", 8, "\x01\xff\x03", 0x104);
	expect_reason("contents with another checksum");
	build("070701", DENTRY_REGULAR, "etc/motd", 8, "\x01\xff\x03", 0x104);
	expect_name("etc/motd", 8);

	/* Only files have one; and a hard link without contents may have that of its contents. */
	build("070702", DENTRY_SYMLINK, "etc/link", 8, "motd", 0);
	expect_name("etc/link", 8);
	build("070702", DENTRY_REGULAR, "etc/motd", 8, "", 0x103);
	expect_name("etc/motd", 8);
}

KTEST(cpio, damage_is_named)
{
	static const char digit[] = "field with a byte that is no hexadecimal digit";
	static const struct { size_t at; const char *bytes, *reason; } cases[] = {
		{ 0, "07070\1", "bad magic" }, { 0, "070700", "bad magic" },
		{ 5, "\xff", "bad magic" },
		{ FIELD(CPIO_INODE), "0000000g", digit },
		{ FIELD(CPIO_CHECK) + 7, " ", digit },
		{ FIELD(CPIO_DEVICE_MAJOR), "0x", digit },
		{ FIELD(CPIO_NAME_BYTES), "00000000", "name length 0" },
		{ FIELD(CPIO_NAME_BYTES), "00001001", "name too long" },
		{ FIELD(CPIO_NAME_BYTES), "ffffffff", "name too long" },
		{ FIELD(CPIO_NAME_BYTES), "00000100", "name past the end" },
		{ FIELD(CPIO_NAME_BYTES), "00000004", "name without a NUL" },
		{ FIELD(CPIO_NAME_BYTES), "0000000b", "name with a NUL inside" },
		{ FIELD(CPIO_FILE_BYTES), "00000009", "contents past the end" },
		{ FIELD(CPIO_FILE_BYTES), "ffffffff", "contents past the end" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		build_file("victim");
		memcpy(bytes + cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
		expect_reason(cases[i].reason);
	}
	build_file("victim");
	for (nr_bytes = 1; nr_bytes < CPIO_HEADER_BYTES; nr_bytes++)
		expect_reason("header past the end");
	nr_bytes = 0;
	expect_reason("no trailer");
}

KTEST(cpio, other_formats_are_named)
{
	static const struct {
		size_t at;
		const char *magic;
		size_t magic_bytes;
		const char *part;       /* of the reason */
	} cases[] = {
		{ 0, "\x1f\x8b\x08", 3, "gzip -d" },
		{ 0, "BZh9", 4, "bzip2 -d" }, { 0, "\xfd" "7zXZ", 6, "xz -d" },
		{ 0, "\x5d\0\0\x80\0", 5, "xz --format=lzma -d" },
		{ 0, "\x28\xb5\x2f\xfd", 4, "zstd -d" },
		{ 0, "\x02\x21\x4c\x18", 4, "lz4 -d" },
		{ 0, "070707", 6, "portable format; make one with" },
		{ 0, "\xc7\x71", 2, "binary format; make one with" },
		{ 257, "ustar", 6, "tar archive; make one with" },
		{ 257, "ustar  ", 8, "tar archive; make one with" },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		const char *reason;

		memset(bytes, 'x', sizeof(bytes));
		memcpy(bytes + cases[i].at, cases[i].magic, cases[i].magic_bytes);
		nr_bytes = sizeof(bytes);
		reason = read();
		CHECK(reason && strstr(reason, cases[i].part), "\"%s\", not: %s", reason,
		      cases[i].part);
		nr_bytes = cases[i].at + cases[i].magic_bytes;
		CHECK(reason == read(), "\"%s\" if it is short", read());
	}
}
