"""setup.sh and doctor.py: that they say what is so, and change nothing that is right."""
import json
import os
import re
import subprocess
import sys

import pytest
from conftest import GRADER, ROOT

from machine.qemu import UEFI_CODE, UEFI_IMAGES


def run(*command, environment):
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, text=True, capture_output=True,
                          check=False)


def test_setup_does_nothing_when_nothing_is_missing(path_without):
    done = run("sh", "grader/setup.sh",
               environment=path_without(apt_get="echo apt-get was called; exit 1"))
    assert (done.returncode, done.stdout) == (0, "setup: nothing is missing.\n")


# A stand-in for apt-get, which writes down what it is told, and installs what it can.
APT = """echo "apt-get $*" >> "$LOG"
for word; do case " $FAILS " in *" $word "*) exit 100;; esac; done"""


@pytest.fixture
def setup(path_without, tmp_path):
    """
    A function that runs setup.sh without some tools. `fails`: packages that apt-get cannot
    install. Return: what became of it, and what apt-get was told to install, a list for each call.
    """
    def run_it(*missing, fails="", user="0", system=None, words=(), **false):
        log = tmp_path / "apt.log"
        false = {"apt_get": APT, "id": f"echo {user}"} | false
        environment = path_without(*missing, **false) | {"LOG": str(log), "FAILS": fails}
        if system:
            if system != "none":
                (tmp_path / "os-release").write_text(f"ID={system}\n")
            environment["SETUP_OS_RELEASE"] = str(tmp_path / "os-release")
        done = run("sh", "grader/setup.sh", *words, environment=environment)
        told = log.read_text().splitlines() if log.exists() else []
        return done, [line.partition("--no-install-recommends ")[2].split()
                      for line in told if " install " in line]
    return run_it


def test_setup_installs_what_is_missing_and_says_if_that_failed(setup):
    done, installed = setup("gdb", "patch")
    assert done.returncode == 1 and installed == [["gdb", "patch"]]
    assert done.stderr.endswith("setup: still missing: gdb patch \n")


def test_what_one_can_do_without_comes_second_and_may_fail(setup):
    done, installed = setup("valgrind", "parallel", "bwrap", fails="valgrind")
    together, *alone = installed
    assert sorted(together) == sorted(word for words in alone for word in words) == \
        ["bubblewrap", "parallel", "valgrind"]
    assert done.returncode == 0, done.stderr
    assert "setup: apt-get cannot install valgrind\n" in done.stderr
    assert "setup: without valgrind there is no: make bench\n" in done.stderr
    assert done.stdout.endswith("setup: done.\n")


def test_for_grading_alone_it_installs_nothing_for_the_docs_and_the_benchmark(setup):
    done, installed = setup("patch", "bwrap", "valgrind", "parallel", words=["grading"])
    assert installed[:2] == [["patch"], ["bubblewrap"]] and len(installed) == 2, done.stderr


def test_what_is_needed_is_installed_though_the_rest_is_unknown(setup):
    done, installed = setup("patch", "valgrind", fails="valgrind")
    assert installed == [["patch"], ["valgrind"], ["valgrind"]]
    assert done.returncode == 1 and "still missing: patch" in done.stderr      # the stand-in's fault


@pytest.mark.parametrize("sudo", [{}, {"sudo": "exit 1"}], ids=["none", "not permitted"])
def test_without_root_and_sudo_it_prints_commands_that_can_succeed(sudo, setup):
    done, installed = setup("patch", "xorriso", "valgrind", *[] if sudo else ["sudo"], user="1000", **sudo)
    assert done.returncode == 1 and not installed
    first, second = done.stderr.splitlines()
    assert first == "setup: run as root: apt-get update; apt-get install " \
                    "--no-install-recommends patch xorriso "
    assert second.endswith(": apt-get install --no-install-recommends valgrind ")


def test_without_root_it_goes_on_without_what_one_can_do_without(setup):
    done, _ = setup("valgrind", "sudo", user="1000")
    assert done.returncode == 0 and "without valgrind there is no: make bench" in done.stderr


def test_without_root_it_takes_sudo(setup):
    done, installed = setup("patch", user="1000", sudo='exec "$@"')
    assert installed == [["patch"]]


@pytest.mark.parametrize("system, command", [
    ("fedora", "sudo dnf install"), ("arch", "sudo pacman -S --needed"),
    ("nixos", "your package manager; Debian's names are:")])
def test_elsewhere_it_prints_what_is_needed_and_what_is_not(system, command, setup):
    done, installed = setup("patch", "valgrind", system=system)
    assert done.returncode == 1 and not installed
    assert f"Install them with:\n  {command} patch \n" in done.stderr
    assert f"without these:\n  {command} valgrind \n" in done.stderr


def test_on_a_mac_the_debugger_is_the_one_for_x86_64(setup):
    done, _ = setup("gdb-multiarch", "bwrap", system="none",
                    uname='case "$*" in *m*) echo arm64;; *) echo Darwin;; esac')
    assert done.returncode == 1
    assert "\n  brew install x86_64-elf-gdb && python3 -m pip install rich " in done.stderr


