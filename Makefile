# SPDX-License-Identifier: MIT
#
# Layers -> sources -> ELF -> ISO. Stage N is kernel/ with labs/00-* ... labs/N-*
# laid over it: for each C file name, the last layer that has it wins. A patch
# (VARIANT or PATCH) is one more layer, made of the files it changes.
# `make help` lists the targets; `make print-NAME` prints a variable.

# Where a descriptor was closed, make has opened this file on it, loses what $(shell) prints, and
# compilers fail at a warning. Another make then does the work, with descriptors that are open.
ifneq ($(filter $(realpath Makefile),$(realpath /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2)),)
.PHONY: $(MAKECMDGOALS) again
$(or $(MAKECMDGOALS),all): again ;
again:
	@for n in 0 1 2; do \
		if [ ! -e /proc/self/fd/$$n ] || [ /proc/self/fd/$$n -ef Makefile ]; then eval "exec $$n<>/dev/null"; fi; \
	done; \
		exec $(MAKE) --no-print-directory $(MAKECMDGOALS)
else

ifneq ($(words $(CURDIR)),1)
$(error "$(CURDIR)" has a blank in it, and make cannot work with that: move the tree)
endif

# Scripts whose lines end with CR LF do not run. git, an editor or an unpacker may have made them so.
define newline


endef
script := $(file < boot/link)
ifneq ($(script),)
ifeq ($(findstring set -eu$(newline),$(script)),)
$(error the scripts here have the line ends of Windows (CR LF). Get the tree anew, with: git clone -c core.autocrlf=input)
endif
endif

# Only make's command line sets these. A shell may export a LOG or a TEST that is not for us.
LAB       =
FROM      =
TO        =
LOG       = info
FIRMWARE  = bios
MEM       = $(if $(filter uefi,$(FIRMWARE)),128M,64M)
ACCEL     = tcg
TEST      =
OPTIONS   =
VARIANT   =
HEAP      =
ORDER     =
BARE      =
WITHOUT   =
BREAK     =
STOPPED   =
RECORDING =
TYPE      =
OUT       =
POLICY    =
EX        =
PROTOCOL  =
CPUS      = 1
V         =
PATCH     = $(if $(word 2,$(VARIANT)),,$(patsubst %,$(lab_dir)/variants/%.patch,$(filter $(variants),$(VARIANT))))
CMDLINE   = $(strip log=$(LOG) $(if $(TEST),ktest=$(TEST)) $(OPTIONS))

comma := ,

# One word for a shell, whatever is in it.
quoted = '$(subst ','\'',$1)'

.DELETE_ON_ERROR:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

# One short line a step; the whole commands with V=1.
say = $(if $(V),,@printf '  %-4s %s\n' $1 $2;)

# Makes the target's directory. Everything that is built lies in one.
room = @mkdir -p $(@D) 2>/dev/null; [ -w $(@D) ] || \
	{ printf 'make: %s is not writable for %s. If root has built there: sudo make clean\n' \
	$(call quoted,$(CURDIR)/$(@D)) "$$(id -un 2>/dev/null || true)" >&2; exit 1; }

