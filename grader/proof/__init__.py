# SPDX-License-Identifier: MIT
"""Proves: what a model in Promela does in every order of its steps.
May import: course, debugger, machine.
Begin with spin.py (a model and SPIN), then protocols.py (what is asked of it), trail.py (what it shows).
"""
