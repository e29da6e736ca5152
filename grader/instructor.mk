# SPDX-License-Identifier: MIT
#
# What instructors do with the labs. A handout has no such file.

MINUTES = 10
LABS    =
GIVEN   =
SITE    = build/docs
BOOK    = build/book
PICTURES = docs/pictures

.PHONY: exercise handout docs book playground playground-host film lines mutants test gradescope fuzz

# Where a submission is graded there are no pages.
-include docs/playground/playground.mk

exercise: ## take the solutions of LAB=N out of its files, to do it yourself
	$(need_lab)
	@sh labs/leave-out $(wildcard $(addprefix $(lab_dir)/,*.c *.pml proof.toml))

handout: ## what students get, without solutions: build/handout/ with a .tar.gz; also LABS=0-2 GIVEN=yes
	@$(python) grader/handout.py --into build/handout $(call option,labs,$(LABS)) $(if $(GIVEN),--given)

docs_python = $(or $(shell sh grader/find-python sphinx myst_parser furo),$(call no_python,sphinx$(comma) myst_parser and furo))

docs: playground ## the handbook, the handouts and the playground as a site: build/docs/index.html
	@$(call quoted,$(docs_python)) -m sphinx -E -a -W --keep-going -q -j auto -c docs . $(call quoted,$(SITE))
	@[ ! -d $(page_at) ] || { cd $(call quoted,$(SITE)) && rm -rf $(playground) && \
		cp -R $(call quoted,$(CURDIR))/$(page_at) $(playground) && cp $(call quoted,$(CURDIR))/$(playground)/index.html $(playground)/; }

# The page is made anew, or is not there: then the site has no link to it. It has a link to the site only
# there. A browser that cannot run it shows the film of a run.
playground: $(if $(missing_for_page),,$(page_files) $(machines)) ## the labs in a page to play with: build/playground/page/index.html; also LABS=0-2
	$(need_page_labs)
	@rm -rf $(page_at)
ifneq ($(missing_for_page),)
	@echo "playground: left out, as there is no $(missing_for_page). Try: make setup"
else
	@mkdir -p $(page_at) && cp $(page_files) $(page_at)/ && sed '/id="home"/d' $(playground)/index.html > $(page_at)/index.html && \
		cp $(machines) $(page_at)/machines.js && cp docs/pictures/film.svg $(page_at)/recorded.svg
endif

playground-host: $(playground_host)

printer = $(shell sh grader/find-python weasyprint)

# An EPUB, and the same printed where there is weasyprint.
book: ## the same as a book: build/book/Ouroboros.epub, and Ouroboros.pdf
	@rm -rf $(call quoted,$(BOOK)) && mkdir -p $(call quoted,$(BOOK))
	@$(call quoted,$(docs_python)) -m sphinx -E -a -W --keep-going -q -b epub -d $(call quoted,$(BOOK)/read) -c docs . \
		$(call quoted,$(BOOK)/pages) && mv $(call quoted,$(BOOK)/pages/Ouroboros.epub) $(call quoted,$(BOOK))
	@$(if $(printer),$(call quoted,$(printer)) docs/book.py $(call quoted,$(BOOK)/Ouroboros.epub) $(call quoted,$(BOOK)/Ouroboros.pdf), \
		echo 'book: no PDF, as there is no weasyprint. Try: make setup' >&2)

# Each picture is of a run. What log-lock shows is not what lab 3 asks for.
film: ## film the hang and its cure, and draw a variant's hang: writes docs/pictures/
	@$(MAKE) --no-print-directory iso LAB=3 LOG=debug ISO=build/film/hangs.iso
	@$(MAKE) --no-print-directory iso LAB=4 LOG=debug ISO=build/film/cured.iso
	@$(python) grader/film.py build/film/hangs.iso build/film/cured.iso $(call quoted,$(PICTURES)/film.svg)
	@$(MAKE) --no-print-directory trace LAB=3 VARIANT=log-lock LOG=info TYPE=fill \
		OUT=$(call quoted,$(PICTURES)/log-lock.svg)

lines: ## count what stage LAB=N is made of: C and its headers, without tests, comments and blank lines
	$(need_lab)
	@printf '%d lines of C in stage $(LAB)\n' "$$($(CC) -fpreprocessed -dD -E -P -w -x c \
		$(filter-out %_test.c,$(sources)) kernel/*.h | grep -c .)"

