# SPDX-License-Identifier: MIT
"""Has one tree, a submission, a whole class or the mutants graded, and makes the class's report.
May import: reports, judging, course, debugger, machine.
Begin with one.py (one tree or submission), then many.py and grading.py (a class).
"""
