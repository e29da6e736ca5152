#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the tools that are missing: `make setup`.
#
# First what the labs and the grader need; then what only the docs, the benchmark or a class need,
# which may fail. On Debian and Ubuntu it uses apt-get, as root or through sudo. Elsewhere, and
# without root, it prints the command and leaves the installing to you. It changes nothing when
# nothing is missing.
# Usage: setup.sh [grading]   grading: only what grades submissions, for the image of an autograder
# Exit status: 0 what the labs and the grader need is there, 1 some of it is missing.
set -eu
only=${1:-}
CDPATH='' cd "$(dirname "$0")/.."

has() { command -v "$1" > /dev/null 2>&1; }

has_file() {
	for file; do
		[ -e "$file" ] && return 0
	done
	return 1
}

is_x86_64() { [ "$(uname -m)" = x86_64 ]; }

# In $python, which is the one that the Makefile will choose, or the system's own if there is none yet.
has_module() { "$python" -c "import $1" 2> /dev/null; }

has_python() { has_module sys; }
has_compiler() { has x86_64-elf-gcc || has x86_64-linux-gnu-gcc || { is_x86_64 && has gcc; }; }
has_binutils() { has ld && has as && has nm && has strip && has objdump; }

# A GDB that knows x86_64, by the names that gdb_names() in machine/host.py looks for.
has_gdb() { has x86_64-elf-gdb || has gdb-multiarch || { is_x86_64 && has gdb; }; }
has_awk() { has awk || has gawk || has mawk; }
has_mkrescue() { has grub-mkrescue || has grub2-mkrescue || has i686-elf-grub-mkrescue; }
has_grub() { sh boot/find-grub "$1" > /dev/null; }

# The same files as UEFI_IMAGES and UEFI_CODE in machine/qemu.py.
has_uefi() {
	has_file /usr/share/ovmf/OVMF.fd /usr/share/OVMF/OVMF.fd /usr/share/edk2-ovmf/x64/OVMF.fd \
		/usr/share/edk2/x64/OVMF.4m.fd /usr/share/OVMF/OVMF_CODE_4M.fd \
		/usr/share/edk2/ovmf/OVMF_CODE.fd /usr/share/edk2/x64/OVMF_CODE.4m.fd \
		/usr/share/qemu/edk2-x86_64-code.fd /opt/homebrew/share/qemu/edk2-x86_64-code.fd \
		/usr/local/share/qemu/edk2-x86_64-code.fd
}

# bubblewrap needs Linux, and elsewhere nothing replaces it.
has_sandbox() { has bwrap || [ "$(uname -s)" != Linux ]; }

# What lab 7's model needs, where there is that lab: SPIN, and a C library for what it makes.
has_for_model() { [ ! -e labs/07-proof ] || has "$1"; }
has_library() { [ ! -e labs/07-proof ] || [ "$(uname -s)" != Linux ] || has_file /usr/include/stdio.h; }

# What make docs needs. A handout has no such target.
has_for_docs() { [ ! -e docs/conf.py ] || sh grader/find-python "$1" > /dev/null; }

# What make playground needs. A handout has no such target either.
has_for_playground() { [ ! -e docs/playground ] || has "$1"; }
# Fonts for the book's Chinese pages.
has_chinese_for_docs() { [ ! -e docs/conf.py ] || [ -n "$(fc-list :lang=zh family 2> /dev/null)" ]; }

# What make bench needs, which runs on x86_64 Linux alone. A handout has no such target either.
has_for_bench() {
	[ ! -e grader/bench ] || [ "$(uname -sm)" != "Linux x86_64" ] || has "$1" || {
		for directory in /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/lib /usr/include; do
			[ ! -f "$directory/$1" ] || return 0
		done
		return 1
	}
}

# What make test can do without, but more slowly or not all of it. A handout has no such target either.
has_cpio_for_tests() { [ ! -e grader/tests ] || has cpio; }
has_for_tests() { [ ! -e grader/tests ] || sh grader/find-python rich elftools pytest "$1" > /dev/null; }

compiler=gcc debugger=gdb
is_x86_64 || compiler=gcc-x86-64-linux-gnu debugger=gdb-multiarch

