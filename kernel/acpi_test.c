/* SPDX-License-Identifier: MIT */
/* acpi_test.c: the tables on the way to the local APIC, sound ones and others. */
#include "acpi.h"
#include "apic.h"
#include "bootinfo.h"
#include "ktest.h"
#include "string.h"

/* A small memory with an RSDT, another table and a MADT in it. */
#define RSDT        0x100
#define OTHER       0x180
#define MADT        0x200
#define RSDT_BYTES  44
#define MADT_BYTES  64          /* with an entry of 8 bytes, and one of 12 */
#define APIC        0xfee00000u

static uint8_t memory[0x400], rsdp[BOOTINFO_RSDP_BYTES];

static void put_word(uint8_t *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

/* Makes the sum of some bytes 0 by the one at `sum`. */
static void balance(uint8_t *bytes, size_t nr_bytes, size_t sum)
{
	bytes[sum] = 0;
	for (size_t i = 0; i < nr_bytes; i++)
		if (i != sum)
			bytes[sum] = (uint8_t)(bytes[sum] - bytes[i]);
}

static void build_table(size_t at, const char *signature, uint32_t nr_bytes)
{
	memcpy(memory + at, signature, 4);
	put_word(memory + at + 4, nr_bytes);
}

static void build(void)
{
	memset(memory, 0, sizeof(memory));
	memcpy(rsdp, "RSD PTR ", 8);
	put_word(rsdp + 16, RSDT);
	build_table(RSDT, "RSDT", RSDT_BYTES);
	put_word(memory + RSDT + 36, OTHER);
	put_word(memory + RSDT + 40, MADT);
	build_table(OTHER, "FACP", 40);
	build_table(MADT, "APIC", MADT_BYTES);
	put_word(memory + MADT + 36, APIC);
	memory[MADT + 44 + 1] = 8;
	memory[MADT + 52] = 0x7f;               /* a type that nobody knows */
	memory[MADT + 52 + 1] = 12;
	/* So a MADT of 40 bytes has a right sum, too. */
	balance(memory + MADT + 40, MADT_BYTES - 40, MADT_BYTES - 41);
}

static paddr_t find(void)
{
	balance(rsdp, sizeof(rsdp), 8);
	balance(memory + RSDT, RSDT_BYTES, 9);
	balance(memory + OTHER, 40, 9);
	balance(memory + MADT, MADT_BYTES, 9);
	return acpi_find_apic(rsdp, memory, sizeof(memory));
}

KTEST(acpi, finds_the_page)
{
	build();
	CHECK(find() == APIC, "%#lx", find());
}

KTEST(acpi, an_entry_may_say_another_one)
{
	build();
	memory[MADT + 52] = 5;
	put_word(memory + MADT + 56, 0x1000);
	put_word(memory + MADT + 60, 1);
	CHECK(find() == 0x100001000, "%#lx", find());
}

/* Breaks one thing after the other; each time nothing may be found, and nothing read that is not there. */
KTEST(acpi, what_is_not_sound_is_not_there)
{
	static const struct { size_t at; uint32_t word; } flaws[] = {
		{ RSDT, 0x58585858 },                   /* another signature */
		{ RSDT + 4, 35 }, { RSDT + 4, 0xffffffff }, { RSDT + 4, sizeof(memory) - RSDT + 1 },
		{ RSDT + 40, sizeof(memory) }, { RSDT + 40, sizeof(memory) - 1 }, { RSDT + 40, 0xffffffff },
		{ RSDT + 40, 0 }, { MADT + 4, 0xffffffff }, { MADT + 4, 40 }, { MADT + 44, 0 },
		{ MADT + 44, 0xff00 }, { MADT + 44, 0x100 },
	};

	for (size_t i = 0; i < ARRAY_LENGTH(flaws); i++) {
		build();
		put_word(memory + flaws[i].at, flaws[i].word);
		CHECK(find() == PADDR_NONE, "flaw %zu: found %#lx", i, find());
	}
	build();
	find();
	memory[MADT + 36]++;
	CHECK(acpi_find_apic(rsdp, memory, sizeof(memory)) == PADDR_NONE, "a wrong sum is believed");
	build();
	find();
	rsdp[9]++;                              /* the maker's name: nothing but the sum is wrong */
	CHECK(acpi_find_apic(rsdp, memory, sizeof(memory)) == PADDR_NONE, "a wrong sum of the RSDP is");
	build();
	find();
	CHECK(acpi_find_apic(rsdp, memory, MADT + MADT_BYTES - 1) == PADDR_NONE, "a table is read that is not all there");
}

KTEST(acpi, the_firmware_and_the_cpu_agree)
{
	if (acpi_apic_page() == PADDR_NONE || apic_page() == PADDR_NONE)
		SKIP("one of them says nothing");
	CHECK(acpi_apic_page() == apic_page(), "%#lx and %#lx", acpi_apic_page(), apic_page());
}
