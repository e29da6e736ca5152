# SPDX-License-Identifier: MIT
"""What people debug with: `make run`, `debug`, `rewind`, `trace`, and the commands inside GDB.
May import: machine.
Begin with ouroboros.py, which GDB sources; inside/ runs in GDB, all else around it.
"""
