#!/bin/bash
# SPDX-License-Identifier: MIT
# VPL, an activity of Moodle, runs this for each submission, and then the vpl_execution that it makes:
# docs/instructor/autograders.md says how to install it. If the grader fails there is no line with a
# grade, and VPL proposes none.
# Source: https://vpl.dis.ulpgc.es/documentation/, "Advanced features"

cat > vpl_execution <<'END'
#!/bin/bash
LAB=02-heap                         # the lab
TREE=${TREE:-/usr/local/ouroboros}  # on the execution server, where `make setup doctor all` has run

. ./vpl_environment.sh              # says VPL_SUBFILES and VPL_MAXTIME
mkdir handed-in
while IFS= read -r file; do
	[ -z "$file" ] || cp --parents -- "$file" handed-in
done <<< "$VPL_SUBFILES"
cp -r -- "$TREE" tree
python=$(sh tree/grader/find-python) &&
	timeout --kill-after=5 $((VPL_MAXTIME * 9 / 10)) \
		"$python" tree/grader/grade.py "$LAB" --tree handed-in --vpl result >&2
if [ -s result ]; then
	cat result
else
	echo 'Comment :=>>NOT FINAL: the instructor must run the grader again.'
fi
END
chmod +x vpl_execution