def test_setup_does_not_ask_for_bubblewrap_where_there_is_none(setup):
    done, installed = setup("bwrap", uname='case "$*" in *m*) echo x86_64;; *) echo Darwin;; esac')
    assert (done.returncode, done.stdout, installed) == (0, "setup: nothing is missing.\n", [])


def test_a_container_for_editors_is_made_by_make_setup(tmp_path):
    """Its steps are run in a fresh Debian where FRESH=1 asks for that: it takes minutes."""
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    *prepare, setup = container["onCreateCommand"].split(" && ")
    assert setup == "make setup doctor"
    assert all(step.startswith("apt-get ") for step in prepare)
    if "FRESH" in os.environ:
        image, _, suite = container["image"].partition(":")
        assert image == "debian"
        done = run(GRADER / "tests/fresh", suite, environment={
            "COMMANDS": container["onCreateCommand"]})
        assert done.returncode == 0, done.stdout + done.stderr


def test_setup_and_the_grader_look_for_the_same_firmware():
    script = (ROOT / "grader/setup.sh").read_text()
    function = script[script.index("has_uefi() {"):]
    files = re.findall(r"/\S+\.fd", function[:function.index("}")])
    assert sorted(files) == sorted(UEFI_IMAGES + UEFI_CODE)


@pytest.fixture(scope="module")
def template():
    """How the template for other systems tries one."""
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((GRADER / "github/systems.yml").read_text())["jobs"]["try"]


def test_the_template_for_other_systems_runs_the_readmes_commands(template):
    steps = [step.get("run", "checkout") for step in template["steps"]]
    assert steps[0] == "${{ matrix.begin }}" and steps[1] == "checkout"     # which needs git
    assert steps[-2:] == re.findall(r"^(make setup \w+) ", (ROOT / "README.md").read_text(), re.M)
    for entry in template["strategy"]["matrix"]["include"]:
        assert "git make" in entry["begin"]


@pytest.mark.parametrize("system, program", [("fedora", "dnf"), ("archlinux", "pacman")])
def test_the_template_installs_what_setup_names(system, program, template, path_without, tmp_path):
    entry, = (entry for entry in template["strategy"]["matrix"]["include"] if system in entry["image"])
    (tmp_path / "os-release").write_text(f"ID={system.removesuffix('linux')}\n")
    environment = path_without("patch", "diff", "parallel", **{program: f'echo "$*" >> {tmp_path}/told'})
    done = run("sh", "-c", entry["install"],
               environment=environment | {"SETUP_OS_RELEASE": str(tmp_path / "os-release")})
    assert done.returncode == 0, done.stderr
    needed, others = (tmp_path / "told").read_text().splitlines()
    assert needed.endswith(" diffutils patch") and others.endswith(" parallel")


def fresh(directory, tmp_path, path_without, **false):
    """Runs grader/tests/fresh as root would, from a directory, with stand-ins."""
    environment = path_without(mount="exit 0", umount="exit 0", mountpoint="exit 0", chroot="exit 1",
                               id="echo 0", **false)
    return subprocess.run(["sh", GRADER / "tests/fresh", "trixie", directory], cwd=tmp_path,
                          env={**os.environ, **environment}, text=True, capture_output=True,
                          check=False)


def test_a_fresh_system_lies_where_it_was_told_to(tmp_path, path_without):
    done = fresh("here", tmp_path, path_without, debootstrap=f'echo "$*" > {tmp_path}/told; exit 1')
    assert done.returncode == 2 and "fresh: debootstrap failed" in done.stderr
    words = (tmp_path / "told").read_text().split()
    assert words[2:5] == ["trixie", str(tmp_path / "here"), "http://deb.debian.org/debian"]
    assert not (tmp_path / "here.log").exists()


def test_doctor_is_content_with_this_machine():
    done = run(sys.executable, str(GRADER / "doctor.py"), environment={})
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("All is well.\n")
    for words in ("boots it under TCG", "GDB attached to it finds start_high → kmain"):
        assert words in done.stdout


def test_doctor_names_what_is_missing_and_the_cure(path_without):
    environment = path_without("xorriso", "patch", "mformat", gdb="echo GNU gdb 7.1",
                               bwrap="echo bwrap: No permissions >&2; exit 1")
    done = run(sys.executable, str(GRADER / "doctor.py"), environment=environment)
    assert done.returncode == 1
    assert "FAIL  patch is not installed" in done.stdout
    assert "FAIL  mformat is not installed" in done.stdout
    assert "FAIL  xorriso is not installed\n        fix: make setup" in done.stdout
    assert "gdb is 7.1, but 12.0 is needed" in done.stdout
    assert re.search("ok +Landlock works: student code|note  bwrap: No permissions; .*without a sandbox",
                     done.stdout)
