# SPDX-License-Identifier: MIT
"""Shows results: on a terminal, as a page, in the formats of other programs.
May import: judging, course, machine.
Begin with formats.py; the object that all of it is made of is described in judging/result.py.
"""
