# SPDX-License-Identifier: MIT
"""One QEMU: its command line, its sandbox, how it is watched, read, recorded and ended.
May import: no other room.
Begin with machine.py: a Machine is a QEMU without a person at it.
"""
