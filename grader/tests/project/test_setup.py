"""setup.sh and doctor.py: that they say what is so, and change nothing that is right."""
import os
import subprocess
import sys

import pytest
from conftest import GRADER, ROOT


@pytest.fixture
def path_without(tmp_path):
    """A function that gives a PATH with all tools but some, and a false one for others."""
    def path(*missing, **false):
        for directory in ("/usr/sbin", "/usr/bin"):
            for name in os.listdir(directory):
                link = tmp_path / name
                if name not in missing and name not in false and not link.is_symlink():
                    link.symlink_to(f"{directory}/{name}")
        for name, script in false.items():
            (tmp_path / name.replace("_", "-")).unlink(missing_ok=True)
            (tmp_path / name.replace("_", "-")).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name.replace("_", "-")).chmod(0o755)
        return {**os.environ, "PATH": str(tmp_path)}
    return path


def run(*command, environment):
    return subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True,
                          check=False)


def test_setup_does_nothing_when_nothing_is_missing(path_without):
    done = run("sh", "grader/setup.sh",
               environment=path_without(apt_get="echo apt-get was called; exit 1"))
    assert (done.returncode, done.stdout) == (0, "setup: nothing is missing.\n")


def test_setup_installs_what_is_missing_and_says_if_that_failed(path_without):
    done = run("sh", "grader/setup.sh",
               environment=path_without("gdb", "patch", apt_get="echo called: $* >&2"))
    assert done.returncode == 1
    assert "called: update" in done.stderr
    assert "--no-install-recommends gdb patch\n" in done.stderr
    assert "still missing" in done.stderr


def test_setup_asks_for_bubblewrap_where_there_is_one(path_without):
    done = run("sh", "grader/setup.sh", environment=path_without("bwrap", apt_get="echo $* >&2"))
    assert "--no-install-recommends bubblewrap\n" in done.stderr


def test_setup_does_not_ask_for_bubblewrap_where_there_is_none(path_without):
    done = run("sh", "grader/setup.sh",
               environment=path_without("bwrap", apt_get="exit 1", uname="echo Darwin"))
    assert (done.returncode, done.stdout) == (0, "setup: nothing is missing.\n")


def test_doctor_is_content_with_this_machine():
    done = run(sys.executable, str(GRADER / "doctor.py"), environment=os.environ)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("All is well.\n")
    for words in ("boots it under TCG", "GDB attached to it finds start_high → kmain"):
        assert words in done.stdout


def test_doctor_names_what_is_missing_and_the_cure(path_without):
    environment = path_without("xorriso", "cpio", "mformat", gdb="echo GNU gdb 7.1",
                               bwrap="echo bwrap: No permissions >&2; exit 1")
    done = run(sys.executable, str(GRADER / "doctor.py"), environment=environment)
    assert done.returncode == 1
    assert "FAIL  cpio is not installed" in done.stdout
    assert "FAIL  mformat is not installed" in done.stdout
    assert "FAIL  xorriso is not installed\n        fix: make setup" in done.stdout
    assert "gdb is 7.1, but 12.0 is needed" in done.stdout
    assert ("note  bwrap: No permissions; student code is compiled and run without a sandbox\n"
            in done.stdout)
