"""Small programs, compiled as the kernel is, for `make prove`'s tools to look at."""
import functools
import os
import re
import shlex
import subprocess
from pathlib import Path

from conftest import ROOT
from graphs import make

from proof import policy
from proof.check import Kernel, check, read_kernels

PROTOTYPES = """#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "spinlock.h"
void *kmalloc(size_t bytes);
void kfree(void *object);
void fail(void);
extern unsigned choice;
"""

HEAP = """unsigned choice;
void __stack_chk_fail(void);
void __stack_chk_fail(void) { for (;;) choice++; }
void *kmalloc(size_t bytes) { return (void *)(bytes + choice); }
void kfree(void *object) { choice = (unsigned)(uintptr_t)object; }
"""

LOCKS = """DEFINE_SPINLOCK(first);
DEFINE_SPINLOCK(second);
void (spin_lock)(struct spinlock *lock, const struct place *place) { lock->locked = 1; }
void spin_unlock(struct spinlock *lock) { lock->locked = 0; }
"""

ROOT_FAIL = """[[root]]
function = "fail"
never = ["kmalloc", "kfree"]
stack_bytes = 1000
"""


@functools.cache
def compiler() -> list[str]:
    program, flags = make("print-CC", "print-CFLAGS").splitlines()
    return [*program.split(), *(str(ROOT / "kernel").join(["-I", ""]) if flag == "-Ikernel" else flag
                                for flag in shlex.split(flags))]


def program(tree: Path, sources: dict[str, str]) -> Kernel:
    """Compiles these files into objects of a tree, and reads them."""
    paths = []
    for name, text in sources.items():
        (tree / name).write_text(text if name.endswith(".S") else PROTOTYPES + text)
        made = tree / "build/obj" / f"{name}.o"
        made.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".S"):
            subprocess.run([*compiler()[:1], "-g", "-c", "-o", made, name], cwd=tree, check=True)
        else:
            assembly = made.with_suffix(".s")
            subprocess.run([*compiler(), f"-fdump-tree-original={assembly}.tree", "-S", "-o", assembly, name],
                           cwd=tree, check=True)
            subprocess.run([*compiler()[:1], "-c", "-o", made, assembly], check=True)
        paths.append(made)
    return read_kernels([paths], Path(os.path.realpath(tree)) if not tree.is_symlink() else tree)[0]


def said(kernel: Kernel, text: str = ROOT_FAIL) -> str:
    """What is said of it, by the policy of that text."""
    proof = check(kernel, policy.parse(text.encode(), "proof.toml"))
    lines = [*proof.troubles, *(re.sub(r"(?<=\S)  +", " ", line) for verdict in proof.verdicts for line in verdict.lines)]
    return "\n".join([*lines, "holds" if proof.holds else "does not hold"])
