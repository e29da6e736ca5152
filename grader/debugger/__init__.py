# SPDX-License-Identifier: MIT
"""What people debug with: `make run`, `debug`, `rewind`, `trace`, and the commands inside GDB.
May import: debugger.inside, machine.
Begin with run.py; ouroboros.py is what GDB sources, and debug.py starts terminal.py once more.
"""
