# SPDX-License-Identifier: MIT
"""What people debug with: `make run`, `debug`, `rewind`, `trace`, and the commands inside GDB.
May import: machine.
Begin with run.py; ouroboros.py is what GDB sources, and inside/ what runs in GDB.
"""