# What each system calls the package behind a check. What comes after "need" is needed; all else is
# for a purpose.
# purpose | check | Debian and Ubuntu | Fedora | Arch | Homebrew
packages() {
	cat <<-'END'
	need  |has qemu-system-x86_64  |qemu-system-x86     |qemu-system-x86        |qemu-system-x86   |qemu
	need  |has qemu-img            |qemu-utils          |qemu-img               |qemu-img          |qemu
	need  |has_compiler            |COMPILER            |gcc                    |gcc               |x86_64-elf-gcc
	need  |has_binutils            |binutils            |binutils               |binutils          |x86_64-elf-binutils
	need  |has_gdb                 |DEBUGGER            |gdb                    |gdb               |x86_64-elf-gdb
	need  |has make                |make                |make                   |make              |make
	need  |has_awk                 |mawk                |gawk                   |gawk              |gawk
	need  |has patch               |patch               |patch                  |patch             |gpatch
	need  |has diff                |diffutils           |diffutils              |diffutils         |diffutils
	need  |has_mkrescue            |grub-common         |grub2-tools-extra      |grub              |i686-elf-grub
	need  |has_grub i386-pc        |grub-pc-bin         |grub2-pc-modules       |grub              |i686-elf-grub
	need  |has xorriso             |xorriso             |xorriso                |libisoburn        |xorriso
	need  |has mformat             |mtools              |mtools                 |mtools            |mtools
	need  |has_python              |python3             |python3                |python            |python@3.12
	need  |has_module rich         |python3-rich        |python3-rich           |python-rich       |
	need  |has_module elftools     |python3-pyelftools  |python3-pyelftools     |python-pyelftools |
	need  |has_module pytest       |python3-pytest      |python3-pytest         |python-pytest     |
	lab 7, SPIN |has_for_model spin |spin           |                       |                  |spin
	lab 7, SPIN |has_library       |libc6-dev          |glibc-devel            |                  |
	a sandbox for student code |has_sandbox |bubblewrap |bubblewrap             |bubblewrap        |
	FIRMWARE=uefi |has_grub x86_64-efi |grub-efi-amd64-bin |grub2-efi-x64-modules |grub            |x86_64-elf-grub
	FIRMWARE=uefi |has_uefi        |ovmf                |edk2-ovmf              |edk2-ovmf         |qemu
	make docs |has_for_docs sphinx |python3-sphinx      |python3-sphinx         |python-sphinx     |
	make docs |has_for_docs myst_parser|python3-myst-parser |python3-myst-parser |python-myst-parser|
	make docs |has_for_docs furo   |furo                |python3-furo           |python-sphinx-furo|
	make playground |has_for_playground clang |clang |clang               |clang             |
	make playground |has_for_playground wasm-ld |lld |lld                 |lld               |
	make book |has_for_docs weasyprint |weasyprint      |weasyprint             |python-weasyprint |weasyprint
	make book |has_chinese_for_docs |fonts-wqy-microhei |wqy-microhei-fonts     |wqy-microhei      |
	make bench |has_for_bench stdio.h |libc6-dev        |glibc-devel            |glibc             |
	make bench |has_for_bench valgrind |valgrind        |valgrind               |valgrind          |
	make bench |has_for_bench valgrind/callgrind.h |valgrind |valgrind-devel    |valgrind          |
	make bench |has_for_bench libmimalloc.so |libmimalloc-dev |mimalloc-devel   |mimalloc          |
	make bench |has_for_bench libjemalloc.so.2 |libjemalloc2 |jemalloc          |jemalloc          |
	make bench |has_for_bench libtcmalloc_minimal.so.4 |libtcmalloc-minimal4 |gperftools-libs |gperftools |
	make test with two workers |has_for_tests xdist |python3-pytest-xdist |python3-pytest-xdist |python-pytest-xdist |
	make test with GNU cpio to compare with |has_cpio_for_tests |cpio |cpio       |cpio              |cpio
	grading a class with GNU parallel |has parallel |parallel |parallel         |parallel          |parallel
	END
}

trim() { sed 's/^[[:space:]]*//; s/[[:space:]]*$//'; }

