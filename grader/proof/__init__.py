# SPDX-License-Identifier: MIT
"""Proves: what the calls of a kernel's objects can come to, and what a model in Promela does in every order of its steps.
May import: course, debugger, machine.
Begin with check.py (a policy and a kernel), then graph.py (who calls whom); and spin.py (a model), then protocols.py.
"""
