# SPDX-License-Identifier: MIT
"""Has one tree, a submission or a whole class graded: what to grade, going on, comparing, the report.
May import: reports, judging, course, machine.
Begin with one.py (one tree or submission), then command.py and grading.py (a class).
"""