mutants: ## grade the known-bad submissions of all labs, or LAB=N: does the grader catch them?
	@$(need_compiler)$(python) grader/mutants.py $(LAB)

# Two at a time where pytest-xdist is installed. A file's tests share machines, and stay together.
test: all ## the project's own tests
	@$(python) -m pytest -q $(shell $(python) -c 'import xdist' 2>/dev/null && echo --numprocesses=2 --dist=loadfile) grader/tests

minutes = $(or $(shell [ $(call quoted,$1) -gt 0 ] 2>/dev/null && echo $1),$(error MINUTES=$1 is not a number of minutes))

# Committed files only, with what Gradescope looks for in the root of the archive.
gradescope: ## make build/gradescope.zip, an autograder of all labs or LAB=N; also MINUTES=10
	@mkdir -p build/gradescope
	@printf 'labs="%s"\nseconds=%d\n' '$(LAB)' $$(($(call minutes,$(MINUTES)) * 54)) > build/gradescope/gradescope.conf
	@git archive --format=zip --output=build/gradescope.zip --add-file=grader/gradescope/setup.sh \
		--add-file=grader/gradescope/run_autograder --add-file=build/gradescope/gradescope.conf HEAD
	@git diff --quiet HEAD || echo 'gradescope: what is not committed is not in it' >&2
	@echo 'build/gradescope.zip: upload it under "Configure Autograder"; docs/instructor/autograders.md says how'

# ---- what HEAP= names: our frames and heap, and the heaps with which lab 2 tries its students' tests.
# None has debugging information. Of the latter no name is left, nor a word on which patch made them.
# Each of these is compiled in a way of its own, so that its machine code does not tell whether it is sound.
# A heap has the next word of each list after the heap before it. The lists' lengths have no common
# divisor: no two of 105 heaps have all three words in common, and those next to each other none.
# Three are the code of sound-1: compiled to be longer and slower than any broken heap, to be faster, and
# to be shorter. No bound on an address, a length or a time is kept by all sound heaps and broken by
# others, but by one that is faster as it does not look for overruns. Nor do lines have numbers. The
# functions of the heaps that are shown lie as they do in no other: where those lie tells nothing of the rest.

