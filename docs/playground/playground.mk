# SPDX-License-Identifier: MIT
#
# The playground: the labs' own files as WebAssembly modules, and the page around them. With LABS=0-2 there
# are no labs after these in it, so that lab 3's deadlock is not shown to those who are to find it.

playground      = docs/playground
page_files      = $(wildcard $(playground)/*.html $(playground)/*.css $(playground)/*.js)
page_at         = build/playground/page$(LABS:%=-%)
page_labs       = $(filter $(call first_labs,$(patsubst 0-%,%,$(LABS))),2 3 4)
missing_for_page = $(shell for tool in clang wasm-ld; do command -v $$tool > /dev/null || echo $$tool; done)

# The numbers of the labs up to $1, or of all; none if there is no such lab.
first_labs = $(if $1,$(foreach lab,$(if $(call is_lab,$1),$(call up_to,$(call dir_of,$1),$(labs))),$(call number_of,$(lab))),$(numbers))
need_page_labs = $(if $(page_labs),,$(error LABS=$(LABS) has nothing for the playground. It begins with lab 2: say LABS=0-2 or more))

# $1: the lab. The files of frames, heap and log are included by those that say what is in them (*_state.c).
page_names    = $(addsuffix .c,slab pages rescue log_filter log_console directory initramfs cpio format print spinlock)
page_kernel   = $(filter $(addprefix %/,$(page_names)),$(call files_of,$1)) $(if $(filter 2,$1),kernel/log.c)
page_machine  = $(addprefix $(playground)/machine/,machine.c operations.c state.c frame_state.c heap_state.c memory.c $1/log_state.c)
machine_files = $(call page_kernel,$1) $(page_machine)

# Warnings are the kernel build's to give. What x86's instructions would have set is not set here (shim.h).
page_flags = -std=gnu11 -O1 -Wall -Wno-unused -Wno-uninitialized -Wno-format -Werror -ffreestanding -fno-builtin \
	-iquote $(playground)/machine -iquote kernel -iquote . -include $(playground)/machine/shim.h
page_clang = clang --target=wasm64 $(page_flags)
# 16 MiB of memory: MACHINE_END in machine.h. A test calls __multi3.
page_link  = wasm-ld -mwasm64 --no-entry --export-table --export=__multi3 --import-undefined --initial-memory=16777216
host_clang = clang $(page_flags) -fno-stack-protector

# What a step is: a call of a function of these files. All others run as one with who calls them.
whole_files   = %/machine.c %/state.c %/memory.c %/module.c %/format.c %/print.c %/cpio.c
variadic_files = %/log_filter.c %/format.c %/print.c
page_own_flags = $(if $(filter $(whole_files),$1),,-finstrument-functions) \
	$(if $(filter $(variadic_files),$1),-DDEFINES_VARIADIC)

build/playground/flags: FORCE
	$(call remember,$(page_clang) $(page_link) $(whole_files) $(variadic_files))

# WebAssembly has no return addresses. A step asks for one all the same, so it gets 0.
no_return_address = sed -E 's/= (tail )?call (i8\*|ptr) @llvm.returnaddress[.p0]*\(i32 0\)( \#[0-9]+)?/= inttoptr i64 0 to \2/'

build/playground/wasm/%.o: % build/playground/flags
	$(room)
	$(call say,WASM,$<) $(page_clang) $(call page_own_flags,$<) $(dependencies) -S -emit-llvm -o $@.ll $< && \
		$(no_return_address) $@.ll | clang --target=wasm64 -O1 -c -x ir -o $@.$$$$ - && $(appear)

build/playground/host/%.o: % build/playground/flags
	$(room)
	$(call say,HOST,$<) $(host_clang) $(dependencies) -c -o $@.$$$$ $< && $(appear)

define machine_of
build/playground/lab-$1.wasm: build/playground/flags $(patsubst %,build/playground/wasm/%.o,$(call machine_files,$1) $(playground)/machine/module.c)
	$$(call say,LINK,$$@) $(page_link) -o $$@ $$(filter %.o,$$^)

build/playground/host-$1: $(patsubst %,build/playground/host/%.o,$(call machine_files,$1) $(playground)/machine/main.c)
	$$(call say,LINK,$$@) clang -o $$@ $$^
endef

$(foreach n,2 3 4,$(eval $(call machine_of,$n)))

-include $(shell find build/playground -name '*.d' 2>/dev/null)

packed = gzip -9 -n < $1 | base64 | tr -d '\n'
title_of = $(shell sed -n 's/^title = "\(.*\)"/\1/p' $(call dir_of,$1)/lab.toml)

# The modules and the archive as a script, as a page that was opened as a file may not load other files.
machines = build/playground/machines$(LABS:%=-%).js

$(machines): $(page_labs:%=build/playground/lab-%.wasm) build/initramfs.cpio $(playground)/playground.mk
	@{ echo '"use strict"; const MACHINES = { modules: {'; \
		$(foreach n,$(page_labs),printf '$n: "'; $(call packed,build/playground/lab-$n.wasm); echo '",';) \
		echo '}, titles: {'; $(foreach n,$(page_labs),echo '$n: "$(call title_of,$n)",';) \
		printf '}, archive: "'; $(call packed,build/initramfs.cpio); echo '" };'; } > $@.$$$$ && mv $@.$$$$ $@

playground_host = $(foreach n,2 3 4,build/playground/host-$n)
