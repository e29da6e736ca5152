# SPDX-License-Identifier: MIT
#
# Has each call in a file of tests counted while it is under way: a number of its own is added to
# ktest_calls before it, and taken away when it has come back. If it comes back to any other place, the
# sum stays wrong, and the test has not come to its end (kernel/ktest.h). The harness's own functions
# are not counted. Input: what the compiler has made of the file, in assembly language.
/^\tcall\t/ && !/\t(ktest|__cyg_profile_func)_/ {
	printf "\taddq\t$%d, ktest_calls(%%rip)\n%s\n\tsubq\t$%d, ktest_calls(%%rip)\n", NR, $0, NR
	next
}
{ print }
