# SPDX-License-Identifier: MIT
"""Judges: looks into machines, finds out what happened, and turns that into verdicts and points.
May import: course, debugger, machine.
Begin with grading.py (a lab, its boots, its tests); judge.py, ktests.py and crash.py decide.
"""
