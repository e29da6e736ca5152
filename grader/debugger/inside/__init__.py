# SPDX-License-Identifier: MIT
"""What runs inside GDB: commands, pretty-printers, and what the grader asks of GDB.

The commands read memory and nothing else, but for `type`, and for time_travel.py and story.py,
which drive a recording. ../stack.py and ../calls.py need no GDB.
"""
