# SPDX-License-Identifier: MIT
"""What runs inside GDB: commands, pretty-printers, and what the grader asks of GDB.
May import: no other room.
Begin with all_commands.py, the list of the commands; stack.py and calls.py need no GDB.
"""
