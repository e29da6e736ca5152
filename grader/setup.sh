#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the tools that are missing: `make setup`.
#
# On Debian and Ubuntu with apt-get, as root or through sudo. Elsewhere it names the
# packages and leaves the installing to you. Changes nothing when nothing is missing.
# Exit status: 0 all tools are there, 1 some are still missing.
set -eu
cd "$(dirname "$0")/.."

has() { command -v "$1" > /dev/null 2>&1; }

has_file() {
	for file; do
		[ -e "$file" ] && return 0
	done
	return 1
}

# In the Python that the Makefile will choose, or in the system's own if there is none yet.
has_module() {
	python=$(grader/find-python) || python=/usr/bin/python3
	"$python" -c "import $1" 2> /dev/null
}

has_python() { has_module sys; }

# What make docs needs. A handout has no such target.
has_for_docs() { [ ! -e docs/conf.py ] || grader/find-python "$1" > /dev/null; }

# What make bench needs, which runs on x86_64 Linux alone. A handout has no such target either.
has_for_bench() {
	[ ! -e grader/bench ] || [ "$(uname -sm)" != "Linux x86_64" ] || has "$1" ||
		has_file "/usr/lib/x86_64-linux-gnu/$1" "/usr/lib64/$1" "/usr/lib/$1" "/usr/include/$1"
}
has_compiler() { has x86_64-elf-gcc || has x86_64-linux-gnu-gcc || { [ "$(uname -m)" = x86_64 ] && has gcc; }; }
has_binutils() { has ld && has nm && has strip; }
has_mkrescue() { has grub-mkrescue || has grub2-mkrescue || has i686-elf-grub-mkrescue; }
has_grub() {
	has_file "/usr/lib/grub/$1/normal.mod" "/usr/share/grub2/$1/normal.mod" \
		"/usr/share/grub/$1/normal.mod" /opt/homebrew/lib/*-elf/grub/"$1"/normal.mod \
		/usr/local/lib/*-elf/grub/"$1"/normal.mod
}
has_uefi() {
	has_file /usr/share/ovmf/OVMF.fd /usr/share/OVMF/OVMF_CODE_4M.fd \
		/usr/share/edk2/ovmf/OVMF_CODE.fd /usr/share/edk2/x64/OVMF.4m.fd \
		/usr/share/edk2/x64/OVMF_CODE.4m.fd /usr/share/edk2-ovmf/x64/OVMF.fd \
		/opt/homebrew/share/qemu/edk2-x86_64-code.fd /usr/local/share/qemu/edk2-x86_64-code.fd
}

# bubblewrap needs Linux, and elsewhere nothing replaces it.
has_sandbox() { has bwrap || [ "$(uname -s)" != Linux ]; }

compiler=gcc
[ "$(uname -m)" = x86_64 ] || compiler=gcc-x86-64-linux-gnu

# What each system calls the package behind a check: check | Debian | Fedora | Arch | Homebrew
packages() {
	cat <<-'END'
	has qemu-system-x86_64  |qemu-system-x86     |qemu-system-x86        |qemu-system-x86   |qemu
	has qemu-img            |qemu-utils          |qemu-img               |qemu-img          |qemu
	has_compiler            |COMPILER            |gcc                    |gcc               |x86_64-elf-gcc
	has_binutils            |binutils            |binutils               |binutils          |x86_64-elf-binutils
	has gdb                 |gdb                 |gdb                    |gdb               |gdb
	has make                |make                |make                   |make              |make
	has patch               |patch               |patch                  |patch             |gpatch
	has cpio                |cpio                |cpio                   |cpio              |cpio
	has diff                |diffutils           |diffutils              |diffutils         |diffutils
	has_mkrescue            |grub-common         |grub2-tools-extra      |grub              |i686-elf-grub
	has_grub i386-pc        |grub-pc-bin         |grub2-pc-modules       |grub              |i686-elf-grub
	has_grub x86_64-efi     |grub-efi-amd64-bin  |grub2-efi-x64-modules  |grub              |x86_64-elf-grub
	has xorriso             |xorriso             |xorriso                |libisoburn        |xorriso
	has mformat             |mtools              |mtools                 |mtools            |mtools
	has_sandbox             |bubblewrap          |bubblewrap             |bubblewrap        |
	has_uefi                |ovmf                |edk2-ovmf              |edk2-ovmf         |qemu
	has_python              |python3             |python3                |python            |python@3.12
	has_module rich         |python3-rich        |python3-rich           |python-rich       |
	has_module elftools     |python3-pyelftools  |python3-pyelftools     |python-pyelftools |
	has_module pytest       |python3-pytest      |python3-pytest         |python-pytest     |
	has_for_docs sphinx     |python3-sphinx      |python3-sphinx         |python-sphinx     |
	has_for_docs myst_parser|python3-myst-parser |python3-myst-parser    |python-myst-parser|
	has_for_docs furo       |furo                |python3-furo           |python-sphinx-furo|
	has_for_bench stdio.h   |libc6-dev           |glibc-devel            |glibc             |
	has_for_bench valgrind  |valgrind            |valgrind               |valgrind          |
	has_for_bench valgrind/callgrind.h |valgrind |valgrind-devel         |valgrind          |
	has_for_bench libmimalloc.so.2 |libmimalloc2.0 |mimalloc             |mimalloc          |
	has_for_bench libjemalloc.so.2 |libjemalloc2 |jemalloc               |jemalloc          |
	has_for_bench libtcmalloc_minimal.so.4 |libtcmalloc-minimal4 |gperftools-libs |gperftools |
	has parallel            |parallel            |parallel               |parallel          |parallel
	END
}

# The packages in column $1 whose check fails, each once.
missing() {
	packages | while IFS='|' read -r check debian fedora arch brew; do
		eval "$check" && continue
		eval "echo \$$1"
	done | sed "s/^COMPILER/$compiler/" | sort -u | tr '\n' ' '
}

install_with_apt() {
	packages=$(missing debian)
	sudo=
	if [ "$(id -u)" -ne 0 ]; then
		has sudo || { echo "setup: run as root: apt-get install --no-install-recommends $packages" >&2; exit 1; }
		sudo=sudo
	fi
	echo "setup: installing with apt-get: $packages"
	$sudo apt-get update -qq
	# shellcheck disable=SC2086 # a list of words
	$sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends $packages > /dev/null
}

name_packages() {
	echo "setup: some tools are missing. Install them with:" >&2
	echo "  $*" >&2
	exit 1
}

python_packages="rich pyelftools pytest"
[ ! -e docs/conf.py ] || python_packages="$python_packages sphinx myst-parser furo"

system=$(uname -s)
[ ! -r /etc/os-release ] || system=$(. /etc/os-release && echo "$ID ${ID_LIKE:-}")

# All packages in one interpreter that is new enough: what the Makefile will look for.
need_python() {
	grader/find-python > /dev/null && return
	echo "setup: no Python 3.11 or later has rich, pyelftools and pytest; this system's" \
		"own is $(/usr/bin/python3 --version 2>&1)" >&2
	exit 1
}

if [ -z "$(missing debian)" ]; then
	need_python
	echo "setup: nothing is missing."
	exit 0
fi
case " $system " in
*" debian "* | *" ubuntu "*) install_with_apt ;;
*" fedora "* | *" rhel "*) name_packages "sudo dnf install $(missing fedora)" ;;
*" arch "*) name_packages "sudo pacman -S --needed $(missing arch)" ;;
*" Darwin "*) name_packages "brew install $(missing brew) && python3 -m pip install $python_packages" ;;
*) name_packages "your package manager; Debian's names are: $(missing debian)" ;;
esac

left=$(missing debian)
if [ -n "$left" ]; then
	echo "setup: still missing after installing: $left" >&2
	exit 1
fi
need_python
echo "setup: done."
