#!/bin/sh
# SPDX-License-Identifier: MIT
# Gradescope runs this once, as root, when it builds the image of the autograder from the
# bundle of `make gradescope`. If it fails, so does the build, and its log says why.
#
# Usage: setup.sh [DIRECTORY]   (instead of /autograder)
set -eu
cd "${1:-/autograder}/source"

sh grader/setup.sh grading || {
	sh grader/find-python sys > /dev/null ||
		echo "setup: the grader needs Python 3.11 or later. Under \"Configure Autograder\" choose the" \
			"base image Ubuntu 24.04 (22.04 has Python 3.10), and build again." >&2
	exit 1
}
make doctor all
