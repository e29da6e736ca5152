# SPDX-License-Identifier: MIT
#
# What instructors do with the labs. A handout has no such file.

MINUTES ?= 10
LABS     =
SITE     = build/docs

.PHONY: exercise handout docs mutants test gradescope

exercise: ## take the solutions of LAB=N out of its files, to do it yourself
	$(need_lab)
	@labs/leave-out $(wildcard $(lab_dir)/*.c)

handout: ## what students get, without solutions: build/handout/ with a .tar.gz; also LABS=0-2
	@$(PYTHON) grader/handout.py --into build/handout $(if $(LABS),--labs '$(LABS)')

docs: ## the handbook and the handouts as a site: build/docs/index.html
	@$(or $(shell grader/find-python sphinx myst_parser furo),$(error no Python 3.11 or later with sphinx, myst_parser and furo. Try: make setup)) -m sphinx -E -a -W --keep-going -q -j auto -c docs . $(SITE)

mutants: ## grade the known-bad submissions of all labs, or LAB=N: does the grader catch them?
	@$(PYTHON) grader/mutants.py $(LAB)

test: all ## the project's own tests
	@$(PYTHON) -m pytest -q grader/tests

# Committed files only, with what Gradescope looks for in the root of the archive.
gradescope: ## make build/gradescope.zip, an autograder of all labs or LAB=N; also MINUTES=10
	@mkdir -p build/gradescope
	@printf 'labs="%s"\nseconds=%d\n' '$(LAB)' $$(($(MINUTES) * 54)) > build/gradescope/gradescope.conf
	@git archive --format=zip --output=build/gradescope.zip --add-file=grader/gradescope/setup.sh \
		--add-file=grader/gradescope/run_autograder --add-file=build/gradescope/gradescope.conf HEAD
	@git diff --quiet HEAD || echo 'gradescope: what is not committed is not in it' >&2
	@echo 'build/gradescope.zip: upload it under "Configure Autograder"; docs/instructor/autograders.md says how'
