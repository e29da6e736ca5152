# SPDX-License-Identifier: MIT
"""GDB's view of a running Ouroboros: commands, pretty-printers, and what the grader asks of GDB.

`source grader/debugger/ouroboros.py` in GDB is all that a user needs. Everything here reads
memory and nothing else. stack.py alone needs no GDB, and is the grader's as well.
"""
