# SPDX-License-Identifier: MIT
"""What the allocators, the log and a boot cost, beside others: `make bench`, `make bench-check`.
May import: course, machine.
Begin with measuring.py; bounds.py says what may not be exceeded, page.md.in is the page.
"""
