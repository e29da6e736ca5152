"""The graph of a stage: who calls whom in what was built, by the tool that `make prove` is."""
import functools
import subprocess
from pathlib import Path

from conftest import ROOT

from proof import policy
from proof.check import Kernel, read_kernels

POLICY = ROOT / "labs/07-proof/proof.toml"


def make(*words: str) -> str:
    return subprocess.run(["make", "-s", *words], cwd=ROOT, text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def objects(*words: str) -> list[Path]:
    """The objects of a stage without its tests, built."""
    make("elf", *words)
    return [ROOT / name for name in make("print-proof_objects", *words).split()]


def kernel(*words: str) -> Kernel:
    """The kernel that these words of make name, by its objects."""
    return read_kernels([objects(*words)], ROOT)[0]


@functools.cache
def stage(lab: int) -> Kernel:
    return kernel(f"LAB={lab}")


@functools.cache
def rules() -> policy.Policy:
    """The project's own policy, which is the reference's of lab 7."""
    return policy.read(POLICY, "labs/07-proof/proof.toml")
