/* SPDX-License-Identifier: MIT */
/*
 * initramfs_test.c: tests of unpacking cpio archives.
 *
 * Each test writes archives into a static buffer, spoils them where it likes, and
 * unpacks them. Each failure must leave the directory empty and the heap as it
 * was.
 */
#include "cpio.h"
#include "format.h"
#include "heap.h"
#include "initramfs.h"
#include "ktest.h"
#include "memory.h"
#include "string.h"

#define ARCHIVE_BYTES  16384

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

/* What the next entry's header says of its file's identity. */
static struct { unsigned inode, nr_links, major, minor; } put_as = { 0xabcdef, 1, 8, 1 };

static void put_entry(const char *name, uint32_t mode, const char *contents)
{
	char header_and_name[CPIO_HEADER_BYTES + CPIO_MAX_NAME];
	size_t name_bytes = strlen(name) + 1;

	last_header = nr_bytes;
	format_string(header_and_name, sizeof(header_and_name),
		      "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s",
		      put_as.inode, mode, 1000, 100, put_as.nr_links, 1767225600,
		      (unsigned)strlen(contents), put_as.major, put_as.minor, 4, 64,
		      (unsigned)name_bytes, 0, name);
	put(header_and_name, CPIO_HEADER_BYTES + name_bytes);
	put(contents, strlen(contents));
}

static void put_file(const char *name, const char *contents)
{
	put_entry(name, DENTRY_REGULAR | 0644, contents);
}

/* A file that has hard links: one of the entries with this inode. */
static void put_link(const char *name, unsigned inode, const char *contents)
{
	put_as.inode = inode;
	put_as.nr_links = 2;
	put_file(name, contents);
	put_as.inode = 0xabcdef;
	put_as.nr_links = 1;
}

static void put_zeros(size_t length)
{
	memset(archive + nr_bytes, 0, length);
	nr_bytes += length;
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
	put_zeros(512);
	CHECK(unpack() && directory.nr_entries == 0, "%s", error.reason);
}

KTEST(initramfs, a_file_has_one_name)
{
	nr_bytes = 0;
	put_entry(".", DENTRY_DIRECTORY | 0755, "");
	put_entry("/", DENTRY_DIRECTORY | 0755, "");
	put_entry("etc/", DENTRY_DIRECTORY | 0755, "");
	put_file("./etc/motd", "first");
	put_file("/etc/motd", "second");
	put_file("etc/motd", "the third");
	put_trailer();
	CHECK(unpack(), "%s", error.reason);
	CHECK(directory.nr_entries == 2 && error.nr_entries == 6, "%zu", directory.nr_entries);
	CHECK(directory_find(&directory, "etc/motd")->nr_bytes == 9, "the last one counts");
	CHECK(directory_find(&directory, "etc") != NULL, "etc");
	directory_destroy(&directory);
}

KTEST(initramfs, a_file_may_be_named_like_the_trailer)
{
	nr_bytes = 0;
	put_file("./TRAILER!!!", "not the end");
	put_file("./TRAILER!!!/x", "");
	put_file("./behind", "");
	put_trailer();
	CHECK(unpack() && directory.nr_entries == 3, "%zu entries", directory.nr_entries);
	CHECK(directory_find(&directory, "TRAILER!!!")->nr_bytes == 11, "it is lost");
	directory_destroy(&directory);
}

KTEST(initramfs, archives_may_follow_each_other)
{
	nr_bytes = 0;
	put_file("kernel/x86/microcode/any.bin", "early");
	put_file("etc/motd", "early");
	put_trailer();
	put_file("etc/motd", "late one");
	put_trailer();
	CHECK(unpack(), "%s", error.reason);
	CHECK(directory.nr_entries == 2 && error.nr_entries == 3, "%zu", directory.nr_entries);
	CHECK(directory_find(&directory, "etc/motd")->nr_bytes == 8, "the later archive's counts");
	directory_destroy(&directory);
	put_file("behind/the/trailer", "");
	expect_damage("no trailer", nr_bytes, 4);
}

KTEST(initramfs, zero_bytes_may_lie_before_between_and_behind_archives)
{
	static const size_t paddings[] = { 0, 4, 512, 3 * 512 - 4 };

	for (size_t i = 0; i < ARRAY_LENGTH(paddings); i++) {
		nr_bytes = 0;
		put_zeros(paddings[i]);
		put_file("etc/motd", "one");
		put_trailer();
		put_zeros(paddings[i]);
		put_file("etc/hostname", "two");
		put_trailer();
		put_zeros(paddings[i] + 3);
		CHECK(unpack(), "%zu zero bytes: %s", paddings[i], error.reason);
		CHECK(directory.nr_entries == 2, "%zu entries", directory.nr_entries);
		directory_destroy(&directory);
	}
	nr_bytes = 0;
	put_zeros(512);
	expect_damage("no trailer", 512, 0);
	put_zeros(2);
	put_file("etc/motd", "one");
	expect_damage("archive not at a multiple of 4; put more zero bytes before it", 514, 0);
}

