/* SPDX-License-Identifier: MIT */
/*
 * console.c: a 16550 UART at COM1. Output by polling, input by interrupt.
 *
 * The transmitter takes FIFO_BYTES at a time, so one look at the line status
 * serves for that many. Received bytes wait in a small ring; what does not fit
 * is dropped, as the hardware would.
 *
 * Locks: none. Allocates: nothing. Callable from: see console.h.
 */
#include "console.h"

#include <stdbool.h>
#include <stdint.h>

#include "cpu.h"
#include "string.h"
#include "trap.h"
#include "watchdog.h"

#define COM1            0x3f8
#define COM1_IRQ        4
#define FIFO_BYTES      16

/* Registers, as offsets from COM1. */
#define UART_DATA       0       /* with DLAB: divisor, low byte */
#define UART_IER        1       /* interrupt enable; with DLAB: divisor, high byte */
#define UART_FCR        2       /* FIFO control */
#define UART_LCR        3       /* line control */
#define UART_MCR        4       /* modem control */
#define UART_LSR        5       /* line status */

#define IER_RECEIVED    0x01
#define FCR_ENABLE      0x07    /* and clear both FIFOs; interrupt at the first byte */
#define LCR_DLAB        0x80
#define LCR_8N1         0x03
#define MCR_OUT2_RTS_DTR 0x0b   /* OUT2 lets the interrupt through */
#define LSR_RECEIVED    0x01
#define LSR_CAN_SEND    0x20    /* the transmit FIFO is empty */
#define DIVISOR_115200  1

#define INPUT_BYTES     256     /* a power of two */

static struct {
	char bytes[INPUT_BYTES];
	volatile unsigned head, tail;   /* counts of bytes ever put in and taken out */
} input;

static struct buffer_sink *copy;
static char last_written = '\n';

void console_init(void)
{
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, LCR_DLAB);
	outb(COM1 + UART_DATA, DIVISOR_115200);
	outb(COM1 + UART_IER, 0);
	outb(COM1 + UART_LCR, LCR_8N1);
	outb(COM1 + UART_FCR, FCR_ENABLE);
	outb(COM1 + UART_MCR, MCR_OUT2_RTS_DTR);
}

static void send(const char *bytes, size_t nr_bytes)
{
	while (nr_bytes > 0) {
		size_t part = nr_bytes < FIFO_BYTES ? nr_bytes : FIFO_BYTES;

		while ((inb(COM1 + UART_LSR) & LSR_CAN_SEND) == 0)
			cpu_relax();
		outsb(COM1 + UART_DATA, bytes, part);
		bytes += part;
		nr_bytes -= part;
	}
}

void console_write(const char *text, size_t nr_bytes)
{
	const char *end = text + nr_bytes, *newline;

	if (copy != NULL)
		copy->sink.write(&copy->sink, text, nr_bytes);
	if (nr_bytes > 0)
		last_written = end[-1];
	while ((newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
		send(text, (size_t)(newline - text));
		send("\r\n", 2);
		text = newline + 1;
	}
	send(text, (size_t)(end - text));
}

void console_fresh_line(void)
{
	if (last_written != '\n')
		console_write("\n", 1);
}

void console_copy_to(struct buffer_sink *buffer)
{
	copy = buffer;
}

static bool console_sink_write(struct sink *sink, const char *text, size_t nr_bytes)
{
	console_write(text, nr_bytes);
	return true;
}

struct sink console_sink = { .write = console_sink_write };

void console_vprintf(const char *template, va_list arguments)
{
	vformat(&console_sink, template, arguments);
}

void console_printf(const char *template, ...)
{
	va_list arguments;

	va_start(arguments, template);
	console_vprintf(template, arguments);
	va_end(arguments);
}

static void receive(void)
{
	while (inb(COM1 + UART_LSR) & LSR_RECEIVED) {
		char byte = (char)inb(COM1 + UART_DATA);

		if (input.head - input.tail < INPUT_BYTES)
			input.bytes[input.head++ % INPUT_BYTES] = byte;
	}
}

void console_enable_input(void)
{
	irq_install(COM1_IRQ, receive);
	outb(COM1 + UART_IER, IER_RECEIVED);
	__asm__ volatile("sti");
}

char console_read(void)
{
	char byte;

	__asm__ volatile("cli");
	if (input.head == input.tail) {
		watchdog_stop();
		while (input.head == input.tail)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		watchdog_pet();
	}
	byte = input.bytes[input.tail++ % INPUT_BYTES];
	__asm__ volatile("sti");
	return byte;
}