# `make setup grade` does one after the other, also with -j.
ifneq ($(filter setup,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif

# ---- tools: looked for when first used, so that `make setup grade` finds what setup installed

find_tool = $(or $(shell for t in $1; do command -v $$t && break; done),$(error none of these is installed: $1. Try: make setup))
once      = $(eval $1 := $2)$($1)

# Programs may come from the environment: so they reach the make that the grader runs. CC is a
# command, as "ccache gcc" is one; its name may have the prefix of the tools that go with it.
ifneq ($(and $(filter-out default undefined,$(origin CC)),$(strip $(CC))),)
named       = $(patsubst %gcc,%,$(firstword $(filter %gcc,$(subst gcc,gcc ,$(notdir $(CC))))))
prefix      = $(if $(shell command -v $(call quoted,$(named)nm)),$(named))
else
override CC = $(CROSS_COMPILE)gcc
native_gcc  = $(if $(filter x86_64,$(shell uname -m)),gcc)
found_gcc   = $(call find_tool,x86_64-elf-gcc x86_64-linux-gnu-gcc $(native_gcc))
prefix      = $(patsubst %gcc,%,$(lastword $(notdir $(found_gcc))))
endif
ifeq ($(origin CROSS_COMPILE),undefined)
CROSS_COMPILE = $(call once,CROSS_COMPILE,$(prefix))
endif
NM      ?= $(CROSS_COMPILE)nm
STRIP   ?= $(CROSS_COMPILE)strip
OBJDUMP ?= $(CROSS_COMPILE)objdump
# The directory of the compiler's own headers, or what is the matter with the compiler.
headers    = $(if $(filter headers:,$(firstword $1)),$(wordlist 2,99,$1),\
	$(error $(or $1,the shell finds no tools: what is PATH?)))
checked    = $(shell sh boot/check-tools $(foreach name,CC NM STRIP,$(call quoted,$($(name)))) awk)
CC_INCLUDE = $(call once,CC_INCLUDE,$(strip $(call headers,$(checked))))
need_compiler = $(if $(CC_INCLUDE),)
no_python = $(error no Python 3.11 or later with $1. Try: make setup)
PYTHON = $(call once,PYTHON,$(or $(shell sh grader/find-python),$(call no_python,rich$(comma) pyelftools and pytest)))
python = $(call quoted,$(PYTHON))
ifeq ($(origin GRUB_MKRESCUE),undefined)
GRUB_MKRESCUE = $(call once,GRUB_MKRESCUE,$(call find_tool,grub-mkrescue grub2-mkrescue i686-elf-grub-mkrescue))
endif

# The kernel needs each of these flags, and so does what the grader builds.
given := $(strip $(foreach name,CFLAGS LDFLAGS,$(if $(filter command,$(origin $(name))),$(name))))
ifneq ($(given),)
$(error $(given): the kernel needs its own. More flags may stand behind the compiler: make CC="gcc -O1")
endif

# Warnings are errors, but what a half-done exercise leaves unused is only warned of. So is an index
# out of bounds, which GCC also sees where code cannot be reached: UBSan finds it when it happens.
# Backtraces follow the frame pointers, so every function has a frame, is in one piece, and has
# nothing moved into the instructions that make the frame and drop it.
# Of headers there are ours and the compiler's own; a C library's some machines have not.
CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror \
	$(addprefix -Wno-error=unused-,function variable but-set-variable label value) -Wno-error=array-bounds \
	-Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wframe-larger-than=1024 \
	-ffreestanding -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fcf-protection=none \
	-fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-shrink-wrap -fno-schedule-insns2 -fno-reorder-blocks-and-partition \
	-fno-asynchronous-unwind-tables \
	-fstack-protector-strong -mstack-protector-guard=global \
	-fsanitize=bounds,shift,signed-integer-overflow,integer-divide-by-zero,unreachable,return,bool,enum \
	-ffile-prefix-map=$(call quoted,$(CURDIR)/)= -Ikernel -nostdinc -isystem $(call quoted,$(CC_INCLUDE))
# What an editor needs of that: not how to generate code, in words that clang only partly knows.
EDITOR_CFLAGS = $(filter-out -f% -m%,$(CFLAGS)) -ffreestanding -mgeneral-regs-only
LDFLAGS := -nostdlib -static -no-pie -Wl,-T,build/kernel.ld -Wl,-z,max-page-size=4096 \
	-Wl,-z,noexecstack -Wl,--build-id=none -Wl,--fatal-warnings

# ---- layers

labs      := $(sort $(wildcard labs/[0-9][0-9]-*))
number_of  = $(patsubst 0%,%,$(firstword $(subst -, ,$(notdir $1))))
numbers   := $(foreach lab,$(labs),$(call number_of,$(lab)))
dir_of     = $(strip $(foreach lab,$(labs),$(if $(filter $1,$(call number_of,$(lab))),$(lab))))
up_to      = $(strip $(if $2,$(firstword $2) $(if $(filter $1,$(firstword $2)),,$(call up_to,$1,$(wordlist 2,99,$2)))))
layers_of  = kernel $(call up_to,$(call dir_of,$1),$(labs))
last_wins  = $(foreach name,$(filter-out $(WITHOUT),$(sort $(notdir $(wildcard $(1:=/*.c))))),$(lastword $(wildcard $(1:=/$(name)))))

is_lab     = $(and $(filter 1,$(words $1)),$(filter $(numbers),$1))
files_of   = $(if $(call is_lab,$1),$(call last_wins,$(call layers_of,$1) $2),$(error which lab? "$1" is none of: $(numbers)))

lab_dir    = $(call dir_of,$(LAB))
variants   = $(patsubst $(lab_dir)/variants/%.patch,%,$(wildcard $(lab_dir)/variants/*.patch))

ifneq ($(LAB),)
override LAB := $(foreach lab,$(LAB),$(or $(patsubst 0%,%,$(lab)),0))
ifneq ($(filter-out $(numbers),$(LAB)),)
$(error there is no lab "$(filter-out $(numbers),$(LAB))"; there are: $(numbers))
endif
ifneq ($(word 2,$(LAB)),)
ifneq ($(PATCH)$(VARIANT)$(filter-out grade mutants gradescope,$(or $(MAKECMDGOALS),all)),)
$(error LAB="$(LAB)" is more than one lab; only grade, mutants and gradescope take several)
endif
endif
endif
ifeq ($(filter $(LOG),error warn info debug),)
$(error LOG=$(LOG) is none of: error warn info debug)
endif
ifneq ($(VARIANT),)
ifneq ($(filter grade,$(MAKECMDGOALS)),)
$(error make grade LAB=$(LAB) grades the variants as well; without VARIANT)
endif
ifeq ($(LAB),)
$(error VARIANT=$(VARIANT) is a variant of which lab? Say LAB=N as well)
endif
ifeq ($(PATCH),)
$(error lab $(LAB) has no variant "$(VARIANT)"; there are: $(or $(variants),none))
endif
endif

# A patch becomes a layer of its own: the files that it names, changed.
ifneq ($(PATCH),)
# The patch's name without what make or a shell would take for something else.
patch_name   = $(shell file=$$(basename $(call quoted,$(PATCH))); printf %s "$${file%.*}" | tr -c A-Za-z0-9+._- _)
stage_name  := $(LAB)-$(or $(VARIANT),$(patch_name)-$(firstword $(shell cksum 2>/dev/null < $(call quoted,$(PATCH)))))
patch_layer := build/patched/$(stage_name)
patch_error := $(shell sh labs/patch-layer $(call quoted,$(PATCH)) $(patch_layer) $(call files_of,$(LAB)) 2>&1)
ifneq ($(patch_error),)
$(error $(PATCH): $(patch_error))
endif
else
stage_name := $(LAB)
endif

# HEAP names objects which stand in for sources: `given` for frame.c and heap.c, any other for lab 2's
# heap.c alone. A handout has them as files; elsewhere instructor.mk makes them.
objects   = labs/objects
heaps     = $(notdir $(wildcard $(objects)/*))
replaced  = $(if $(filter given,$1),frame.c) heap.c
stand_ins = $(addprefix $(objects)/$1/,$(patsubst %,%.o,$(call replaced,$1)))
stages    = $(if $(HEAP),$(HEAP:%=$(stage_name)-%),$(stage_name))

# ---- sources -> ELF

boot_objects := build/obj/boot/start.S.o build/obj/kernel/entry.S.o
objects_of    = $(boot_objects) $(patsubst %,build/obj/%.o,$(call files_of,$1,$2))
sources       = $(filter-out $(if $(HEAP),$(addprefix %/,$(call replaced,$(HEAP)))),$(call files_of,$(LAB),$(patch_layer)))

# As objects are linked: those of the files in ORDER first, and as they stand there.
linked = $(foreach name,$(ORDER),$(filter %/$(name).o,$1)) $(filter-out $(ORDER:%=\%/%.o),$1)

# What a file was made with, in a file that changes only when that does.
FORCE:
remember = $(room); printf '%s\n' $(call quoted,$1) > $@.$$$$; if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi

# $1 the stage's directory in build/, $2 its objects. A bare kernel has neither the names of functions nor
# debugging information, and is linked in a quarter of the time: the grader makes thirty for one student.
define stage
build/$1/objects: FORCE
	$$(call remember,$$(call linked,$2))

build/$1/kernel.elf: $2 build/$1/objects build/kernel.ld boot/symbols.awk
	$$(call say,LINK,$$@) sh boot/link $$@ $$(call quoted,$$(CC)) $$(call quoted,$$(NM)) $(LDFLAGS) -- $$(call linked,$$(filter %.o,$$^))

build/$1/bare.elf: $2 build/$1/objects build/kernel.ld
	$$(call say,LINK,$$@) $$(CC) $(LDFLAGS) -Wl,--strip-debug -o $$@.$$$$$$$$ $$(call linked,$$(filter %.o,$$^)) && mv $$@.$$$$$$$$ $$@

build/$1/compile_commands.json: FORCE
	$$(room); sh boot/compile-commands $$@ $$(CC) $$(EDITOR_CFLAGS) -- $(patsubst build/obj/%.o,%,$(filter %.c.o,$2))
endef

$(foreach n,$(numbers),$(eval $(call stage,stage-$n,$(call objects_of,$n))))
ifneq ($(PATCH),)
$(eval $(call stage,stage-$(stage_name),$(call objects_of,$(LAB),$(patch_layer))))
endif

build/flags: FORCE
	$(call remember,$(subst $(CURDIR),.,$(CC) $(CFLAGS) $(LDFLAGS) -fdump-tree-original))

# Files appear complete or not at all: two makes in one tree do not disturb each other.
dependencies = -MD -MP -MT $@ -MF $@.$$$$.d
appear       = mv $@.$$$$.d $@.d && mv $@.$$$$ $@

# C goes through assembly language, which is kept: to be read, and to be looked into before anything
# in it has made the assembler read a file. GCC's text of each function, %.tree, shows `make prove`
# what is converted; it changes nothing in the code.
build/obj/%.c.s: %.c build/flags
	$(room)
	$(call say,CC,$<) $(CC) $(CFLAGS) -fdump-tree-original=$@.$$$$.tree $(dependencies) -S -o $@.$$$$ $< || \
		{ rm -f $@.$$$$.tree; exit 1; }; mv $@.$$$$.tree $@.tree && $(appear)

build/obj/%.c.o: build/obj/%.c.s
	@$(CC) -c -x assembler -o $@.$$$$ $< && mv $@.$$$$ $@

build/obj/%_test.c.o: build/obj/%_test.c.s boot/calls.awk
	@awk -f boot/calls.awk $< > $@.$$$$.s && $(CC) -c -o $@.$$$$ $@.$$$$.s && rm $@.$$$$.s && mv $@.$$$$ $@

.PRECIOUS: build/obj/%.c.s

# What goes into a file, also into one that does not compile: a dot or more, and a path, a line.
build/obj/%.c.includes: %.c FORCE
	$(room)
	@$(CC) $(CFLAGS) -w -E -H -o /dev/null $< 2>&1 | grep '^\.' > $@ || true

build/obj/%.S.o: %.S build/flags
	$(room)
	$(call say,AS,$<) $(CC) -g -Ikernel $(dependencies) -c -o $@.$$$$ $< && $(appear)

build/kernel.ld: boot/kernel.ld.in kernel/layout.h build/flags
	$(room)
	@$(CC) -E -P -undef -x c -Ikernel -o $@.$$$$ $< && mv $@.$$$$ $@

# String functions must not be compiled into calls of themselves.
build/obj/kernel/string.c.s: private CFLAGS += -fno-tree-loop-distribute-patterns

# Tests run in the order in which they are written, and say so when they have run to their end.
build/obj/%_test.c.s: private CFLAGS += -fno-toplevel-reorder -finstrument-functions \
	-finstrument-functions-exclude-file-list=.h

-include $(shell find build/obj -name '*.d' 2>/dev/null)

# ---- ELF -> ISO

ELF       = $(stages:%=build/stage-%/$(if $(BARE),bare,kernel).elf)
ISO       = build/stage-$(firstword $(stages))/$(shell echo $(call quoted,$(FIRMWARE) $(CMDLINE)) | cksum | tr ' ' -).iso
INITRAMFS = build/initramfs.cpio
initramfs = $(subst $(empty) ,\ ,$(INITRAMFS))

# What there is only where the solutions are: not in a handout.
instructor = $(wildcard grader/instructor.mk)

# Made from the student's name. Where there is none, they are asked for it, but not an instructor,
# whose tree has the reference's.
name_file = labs/00-boot/name.txt
build/reference.cpio: name_file = labs/00-boot/reference/name.txt

# As long as there is none, each make asks, or says so: also after one whose words nobody has seen.
unnamed = $(if $(instructor),,$(shell sh boot/ask-name $(name_file) --look || echo FORCE))

build/initramfs.cpio build/reference.cpio: boot/mkinitramfs $(wildcard labs/00-boot/name.txt labs/00-boot/reference/name.txt) $(unnamed)
	$(room)
	$(if $(instructor),,@sh boot/ask-name $(name_file))
	$(call say,CPIO,$@) python3 boot/mkinitramfs $(name_file) $@

need_lab = $(if $(LAB),,$(error which lab? Say LAB=N; there are: $(numbers)))

# Editors show the stage that was built last, but not the grader's, which names an ISO.
for_editors: build/stage-$(stage_name)/compile_commands.json
	@[ build/stage -ef $(<D) ] || ln -sfn $(notdir $(<D)) build/stage
	@[ -L build/compile_commands.json ] || ln -sf stage/compile_commands.json build/compile_commands.json

.PHONY: for_editors all elf iso run debug gdb live console rewind trace sweep model prove grade watch hint files diff setup doctor clean help

all: $(foreach n,$(numbers),build/stage-$n/compile_commands.json build/stage-$n/kernel.elf) $(initramfs) ## build all stages

elf: $(if $(LAB),for_editors $(ELF))
	$(need_lab)

iso: $(if $(LAB),$(if $(filter file,$(origin ISO)),for_editors) $(if $(KERNEL),,$(ELF))) $(initramfs)
	$(need_lab)
	@GRUB_MKRESCUE=$(call quoted,$(GRUB_MKRESCUE)) STRIP=$(call quoted,$(STRIP)) sh boot/mkiso \
		$(call quoted,$(ISO)) $(call quoted,$(or $(KERNEL),$(ELF))) \
		$(foreach word,INITRAMFS FIRMWARE CMDLINE,$(call quoted,$($(word))))

# ---- what people do with it

option   = $(if $2,--$1 $(call quoted,$2))
machine  = $(call option,iso,$(ISO)) --elf $(ELF) $(call option,mem,$(MEM)) $(call option,accel,$(ACCEL)) \
	$(call option,firmware,$(FIRMWARE))
counted  = $(if $(TEST),--count)
typed    = $(call option,type,$(TYPE))
terminal = $(python) grader/terminal.py

run: iso ## boot LAB=N; also LOG=debug VARIANT=name HEAP=name MEM=16M FIRMWARE=uefi ACCEL=kvm TEST='heap.*'
	@$(terminal) run $(machine) $(counted) $(if $(STOPPED),--stopped)

debug: iso ## the same, stopped at the first instruction, or at BREAK=function, with GDB attached
	@$(terminal) debug $(machine) $(counted) $(typed) $(call option,break,$(BREAK))

gdb: ## attach GDB to what make run has started; also LAB=N VARIANT=name
	@$(terminal) gdb $(if $(LAB),--elf $(ELF))

live: ## watch the frames, slabs, ring and locks of what make run has started; also LAB=N
	@$(terminal) live $(if $(LAB),--elf $(ELF))

console: ## see and type at the console of what make debug has started; also LAB=N
	@$(terminal) console $(if $(LAB),--elf $(ELF))

# What was recorded holds all that is needed: nothing is built then.
rewind: $(if $(RECORDING),,iso) ## record LAB=N, also TYPE='fill', or take RECORDING=directory; debug it backwards in time
	@$(python) grader/rewind.py $(if $(RECORDING),$(call quoted,$(RECORDING)),$(machine) $(typed))

trace: LOG = debug
trace: iso ## draw LAB=N from the call that runs out of memory on: calls and locks, as build/trace-N.svg
	@$(python) grader/trace.py $(machine) --lab $(LAB) --log $(LOG) \
		$(call option,out,$(or $(OUT),build/trace-$(firstword $(stages)).svg)) \
		$(if $(VARIANT),$(call option,variant,$(VARIANT)),$(call option,patch,$(PATCH))) $(typed) \
		$(call option,test,$(TEST)) $(call option,options,$(OPTIONS))

sweep: TEST = *_sweep.*,sweep.*
sweep: iso ## let every allocation of LAB=6 fail once; also TEST='alias_sweep.*'
	@$(python) grader/sweep.py $(machine) --words $(call quoted,LAB=$(LAB)$(if $(HEAP), HEAP=$(HEAP))$(if $(PATCH), PATCH=$(PATCH)))

# SPIN and what it makes use a C compiler of this host, and not the one for the kernel.
model: ## check the model of LAB=7 with SPIN; PROTOCOL=name CPUS=2 draws what goes wrong, as build/model-NAME-2.svg
	$(need_lab)
	@$(python) grader/model.py --lab $(LAB) $(if $(PROTOCOL),$(call option,protocol,$(PROTOCOL)) \
		$(call option,cpus,$(CPUS)) $(call option,out,$(or $(OUT),build/model-$(PROTOCOL)-$(CPUS).svg)))

policy        = labs/07-proof/proof.toml
proof_objects = $(filter-out %_test.c.o,$(call objects_of,$(LAB),$(patch_layer)))
prove: $(if $(call is_lab,$(LAB)),$(proof_objects)) ## prove what labs/07-proof/proof.toml says of stage LAB=N; also POLICY=file
	$(need_lab)
	$(if $(HEAP),$(error HEAP=$(HEAP): of those objects it is not known what they were made of. Without HEAP))
	@$(python) grader/prove.py --stage $(stage_name) --objdump $(call quoted,$(OBJDUMP)) \
		--policy $(call quoted,$(or $(POLICY),$(policy))) $(proof_objects)

grade: ## grade all labs, or LAB=N; also HEAP=given
	@$(need_compiler)$(python) grader/grade.py $(LAB:%=--lab %) $(call option,patch,$(PATCH)) $(call option,heap,$(HEAP))

watch: ## grade LAB=N on every save of a file, with keys for a hint, GDB, rewind, trace; also HEAP=given
	$(need_lab)
	@$(need_compiler)$(python) grader/watch.py --lab $(LAB) $(call option,heap,$(HEAP))

hint: ## the next hint for EX=2.1
	@$(python) grader/hint.py $(call quoted,$(EX))

files: ## the files that stage LAB=N is made of, each from its layer
	$(need_lab)
	@printf '%s\n' $(sources)

diff: ## what stage TO=M changes in the files of stage FROM=N
	$(if $(and $(FROM),$(TO)),,$(error which stages? Say: make diff FROM=3 TO=4))
	@sh labs/diff-files '$(call files_of,$(FROM))' '$(call files_of,$(TO))'

setup: ## install the tools that are missing
	@sh grader/setup.sh

doctor: ## check the tools by using them
	@$(call quoted,$(or $(shell sh grader/find-python),python3)) grader/doctor.py

clean: ## remove everything that was built
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1	/p' Makefile $(instructor) | expand -t 20

include $(instructor)

# ---- stages with objects in place of sources

ifneq ($(HEAP),)
ifneq ($(filter-out $(heaps),$(HEAP)),)
$(error there is no heap "$(filter-out $(heaps),$(HEAP))"; there are: $(or $(heaps),none))
endif
ifneq ($(filter 0 1 2,$(LAB)),$(if $(filter given,$(HEAP)),,2))
$(error HEAP=$(HEAP) is for $(if $(filter given,$(HEAP)),the labs from 3 on: say LAB=3,lab 2: say LAB=2))
endif
ifneq ($(word 2,$(HEAP)),)
ifneq ($(filter-out elf objects print-%,$(or $(MAKECMDGOALS),all)),)
$(error HEAP="$(HEAP)" is more than one heap; only elf and objects take several)
endif
endif
ifneq ($(call is_lab,$(LAB)),)
$(foreach heap,$(HEAP),$(eval $(call stage,stage-$(stage_name)-$(heap),\
	$(boot_objects) $(sources:%=build/obj/%.o) $(call stand_ins,$(heap)))))
endif
endif

stand_ins_made = $(foreach heap,$(HEAP),$(call stand_ins,$(heap)))
.PHONY: objects
objects: $(stand_ins_made)

print-%:
	@printf '%s\n' $(call quoted,$($*))

endif