objects    = build/objects
heap_names = $(basename $(notdir $(sort $(wildcard grader/heaps/*.patch grader/mutants/02/*.patch))))
same_code  = sound-4 sound-5 sound-6
heaps      = given sound-1 $(filter sound-%,$(heap_names)) $(filter-out sound-%,$(heap_names)) $(same_code)
lab_2_heap = $(filter %/heap.c,$(call files_of,2))
say_file   = printf '\#line 1 "%s"\n' $(lab_2_heap)

.PRECIOUS: build/objects/%/heap.c

unchecked      = -fno-sanitize=all -fno-stack-protector -fomit-frame-pointer -fshrink-wrap -foptimize-sibling-calls
way_of_sound-4 = -O0 -falign-functions=1024
way_of_sound-5 = -O2 $(unchecked) -fschedule-insns2
way_of_sound-6 = -Os $(unchecked)

$(patsubst %,build/objects/%/heap.c,sound-1 $(same_code)): $(lab_2_heap)
	$(room)
	@{ $(say_file); cat $<; } > $@

define patched_heap
@sh labs/patch-layer $< $(@D) $(lab_2_heap) && { $(say_file); cat $@; } > $@.$$$$ && mv $@.$$$$ $@
endef

build/objects/%/heap.c: grader/heaps/%.patch $(lab_2_heap)
	$(patched_heap)

build/objects/%/heap.c: grader/mutants/02/%.patch $(lab_2_heap)
	$(patched_heap)

levels    = -O1 -O2 -Os
registers = -ffixed-rbx -ffixed-r12 -ffixed-r13 -ffixed-r14 -ffixed-r15
tunings   = $(addprefix -mtune=,generic core2 atom k8 bdver1 znver1 skylake)
place     = $(words $(call up_to,$*,$(heaps)))
turn      = $(word $(shell echo $$(($(place) % $(words $1) + 1))),$1)
next_way  = $(call turn,$(levels)) $(call turn,$(registers)) $(call turn,$(tunings))
own_way   = $(or $(way_of_$*),$(next_way)) $(if $(filter broken-%,$*),-O2 -falign-functions=64) -w -D__LINE__=1

build/objects/%/heap.c.o: build/objects/%/heap.c build/flags grader/instructor.mk
	$(call say,CC,$<) $(CC) $(CFLAGS) $(own_way) -g0 $(dependencies) -c -o $@.$$$$ $< && \
		$(STRIP) --strip-unneeded --remove-section=.comment $@.$$$$ && $(appear)

build/objects/given/%.c.o: $(patsubst %,build/obj/%.o,$(filter %/frame.c %/heap.c,$(call files_of,2)))
	$(room)
	$(call say,STRIP,$@) $(STRIP) --strip-debug --keep-section=.debug_frame --remove-section=.comment -o $@ \
		$(filter %/$*.c.o,$^)

-include $(shell find build/objects -name '*.d' 2>/dev/null)

# ---- the project's own tests in a kernel: stage N with one more layer, grader/tests/kernel/N

kernel_tests = $(notdir $(wildcard grader/tests/kernel/*))
$(foreach n,$(kernel_tests),$(eval $(call stage,stage-$n-tests,$(call objects_of,$n,grader/tests/kernel/$n))))

# A patch is tried with them as well: do they notice it?
ifneq ($(PATCH),)
$(eval $(call stage,stage-$(stage_name)-tests,$(call objects_of,$(LAB),$(patch_layer) grader/tests/kernel/$(LAB))))
endif

# ---- the benchmark: the labs' own files on the host, and a stage with one more layer

LAST_LAB   := $(lastword $(numbers))
# The page's logger is lab 4's: it writes each record to the console at once.
BENCH_LAB  := 4
BENCH_STAGE = stage-$(BENCH_LAB)-bench
# What labs 5 and 6 add is measured in a stage that has it.
LATER_LAB  := 6
LATER_STAGE = stage-$(LATER_LAB)-bench
HOST_CC    ?= gcc

bench_names  = $(addsuffix .c,frame heap slab pages rescue log log_filter format console print string random)
bench_labs   = $(filter $(addprefix %/,$(bench_names)),$(call files_of,$(BENCH_LAB)))
bench_host   = $(wildcard grader/bench/host/*.c grader/bench/textbook/*.c)
bench_common = -std=gnu11 -O2 -g -DHEAP_JUNK=0 -Wall -Wextra -Wno-unused-parameter -Werror -fvisibility=hidden \
	-fcf-protection=none -fno-stack-protector -fno-stack-clash-protection \
	-iquote grader/bench -iquote grader/bench/host -iquote kernel -include grader/bench/host/shim.h
bench_as_in_kernel = -ffreestanding -mgeneral-regs-only -fno-tree-loop-distribute-patterns

build/bench/flags: FORCE
	$(call remember,$(HOST_CC) $(bench_common) $(bench_as_in_kernel))

# The heap with its freed objects filled with junk is a program of its own.
bench_heap   = $(filter %/heap.c %/slab.c,$(bench_labs))
bench_junk   = $(bench_heap:%=build/bench/junk/%.o)

build/bench/junk/%.o: % build/bench/flags
	$(room)
	$(call say,HOST,$<) $(HOST_CC) $(bench_common) $(bench_as_in_kernel) -UHEAP_JUNK -DHEAP_JUNK=1 \
		$(dependencies) -c -o $@.$$$$ $< && $(appear)

build/bench/%.o: % build/bench/flags
	$(room)
	$(call say,HOST,$<) $(HOST_CC) $(bench_common) $(bench_flags) $(dependencies) -c -o $@.$$$$ $< && $(appear)

$(bench_labs:%=build/bench/%.o) build/bench/grader/bench/workloads.c.o: bench_flags = $(bench_as_in_kernel)

build/bench/bench: $(patsubst %,build/bench/%.o,$(bench_labs) $(bench_host) grader/bench/workloads.c)
	$(call say,LINK,$@) $(HOST_CC) -o $@ $^

build/bench/bench-junk: $(patsubst %,build/bench/%.o,$(filter-out $(bench_heap),$(bench_labs)) $(bench_host) \
		grader/bench/workloads.c) $(bench_junk)
	$(call say,LINK,$@) $(HOST_CC) -o $@ $^

$(eval $(call stage,$(BENCH_STAGE),$(call objects_of,$(BENCH_LAB),grader/bench grader/bench/kernel)))
$(eval $(call stage,$(LATER_STAGE),$(call objects_of,$(LATER_LAB),grader/bench grader/bench/kernel grader/bench/later)))

-include $(shell find build/bench -name '*.d' 2>/dev/null)

.PHONY: bench bench-check bench-build

bench_page = docs/performance.md docs/diagrams/performance.svg

bench: bench-build ## measure the allocators, the log and the boot: writes docs/performance.md
	@HOST_CC=$(call quoted,$(HOST_CC)) $(python) grader/benchmark.py $(bench_page)

bench-check: bench-build ## only see whether anything is slower than it may be
	@$(python) grader/benchmark.py --check $(bench_page)

bench-build: build/bench/bench build/bench/bench-junk $(initramfs) \
		build/$(BENCH_STAGE)/kernel.elf build/$(LATER_STAGE)/kernel.elf build/stage-$(BENCH_LAB)/kernel.elf

# ---- fuzzing: what reads input from outside, on the host, with sanitizers. grader/fuzzing.py
# chooses the compiler; each has a directory of its own. Of memmap.c a target includes the text.

SECONDS =
TARGET  =
SEED    =
FINDING =

fuzz: ## try odd input on what reads it: SECONDS=60 for each target; also TARGET=cpio SEED=7 FINDING=file
	@$(python) grader/fuzzing.py --seconds=$(call quoted,$(SECONDS)) \
		--target=$(call quoted,$(TARGET)) --seed=$(call quoted,$(SEED)) --finding=$(call quoted,$(FINDING))

iso_c_strings = memcpy memmove memset memchr memcmp strlen strnlen strcmp strncmp strchr strstr
fuzz_targets  = $(basename $(notdir $(wildcard grader/fuzz/targets/*.c)))
fuzz_names    = $(addsuffix .c,cpio initramfs directory bootinfo options format print string log_filter line name)
fuzz_kernel   = $(filter $(addprefix %/,$(fuzz_names)),$(call files_of,$(LAST_LAB))) kernel/log.c
fuzz_flags    = -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-parameter -Werror -fno-omit-frame-pointer \
	-fno-pie -fsanitize=address,undefined -fno-sanitize-recover=all \
	-iquote grader/fuzz/host -iquote kernel -include grader/fuzz/host/shim.h
fuzz_clang    = clang $(fuzz_flags) -fsanitize=fuzzer-no-link
fuzz_gcc      = $(HOST_CC) $(fuzz_flags) -fsanitize-coverage=trace-pc

build/fuzz/flags: FORCE
	$(call remember,$(fuzz_clang) $(fuzz_gcc) $(iso_c_strings))

define fuzz_object
$(room)
$(call say,HOST,$<) $(fuzz_compile) $(dependencies) -c -o $@.$$$$ $< && $(appear)
endef

build/fuzz/clang/%.o: % build/fuzz/flags
	$(fuzz_object)

build/fuzz/gcc/%.o: % build/fuzz/flags
	$(fuzz_object)

build/fuzz/clang/%: fuzz_compile = $(fuzz_clang)
build/fuzz/gcc/%: fuzz_compile = $(fuzz_gcc)
build/fuzz/gcc/grader/fuzz/host/driver.c.o: fuzz_compile = $(HOST_CC) -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror
build/fuzz/%/kernel/string.c.o: fuzz_compile += $(foreach name,$(iso_c_strings),-D$(name)=kernel_$(name))

fuzz_objects = $(patsubst %,build/fuzz/$1/%.o,grader/fuzz/host/machine.c $(fuzz_kernel))

$(fuzz_targets:%=build/fuzz/clang/%): build/fuzz/clang/%: build/fuzz/clang/grader/fuzz/targets/%.c.o \
		$(call fuzz_objects,clang)
	$(call say,LINK,$@) clang -no-pie -fsanitize=fuzzer,address,undefined -o $@ $^

$(fuzz_targets:%=build/fuzz/gcc/%): build/fuzz/gcc/%: build/fuzz/gcc/grader/fuzz/targets/%.c.o \
		$(call fuzz_objects,gcc) build/fuzz/gcc/grader/fuzz/host/driver.c.o
	$(call say,LINK,$@) $(HOST_CC) -no-pie -fsanitize=address,undefined -o $@ $^

-include $(shell find build/fuzz -name '*.d' 2>/dev/null)