KTEST(initramfs, another_format_behind_an_archive_is_named_and_located)
{
	size_t at;

	build_usual();
	at = nr_bytes;
	put("\x28\xb5\x2f\xfd", 4);
	expect_damage("zstd data; unpack it first, with zstd -d", at, 3);
	nr_bytes = at;
	put("rubbish", 7);
	put(archive, CPIO_HEADER_BYTES);
	expect_damage("bad magic", at, 3);
}

static void expect_contents(const char *name, const char *contents)
{
	const struct dentry *entry = directory_find(&directory, name);

	CHECK(entry != NULL, "%s is lost", name);
	CHECK(entry->nr_bytes == strlen(contents), "%s has %lu bytes", name, entry->nr_bytes);
	CHECK(memcmp(entry->data, contents, entry->nr_bytes) == 0, "%s has other ones", name);
}

KTEST(initramfs, hard_links_share_contents_whichever_has_them)
{
	nr_bytes = 0;
	put_link("first/a", 1, "first");
	put_link("last/a", 2, "");
	put_link("middle/a", 3, "");
	put_link("middle/b", 3, "middle");
	put_link("first/b", 1, "");
	put_link("middle/c", 3, "");
	put_link("last/b", 2, "last");
	put_link("both/a", 4, "old");
	put_link("both/b", 4, "newer");
	put_link("none/a", 5, "");
	put_link("none/b", 5, "");
	put_trailer();
	CHECK(unpack(), "%s", error.reason);
	CHECK(directory.nr_entries == 11, "%zu entries", directory.nr_entries);
	for (size_t i = 0; i < 3; i++) {
		static const char *const groups[] = { "first", "middle", "last" };
		char name[16];

		format_string(name, sizeof(name), "%s/a", groups[i]);
		expect_contents(name, groups[i]);
		format_string(name, sizeof(name), "%s/b", groups[i]);
		expect_contents(name, groups[i]);
	}
	expect_contents("middle/c", "middle");
	expect_contents("both/a", "newer");
	expect_contents("both/b", "newer");
	expect_contents("none/a", "");
	directory_destroy(&directory);
}

KTEST(initramfs, only_links_of_one_file_share_contents)
{
	nr_bytes = 0;
	put_file("plain/a", "one link");
	put_file("plain/b", "");
	put_link("device/a", 1, "on device 8, 1");
	put_as.minor = 2;
	put_link("device/b", 1, "");
	put_as.minor = 1;
	put_as.major = 9;
	put_link("device/c", 1, "");
	put_as.major = 8;
	put_link("replaced", 2, "");
	put_link("link", 2, "the link's");
	put_file("replaced", "its own");
	put_as.nr_links = 2;
	put_entry("type/a", DENTRY_SYMLINK | 0777, "target");
	put_entry("type/b", DENTRY_CHARACTER | 0600, "");
	put_entry("type/c", DENTRY_DIRECTORY | 0755, "");
	put_as.nr_links = 1;
	put_trailer();
	put_link("archive/a", 1, "");
	put_link("archive/b", 7, "");
	put_link("archive/c", 7, "of this archive");
	put_trailer();
	CHECK(unpack(), "%s", error.reason);
	expect_contents("plain/b", "");
	expect_contents("device/b", "");
	expect_contents("device/c", "");
	expect_contents("replaced", "its own");
	expect_contents("type/b", "");
	expect_contents("type/c", "");
	expect_contents("archive/a", "");
	expect_contents("archive/b", "of this archive");
	CHECK(directory_find(&directory, "type/b")->dev_major == 4, "a device's number");
	CHECK(directory_find(&directory, "type/b")->dev_minor == 64, "a device's number");
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
	put_link("etc/issue", 1, "");
	put_link("etc/issue.net", 1, "Ouroboros");
	put_trailer();
	for (size_t i = 0; i < 1000; i++) {
		size_t at = random_below(&ktest_random, (uint32_t)nr_bytes);
		char good = archive[at];

		archive[at] = (char)random_next(&ktest_random);
		unpack_and_destroy();
		archive[at] = good;
		ktest_progress();
	}
}
