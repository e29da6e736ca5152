"""Lab 7's model: what SPIN says of the reference, and what becomes of models that are no models."""
import asyncio
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import ROOT, grade

from course import lab
from course.model import Case
from course.workspace import without_solutions
from judging import modelling
from judging.verdict import Verdict
from machine import sandbox
from machine.host import MachineError
from proof import spin, trail

LAB = lab.load(lab.available()[7])
MACHINE = LAB.path / "machine.pml"
REFERENCE = (LAB.path / "rescue.pml").read_text()
BEGIN = "\trun kmalloc(me, mine);\n\tmine ? got;"           # of the reference's cpu
FINDS = {
    ("logging-heap", 1): "a deadlock", ("logging-heap", 2): "a deadlock",
    ("unlocked", 1): "an endless recursion", ("unlocked", 2): "an endless recursion",
    ("log-lock", 1): "a deadlock", ("log-lock", 2): "a deadlock",
    ("dropped", 1): "nothing", ("dropped", 2): "NULL while frames are left",
    ("static-log", 1): "nothing", ("static-log", 2): "nothing"}


def make_model(*words):
    done = subprocess.run(["make", "-s", "model", "LAB=7", *words], cwd=ROOT, text=True, capture_output=True,
                          check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def judged(text, directory):
    """The verdicts on a model, and the first detail."""
    found = asyncio.run(modelling.findings(LAB.model, LAB.path, LAB.model.tests, text, directory))
    return {finding.verdict for finding in found.values()}, next(iter(found.values())).detail


def beginning_with(code):
    """The reference with something before its cpu allocates."""
    assert BEGIN in REFERENCE
    return REFERENCE.replace(BEGIN, f"{code}\n{BEGIN}").encode()


# ---- what the model of the reference finds


def test_spin_finds_what_is_wrong_with_each_protocol_and_says_in_how_many_states():
    status, said = make_model()
    assert status == 0, said
    rows = re.findall(r"^ +([a-z][a-z-]*)?  .*? (\d) +([\d,]+) +(\d+\.\d\d)   (\w.*?) *$", said, re.MULTILINE)
    found, protocol = {}, ""
    for name, cpus, states, _, what in rows:
        protocol = name or protocol
        found[protocol, int(cpus)] = what
        assert 10 < int(states.replace(",", "")) < 20_000, said
    assert found == FINDS


def shown(tmp_path, *words):
    """The picture that make model draws: what it says, its title, and its calls."""
    svg = tmp_path / "model.svg"
    status, said = make_model(*words, f"OUT={svg}")
    assert status == 0, said
    root = ElementTree.parse(svg).getroot()
    name = "{http://www.w3.org/2000/svg}"
    about = root.find(f"{name}desc").text
    return root.find(f"{name}title").text, about, any(part.get("class") == "snake" for part in root.iter())


def test_the_trail_of_lab_3_is_the_picture_that_make_trace_draws(tmp_path):
    """The same calls in each other, the same lock that is never released, the same snake."""
    title, about, bites = shown(tmp_path, "PROTOCOL=logging-heap")
    svg = tmp_path / "trace.svg"
    subprocess.run(["make", "-s", "trace", "LAB=3", f"OUT={svg}", f"ISO={tmp_path}/boot.iso"], cwd=ROOT,
                   capture_output=True, check=True)
    machine = svg.read_text()
    calls = about.partition("Calls: ")[2].partition(". ")[0].split(", ")
    assert calls == ["cpu0", "kmalloc", "heap_rescue", "log_record", "kmalloc", "waits for heap_lock"]
    assert re.search(".*".join(calls[1:]), re.search("<desc.*?>(.*)</desc>", machine)[1])
    assert title.startswith("heap_lock is waited for") and "<title id=\"title\">heap_lock is waited for" in machine
    assert "heap_lock is taken at kmalloc and never released." in about
    assert re.search(r"heap_lock is taken at kmalloc \(heap.c:\d+\) and never released\.", machine)
    assert bites and 'class="snake"' in machine


def test_the_picture_of_two_cpus_has_both(tmp_path):
    title, about, bites = shown(tmp_path, "PROTOCOL=dropped", "CPUS=2")
    assert re.fullmatch(r"cpu[01] gets NULL while frames are left", title)
    assert {"cpu0", "cpu1", "heap_rescue"} <= set(re.findall(r"\w+", about)) and not bites


def test_where_nothing_is_wrong_nothing_is_drawn():
    status, said = make_model("PROTOCOL=static-log", "CPUS=2")
    assert status == 2 and "finds nothing wrong with static-log, 2 CPUs" in said


@pytest.mark.parametrize("words, message", [
    (["PROTOCOL=nope"], "PROTOCOL=nope CPUS=1: the protocols are logging-heap,"),
    (["PROTOCOL=hidden-1"], "PROTOCOL=hidden-1 CPUS=1: the protocols are"),
    (["PROTOCOL=dropped", "CPUS=4"], "there may be 1 to 3 CPUs")])
def test_what_is_no_protocol_is_named(words, message):
    status, said = make_model(*words)
    assert status == 2 and message in said


# ---- models that say nothing, or too much


@pytest.mark.parametrize("code, detail", [
    ("\tc_code { exit(0); };", r"rescue\.pml:\d+: c_code is C, and a model here is Promela alone"),
    ("\tc_expr { 1 };", r"rescue\.pml:\d+: c_expr is C"),
    ("#define JOIN(a, b) a ## b\n\tJOIN(c_, code) { exit(0); };", r"rescue\.pml:\d+: c_code is C"),
    ("\tclaim = 0;", r"rescue\.pml:\d+: claim belongs to machine\.pml"),
    ("\tholder[0] = 0;", r"rescue\.pml:\d+: holder belongs to machine\.pml"),
    ("\ttimeout;", r"rescue\.pml:\d+: timeout belongs to machine\.pml"),
    ("# 1 \"machine.pml\"\n\tclaim = 0;", r"rescue\.pml changes what machine\.pml says"),
    ("\tspin_unlock(me, log_lock);", "the model releases a lock, or uses the heap's pages, and the CPU does not"),
    ("\tassert(nr_cpuss == 1);", r"SPIN refuses it: .*rescue\.pml:\d+.*nr_cpuss"),
    ("\tassert(false);", r"rescue\.pml: assertion violated"),
    ("\tif", r"SPIN refuses it: .*rescue\.pml:\d+.*syntax error"),
    ("#include <stdio.h>", r"the preprocessor refuses it: rescue\.pml:\d+.*stdio"),
    ("\tint many; do :: many++ :: break od;", "the model goes on for more than 10,000 steps"),
    ("\tbyte a, b, c; select (a : 0 .. 255); select (b : 0 .. 255); select (c : 0 .. 255);",
     "the model has too many states: [0-9,]+, and there is no end of them within 64 MB"),
])
def test_what_is_no_model_gets_a_sentence(code, detail, tmp_path):
    verdicts, said = judged(beginning_with(code), tmp_path)
    assert verdicts == {Verdict.WRONG} and re.match(detail, said), said


def test_a_step_that_does_not_end_is_no_hang(tmp_path, monkeypatch):
    monkeypatch.setattr(spin, "LIMITS", sandbox.Limits(cpu_seconds=3, memory_bytes=1 << 30, file_bytes=32 << 20))
    verdicts, said = judged(beginning_with("\td_step { do :: true od };"), tmp_path)
    assert verdicts == {Verdict.WRONG} and said.startswith("a step of the model does not end"), said


def test_a_word_in_a_string_is_no_c(tmp_path):
    verdicts, said = judged(beginning_with('\tprintf("no c_code, and a claim\\n");'), tmp_path)
    assert verdicts == {Verdict.PASS}, said


def test_what_is_defined_before_the_machine_does_not_change_it(tmp_path):
    verdicts, said = judged(b"#define overflowed true\n" + REFERENCE.encode(), tmp_path)
    assert verdicts == {Verdict.WRONG} and "define nothing before it is included" in said


def test_a_model_without_the_machine_is_named(tmp_path):
    verdicts, said = judged(REFERENCE.replace('#include "machine.pml"', "").encode(), tmp_path)
    assert verdicts == {Verdict.WRONG} and said == 'rescue.pml does not say: #include "machine.pml"'


def test_no_file_and_an_empty_one(tmp_path):
    assert judged(None, tmp_path) == ({Verdict.NOT_IMPLEMENTED}, "there is no rescue.pml")
    verdicts, said = judged(b"", tmp_path)
    assert verdicts == {Verdict.WRONG} and "does not say: #include" in said


def test_what_it_says_is_the_same_each_time(tmp_path):
    """States, and not seconds, decide: also where there are too many."""
    text = beginning_with("\tbyte a, b, c; select (a : 0 .. 255); select (b : 0 .. 255); select (c : 0 .. 255);")
    assert judged(text, tmp_path) == judged(text, tmp_path)


# ---- the host


def test_without_spin_it_says_so_and_nobody_has_failed(path_without, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", path_without("spin")["PATH"])
    status, said = make_model()
    assert status == 2 and "model.py: spin is not installed, which checks models. Try: make setup" in said
    _, labs, _ = grade("7", "--test", "model.*", directory=tmp_path)
    assert {test["verdict"] for test in labs[0]["tests"]} == {"INFRA"}


def test_another_program_of_that_name_is_our_trouble(path_without, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", path_without(spin="echo unknown command: -a; exit 1")["PATH"])
    monkeypatch.setattr(sandbox, "kind", lambda: "")        # which would hide the stand-in
    with pytest.raises(MachineError, match="does not take a model of ours either: SPIN refuses it: unknown command"):
        judged(REFERENCE.encode(), tmp_path)


# ---- trails


def test_two_cpus_that_wait_for_each_other_are_a_cycle():
    story = trail.read(["@ enters 0 0", "@ wants 0 0", "@ takes 0 0", "@ enters 1 2", "@ wants 1 1", "@ takes 1 1",
                        "chatter", "@ wants 0 1", "@ wants 1 0"], 2)
    assert story.waits == {0: "log_lock", 1: "heap_lock"} and list(story.cycle()) == [0, 1]
    assert [box.parts[-1].parts[-1].place for box in story.roots] == ["held by cpu1", "held by cpu0"]


def test_who_waits_for_a_lock_in_use_is_in_no_cycle():
    story = trail.read(["@ wants 0 0", "@ takes 0 0", "@ wants 1 0"], 2)
    assert story.waits == {1: "heap_lock"} and not story.cycle()


def test_a_case_sets_the_machines_switches():
    protocols = {protocol.name: protocol for protocol in LAB.model.protocols}
    assert Case(protocols["log-lock"], 2).settings == \
        {"CPUS": 2, "log_allocates": 1, "rescue_unlocks": 1, "log_locks": 1}
    known = set(re.findall(r'setting\("(\w+)"', MACHINE.read_text()))
    assert {name for protocol in protocols.values() for name, _ in protocol.switches} <= known


def test_the_claims_have_the_machines_numbers():
    text = MACHINE.read_text()
    numbers = {name: int(number) for name, number in re.findall(r"#define (NO_\w+) +(\d)", text)}
    assert numbers == {"NO_DEADLOCK": 1, "NO_OVERFLOW": 2, "NO_NULL": 3, "NO_HELP": 4}
    assert re.findall(r"#define (\w+_lock) +(\d)", text) == [(name, str(at)) for at, name in enumerate(trail.LOCKS)]
    assert re.findall(r"#define ([A-Z]+_?[A-Z]+) +([012])\n(?=#|\n)", text.partition("The functions")[2])[:3] == \
        [(name.upper(), str(at)) for at, name in enumerate(trail.FUNCTIONS)]


def test_a_handout_does_not_tell_the_hidden_protocols_and_its_grader_knows_them(tmp_path):
    place = tmp_path / LAB.path.name
    place.mkdir()
    (place / "lab.toml").write_bytes(without_solutions(f"labs/{LAB.path.name}/lab.toml"))
    hidden = re.findall(r'name = "hidden-\d"\n +(\w+) = ', (place / "lab.toml").read_text())
    assert len(hidden) == len(LAB.model.protocols) - len(LAB.model.shown) and set(hidden) == {"sealed"}
    assert lab.load(place).model == LAB.model
