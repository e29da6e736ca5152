# SPDX-License-Identifier: MIT
"""The kernel's code that reads what comes from outside, tried with odd input on the host: `make fuzz`.
May import: machine.
Begin with running.py; seeds.py is the corpus, targets/ has what is tried, host/ what that runs on.
"""
