# SPDX-License-Identifier: MIT
"""What is graded and of what files: a lab, its answers, a submission, a build, a handout.
May import: machine.
Begin with lab.py: a Lab is what a lab.toml describes.
"""