# The lines whose check fails: purpose | package, in the column of system $1.
missing_lines() {
	python=$(sh grader/find-python) || python=/usr/bin/python3
	# shellcheck disable=SC2034 # by the name in $1
	packages | while IFS='|' read -r purpose check debian fedora arch brew; do
		case $only$purpose in "gradingmake "* | "gradinggrading a class "*) continue ;; esac
		eval "$check" && continue
		eval "package=\$$1"
		package=$(echo "$package" | trim)
		[ -z "$package" ] || echo "$(echo "$purpose" | trim)|$package"
	done | sed "s/|COMPILER/|$compiler/; s/|DEBUGGER/|$debugger/"
}

# The packages of these lines, each once: those that are needed, or all others.
needed() { sed -n 's/^need|//p' | sort -u | tr '\n' ' '; }
others() { sed '/^need|/d; s/.*|//' | sort -u | tr '\n' ' '; }

# What will not work without the packages of these lines.
say_what_is_left() {
	sed '/^need|/d; /^$/d' | sort | while IFS='|' read -r purpose package; do
		echo "setup: without $package there is no: $purpose" >&2
	done
}

install_with_apt() {
	need=$(echo "$missing" | needed) other=$(echo "$missing" | others)
	sudo=
	if [ "$(id -u)" -ne 0 ]; then
		sudo=sudo
		if ! has sudo || ! sudo true; then
			[ -z "$need" ] || echo "setup: run as root: apt-get update;" \
				"apt-get install --no-install-recommends $need" >&2
			[ -z "$other" ] || echo "setup: and, for what can be done without:" \
				"apt-get install --no-install-recommends $other" >&2
			[ -z "$need" ]
			return
		fi
	fi
	$sudo apt-get update -qq || echo "setup: apt-get update failed; going on with what it knew before" >&2
	for list in "$need" "$other"; do
		[ -n "$list" ] || continue
		echo "setup: installing with apt-get: $list"
		# shellcheck disable=SC2086 # a list of words
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $list \
			> /dev/null || one_by_one "$list"
	done
}

# One package that cannot be had must not keep back the others.
one_by_one() {
	for package in $1; do
		$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			"$package" > /dev/null 2>&1 || echo "setup: apt-get cannot install $package" >&2
	done
}

# For system $1: the command $2, with what is missing behind it.
name_packages() {
	lines=$(missing_lines "$1")
	need=$(echo "$lines" | needed) other=$(echo "$lines" | others)
	if [ -n "$need" ]; then
		echo "setup: some tools are missing. Install them with:" >&2
		echo "  $2 $need${3:-}" >&2
	fi
	if [ -n "$other" ]; then
		echo "setup: one can do without these:" >&2
		echo "  $2 $other" >&2
	fi
}

python_packages="rich pyelftools pytest"

# Tests have another file in its place.
os_release=${SETUP_OS_RELEASE:-/etc/os-release}
system=$(uname -s)
# shellcheck source=/dev/null
[ ! -r "$os_release" ] || system=$(. "$os_release" && echo "$ID ${ID_LIKE:-}")

missing=$(missing_lines debian)
said="nothing is missing."
if [ -n "$missing" ]; then
	said="done."
	case " $system " in
	*" debian "* | *" ubuntu "*) install_with_apt ;;
	*" fedora "* | *" rhel "*) name_packages fedora "sudo dnf install" ;;
	*" arch "*) name_packages arch "sudo pacman -S --needed" ;;
	*" Darwin "*) name_packages brew "brew install" "&& python3 -m pip install $python_packages" ;;
	*) name_packages debian "your package manager; Debian's names are:" ;;
	esac
	missing=$(missing_lines debian)
fi

left=$(echo "$missing" | needed)
if [ -n "$left" ]; then
	echo "setup: still missing: $left" >&2
	exit 1
fi
# All packages in one interpreter that is new enough: what the Makefile will look for.
if ! sh grader/find-python > /dev/null; then
	echo "setup: no Python 3.11 or later has rich, pyelftools and pytest; this system's" \
		"own is $(/usr/bin/python3 --version 2>&1)" >&2
	exit 1
fi
echo "$missing" | say_what_is_left
echo "setup: $said"
