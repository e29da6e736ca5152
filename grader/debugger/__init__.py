# SPDX-License-Identifier: MIT
"""GDB's view of a running Ouroboros: commands, pretty-printers, and what the grader asks of GDB.

`source grader/debugger/ouroboros.py` in GDB is all that a user needs. The commands read memory
and nothing else, but for `type`, and for time_travel.py and story.py, which drive a recording.
stack.py and calls.py need no GDB; the first is the grader's as well.
"""
