"""The project's own policy on every stage, and on kernels with something wrong in them."""
import re

import graphs
import pytest
from conftest import ROOT
from trees import patch_for

from course import lab
from proof.check import check

STAGES = sorted(lab.available())


def lines(proof):
    return [line for verdict in proof.verdicts for line in "\n".join(verdict.lines).splitlines()]


@pytest.mark.parametrize("number", [number for number in STAGES if number != 3])
def test_all_is_proved_on_every_stage_but_lab_3s(number):
    proof = check(graphs.stage(number), graphs.rules())
    assert proof.holds, proof.troubles + lines(proof)
    if number > 3:
        for root in graphs.rules().roots:
            line, = (line for line in lines(proof) if line.startswith(f"{root.function} "))
            assert re.search(r": proved, [\d,]+ functions?, [\d,]+ bytes of stack of [\d,]+$", line), line


def test_lab_3s_deadlock_is_found_without_running_it():
    proof = check(graphs.stage(3), graphs.rules())
    assert proof.troubles == []
    found = [re.sub(r" +", " ", line) for line in lines(proof)]
    assert found[0] == "lock order has a cycle: heap_lock -> heap_lock"
    way = "\n".join(re.sub(r":\d+", ":N", line) for line in found[1:8])
    assert way == """ heap_lock is taken at labs/02-heap/heap.c:N, and then heap_lock:
 kmalloc calls slab_get at labs/02-heap/heap.c:N
 slab_get calls heap_rescue at labs/02-heap/heap.c:N
 heap_rescue calls log_debug at labs/03-deadlock/rescue.c:N
 log_debug calls log_record at kernel/log_filter.c:N
 log_record calls kmalloc at labs/03-deadlock/log.c:N
 kmalloc calls spin_lock at labs/02-heap/heap.c:N"""
    assert any(line.startswith("heap_rescue reaches kmalloc") for line in found)


def test_each_line_of_a_way_has_the_call():
    proof = check(graphs.stage(3), graphs.rules())
    steps = [match for line in lines(proof)
             if (match := re.fullmatch(r"    (\S+) +calls (\S+) at (\S+):(\d+)", line))]
    assert len(steps) > 20
    for _, following, file, line in (step.groups() for step in steps):
        text = (ROOT / file).read_text().splitlines()[int(line) - 1]
        assert following in text or "(" in text or file.endswith(".S"), (file, line, following)


@pytest.mark.parametrize("number, file, old, new, message", [
    (5, "labs/01-frames/frame.c", "\tspin_lock(&frame_lock);\n\tbase = ",
     '\tlog_debug("frames: order %u", order);\n\tspin_lock(&frame_lock);\n\tbase = ',
     "frame_alloc reaches log_record"),
    (5, "labs/05-anywhere/log.c", "\tuint64_t number = log_number();",
     "\tuint64_t number = log_number();\n\n\tkfree(NULL);", "lock order has a cycle: heap_lock -> heap_lock"),
    (5, "labs/05-anywhere/nmi_report.c", "\tlog_", "\tkfree(NULL);\n\tlog_", "trap_vectors reaches kfree"),
    (4, "labs/04-static-log/log.c", "\tspin_lock(&log_lock);\n", "\tspin_lock(&log_lock);\n\tkfree(NULL);\n",
     "heap_rescue reaches kfree"),
])
def test_what_is_wrong_is_named(number, file, old, new, message, tmp_path):
    text = (ROOT / file).read_text()
    assert old in text
    changed = text.replace(old, new, 1).replace("#include", '#include "heap.h"\n#include "log.h"\n#include', 1)
    patch = tmp_path / "wrong.patch"
    patch.write_text(patch_for(file, changed))
    proof = check(graphs.kernel(f"LAB={number}", f"PATCH={patch}"), graphs.rules())
    assert proof.troubles == [] and not proof.holds
    assert any(message in line for line in lines(proof)), lines(proof)


def test_a_panic_has_a_bounded_stack():
    """Root, bytes and limit."""
    for number in [number for number in STAGES if number != 3]:
        graph = graphs.stage(number).graph
        with graph.kept():
            assert graphs.stage(number).pointers.apply(graphs.rules()) == []
            for root in graphs.rules().roots:
                if root.function in ("panic", "panic_stop", "trap_vectors"):
                    stack_bytes, way = graph.deepest(graph.find(root.function))
                    assert 1000 < stack_bytes <= root.stack_bytes <= 2048, (number, root, way)
