"""kernel/console.c on the host, with a port made of functions: what it does where nobody reads."""
import subprocess

import pytest
from conftest import ROOT

PROGRAM = r"""
#include <stdio.h>
#include "console.h"
#include "string.h"
#include "trap.h"

#define DATA         0x3f8
#define LINE_STATUS  0x3fd
#define SCRATCH      0x3ff
#define CAN_SEND     0x20

static unsigned char scratch;
static unsigned long nr_looks, nr_petted;
static unsigned nr_free;                /* parts that somebody still reads */

void outb(uint16_t port, uint8_t value)
{
	if (port == SCRATCH)
		scratch = value;
}

uint8_t inb(uint16_t port)
{
	if (port == LINE_STATUS)
		nr_looks++;
	return port == SCRATCH ? scratch : nr_free > 0 ? CAN_SEND : 0;
}

void outsb(uint16_t port, const void *bytes, uint64_t nr_bytes)
{
	fwrite(bytes, 1, nr_bytes, stdout);
	nr_free--;
}

void watchdog_pet(void) { }
void watchdog_stop(void) { }
void watchdog_progress(void) { nr_petted++; }
void screen_init(void) { }
void screen_write(const char *text, size_t nr_bytes) { fwrite(text, 1, nr_bytes, stderr); }
void screen_keep_first(void) { }
void irq_install(unsigned irq, void (*handler)(void)) { }

static const char *amount(unsigned long number)
{
	return number == 0 ? "no" : number < 20 ? "few" : "many";
}

static void write_lines(unsigned reader_takes)
{
	nr_free = reader_takes;
	nr_looks = nr_petted = 0;
	console_write("0123456789abcdef, and the rest\n", 31);
	console_write("more\n", 5);
	printf("{%s looks, %s pets}\n", amount(nr_looks), amount(nr_petted));
}

/* A file without a newline. */
static void write_much(void)
{
	static char text[1 << 20];

	nr_free = sizeof(text);
	nr_petted = 0;
	console_write(text, sizeof(text));
	fprintf(stderr, "%lu\n", nr_petted);
}

int main(int argc, char **argv)
{
	console_init();
	if (argc > 1) {
		write_much();
		return 0;
	}
	write_lines(100);
	write_lines(1);         /* reads 16 bytes, and no more */
	write_lines(0);
	write_lines(100);
	return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The console with that port, as a program."""
    directory = tmp_path_factory.mktemp("console")
    source, program = directory / "port.c", directory / "port"
    source.write_text(PROGRAM)
    subprocess.run(["gcc", "-O2", "-include", ROOT / "grader/bench/host/shim.h",
                    "-iquote", ROOT / "kernel", "-o", program, source,
                    *(ROOT / "kernel" / name for name in ("console.c", "format.c", "print.c", "string.c"))],
                   check=True)
    return program


def test_output_that_nobody_reads_is_lost_after_a_while_and_the_reader_is_told(program):
    done = subprocess.run([program], capture_output=True, check=True)
    assert done.stdout.decode().replace("\r\n", "\n") == """\
0123456789abcdef, and the rest
more
{few looks, few pets}
0123456789abcdef{many looks, many pets}
{few looks, few pets}

[text lost]
0123456789abcdef, and the rest
more
{few looks, few pets}
"""


def test_much_to_write_is_work_that_gets_on(program):
    done = subprocess.run([program, "much"], text=True, capture_output=True, check=True)
    assert int(done.stderr) >= 1 << 10          # for a MiB: once in 1024 bytes
