# SPDX-License-Identifier: MIT
# Turns `nm -n` of the linked kernel into the table that kernel/backtrace.c
# searches: address and name of every function, sorted by address.
BEGIN {
	print "\t.section .symbols, \"a\""
	print "\t.section .note.GNU-stack, \"\", @progbits"
	print "\t.section .symbols"
}
# The linker script's names are not functions; what GCC splits off one is still that function.
$2 ~ /^[tT]$/ && $1 ~ /^ffffffff/ && $3 !~ /^(text|rodata|data|bss)_(start|end)$/ {
	sub(/\..*/, "", $3)
	printf "\t.quad 0x%s, name_%d\n", $1, nr
	printf "\t.pushsection .rodata.names, \"a\"\nname_%d:\t.asciz \"%s\"\n\t.popsection\n", nr, $3
	nr++
}
