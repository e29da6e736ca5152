# SPDX-License-Identifier: MIT
"""Many submissions: which there are, having each graded, going on after an interruption, the report.
May import: reports, judging, course, machine.
Begin with grading.py: a Classroom has one class's results, and knows how to get them.
"""
