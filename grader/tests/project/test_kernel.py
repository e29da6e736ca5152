"""The project's own tests inside a kernel: grader/tests/kernel/N is one more layer over stage N.

They are about what the reference solutions do beyond the contracts, which no lab asks for.
"""
import asyncio
import re
import subprocess

import pytest
from conftest import GRADER, ROOT, boot_image

from judging import ktap
from machine.machine import Machine
from machine.qemu import Config

LAYERS = sorted((GRADER / "tests/kernel").iterdir())
WRONG = sorted((GRADER / "tests/kernel").glob("*/wrong/*.patch"))


def names_in(layer):
    """The names of a layer's tests."""
    return [".".join(found) for file in sorted(layer.glob("*_test.c"))
            for found in re.findall(r"^KTEST\((\w+), (\w+)\)", file.read_text(), re.M)]


def console_of(directory, layer, tests, *arguments, stage=None, mem="64M"):
    """What a machine says that runs these tests."""
    image, _ = boot_image(directory, int(layer.name), f"log=warn initramfs=off ktest={tests}",
                          f"ELF=build/stage-{stage or layer.name}-tests/kernel.elf", *arguments)

    async def go():
        async with Machine(Config(image, mem=mem)) as machine:
            await machine.wait()
            return machine.console
    return asyncio.run(go())


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_the_solutions_keep_more_than_their_contracts_ask(layer, tmp_path):
    names = names_in(layer)
    suites = ",".join(dict.fromkeys(name.partition(".")[0] + ".*" for name in names))
    console = console_of(tmp_path, layer, suites)
    found = {result.name: result.status.name for result in ktap.parse(console)}
    assert found == dict.fromkeys(names, "PASSED"), console[-3000:]


def test_checking_the_heap_costs_no_more_on_a_large_machine(tmp_path):
    console = console_of(tmp_path, GRADER / "tests/kernel/2", "heap_cost.*", mem="6G")
    assert "\nok 1 heap_cost.of_a_check\n" in console, console


@pytest.mark.parametrize("patch", WRONG, ids=lambda patch: patch.stem)
def test_a_solution_that_keeps_less_is_noticed(patch, tmp_path):
    expected = re.search(r"^Expect: (\S+)$", patch.read_text(), re.M)[1]
    layer = patch.parents[1]
    words = [f"LAB={layer.name}", f"PATCH={patch}"]
    stage = subprocess.run(["make", "--silent", "print-stage_name", *words], cwd=ROOT, text=True,
                           capture_output=True, check=True).stdout.strip()
    console = console_of(tmp_path, layer, expected, words[1], stage=stage)
    assert "\n1..1\n" in console and f"\nok 1 {expected}\n" not in console, console
