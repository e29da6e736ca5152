# SPDX-License-Identifier: MIT
"""Looks into machines, judges what happened, and gives points; tries the tools on a known-good stage.
May import: proof, course, debugger.inside, machine.
Begin with grading.py (a lab, its boots, its tests); judge.py, ktests.py and crash.py decide.
"""
