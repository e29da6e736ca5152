/* SPDX-License-Identifier: MIT */
/*
 * console.c: a 16550 UART at COM1, polled. An interrupt only ends the halt in which
 * console_read() waits for a byte.
 *
 * The transmitter takes FIFO_BYTES at a time, so one look at the line status
 * serves for that many. Received bytes wait in the receiver, which has as many; while it is
 * full QEMU takes no more from whoever types. A port is there if a register of it that has
 * no effect keeps what is written to it.
 *
 * Limits: a real UART drops what comes while its receiver is full.
 *
 * Locks: none. Allocates: nothing. Callable from: anywhere; console_init() and
 * console_enable_input() from boot; console_read() from anywhere but an NMI handler.
 */
#include "console.h"

#include <stdbool.h>
#include <stdint.h>

#include "cpu.h"
#include "screen.h"
#include "string.h"
#include "trap.h"
#include "watchdog.h"

#define COM1            0x3f8
#define COM1_IRQ        4
#define FIFO_BYTES      16
#define PIECE_BYTES     1024    /* of output, after which the watchdog hears of it */

/* Registers, as offsets from COM1. */
#define UART_DATA       0       /* with DLAB: divisor, low byte */
#define UART_IER        1       /* interrupt enable; with DLAB: divisor, high byte */
#define UART_FCR        2       /* FIFO control */
#define UART_LCR        3       /* line control */
#define UART_MCR        4       /* modem control */
#define UART_LSR        5       /* line status */
#define UART_SCRATCH    7       /* means nothing */

#define IER_RECEIVED    0x01
#define FCR_ENABLE      0x07    /* and clear both FIFOs; interrupt at the first byte */
#define LCR_DLAB        0x80
#define LCR_8N1         0x03
#define MCR_OUT2_RTS_DTR 0x0b   /* OUT2 lets the interrupt through */
#define LSR_RECEIVED    0x01
#define LSR_CAN_SEND    0x20    /* the transmit FIFO is empty */
#define DIVISOR_115200  1
#define SCRATCH_PROBE   0x5a

/* Reads of a port, of which each takes a microsecond or so: how long a reader may pause. */
#define PATIENCE_READS  (1u << 26)

static struct buffer_sink *copy;
static void (*ear)(const char *text, size_t nr_bytes);
static bool is_diverted;                /* to `copy` alone */
static char last_written = '\n';
static bool has_no_port;
static bool is_on_screen;               /* does output go to the text screen as well? */
static bool nobody_reads;               /* and so output is lost */

void console_init(void)
{
	screen_init();
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, LCR_DLAB);
	outb(COM1 + UART_DATA, DIVISOR_115200);
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, LCR_8N1);
	outb(COM1 + UART_FCR, FCR_ENABLE);
	outb(COM1 + UART_MCR, MCR_OUT2_RTS_DTR);
	outb(COM1 + UART_SCRATCH, SCRATCH_PROBE);
	has_no_port = inb(COM1 + UART_SCRATCH) != SCRATCH_PROBE;
	is_on_screen = has_no_port;
}

static bool can_send(void)
{
	return inb(COM1 + UART_LSR) & LSR_CAN_SEND;
}

/* A wait for a reader is progress, but not for ever. Return: false if nobody reads. */
static __attribute__((cold)) bool wait_for_reader(void)
{
	for (unsigned reads = 0; reads < PATIENCE_READS && !nobody_reads; reads++) {
		if (can_send())
			return true;
		watchdog_progress();
		cpu_relax();
	}
	nobody_reads = true;
	return false;
}

static __attribute__((cold)) void say_what_was_lost(void)
{
	static const char notice[] = "\r\n[text lost]\r\n";

	_Static_assert(sizeof(notice) - 1 <= FIFO_BYTES, "the notice goes out without a wait");
	outsb(COM1 + UART_DATA, notice, sizeof(notice) - 1);
	nobody_reads = false;
}

/* Sends what somebody reads, and drops the rest. Inlined, as a line's end is sent for each line. */
static inline __attribute__((always_inline)) void send(const char *bytes, size_t nr_bytes)
{
	if (nobody_reads && can_send())
		say_what_was_lost();
	while (nr_bytes > 0) {
		size_t part = nr_bytes < FIFO_BYTES ? nr_bytes : FIFO_BYTES;

		if (!can_send() && !wait_for_reader())
			return;
		outsb(COM1 + UART_DATA, bytes, part);
		bytes += part;
		nr_bytes -= part;
	}
}

void console_write(const char *text, size_t nr_bytes)
{
	const char *end = text + nr_bytes;

	if (ear != NULL)
		ear(text, nr_bytes);
	else if (copy != NULL)
		buffer_sink_write(&copy->sink, text, nr_bytes);
	if (nr_bytes > 0)
		last_written = end[-1];
	if (is_diverted)
		return;
	if (is_on_screen)
		screen_write(text, nr_bytes);
	if (has_no_port)
		return;
	while (text < end) {
		size_t left = (size_t)(end - text), piece = left < PIECE_BYTES ? left : PIECE_BYTES;
		const char *newline = memchr(text, '\n', piece);

		if (newline != NULL)
			piece = (size_t)(newline - text);
		send(text, piece);
		text += piece;
		if (newline != NULL) {
			send("\r\n", 2);
			text++;
		}
		watchdog_progress();
	}
}

void console_announce(const char *line)
{
	if (!is_on_screen)
		screen_write(line, strlen(line));
	console_write(line, strlen(line));
}

void console_show_last_words(void)
{
	is_on_screen = false;           /* until it has proved to be mapped */
	screen_keep_first();
	is_on_screen = true;
}

void console_fresh_line(void)
{
	if (last_written != '\n')
		console_write("\n", 1);
}

void console_copy_to(struct buffer_sink *buffer)
{
	copy = buffer;
	ear = NULL;
	is_diverted = false;
}

void console_listen(void (*hear)(const char *text, size_t nr_bytes))
{
	ear = hear;
}

void console_divert_to(struct buffer_sink *buffer)
{
	copy = buffer;
	is_diverted = true;
}

/* A port that has gone reads as ones, and so as ready for ever. */
static bool is_received(void)
{
	uint8_t status = inb(COM1 + UART_LSR);

	return !has_no_port && status != 0xff && (status & LSR_RECEIVED);
}

/* Ends the halt in console_read(). The port's line falls, and so can rise again: an edge. */
static void disable_interrupt(void)
{
	outb(COM1 + UART_IER, 0);
}

void console_enable_input(void)
{
	if (has_no_port)
		console_printf("console: there is no serial port, so nothing can be typed\n");
	else
		irq_install(COM1_IRQ, disable_interrupt);
	irq_unmask();
}

char console_read(void)
{
	irq_mask();
	if (!is_received()) {
		watchdog_stop();
		do {
			outb(COM1 + UART_IER, has_no_port ? 0 : IER_RECEIVED);
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		} while (!is_received());
		watchdog_pet();
	}
	irq_unmask();
	return (char)inb(COM1 + UART_DATA);
}
