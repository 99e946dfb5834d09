"""scripts/setup.sh where it cannot or need not do anything, with stand-ins for what it calls."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NEEDED = ("pyproject.toml", "constraints.txt", "requirements.lock", "scripts/setup.sh")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone without .venv, and bin/ with the few commands that set-up may find: no apt-get."""
    for name in NEEDED:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for name in ("sh", "dirname", "cat", "cmp", "env", "rm"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    return tmp_path


def command(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def set_up(clone: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "scripts/setup.sh"],
        cwd=clone,
        env={"PATH": str(clone / "bin")},
        capture_output=True,
        text=True,
    )


def done(clone: Path, python: str) -> None:
    """What a finished set-up leaves, but for the packages: `python` stands in for .venv's."""
    command(
        clone / "bin/python3",
        f'case "$2" in *ctypes*|*ensurepip*) exit 0 ;; esac; exec {sys.executable} "$@"',
    )
    command(clone / ".venv/bin/python", python)
    mark = "".join((clone / name).read_text() for name in NEEDED[:3])
    (clone / ".venv/installed").write_text(mark)
    (clone / ".venv/renders").write_text("egl\n")


def test_a_python_that_is_too_old_is_named_with_the_remedy(clone):
    command(clone / "bin/python3", '[ "$1" = --version ] && echo Python 3.9.2; exit 1')
    stopped = set_up(clone)
    assert stopped.returncode == 2
    assert "3.11 or later" in stopped.stderr
    assert "Python 3.9.2" in stopped.stderr
    assert "make PYTHON=" in stopped.stderr
    assert not (clone / ".venv").exists()


def test_who_may_not_install_gets_the_whole_command_before_anything_is_made(clone):
    command(
        clone / "bin/python3",
        f'case "$2" in *ensurepip*|*ctypes*) exit 1 ;; esac; exec {sys.executable} "$@"',
    )
    command(clone / "bin/apt-get", "exit 99")
    command(clone / "bin/id", "echo 1000")
    stopped = set_up(clone)
    assert stopped.returncode == 2
    venv = "python{}.{}-venv".format(*sys.version_info)
    assert (
        "    apt-get update && apt-get install -y --no-install-recommends "
        f"{venv} libegl1 libgl1-mesa-dri libopengl0\n" in stopped.stderr
    )
    assert not (clone / ".venv").exists()


def test_a_second_call_installs_nothing(clone):
    done(clone, 'echo "$@" >>calls')
    assert set_up(clone).returncode == 0
    assert (clone / "calls").read_text() == "-c pass\n"


def test_changed_pins_are_installed_and_a_failure_is_not_taken_for_done(clone):
    done(clone, '[ "$1" = -c ] || { echo "$@" >>calls; exit 1; }')
    with (clone / "constraints.txt").open("a") as pins:
        pins.write("six==1.17.0\n")
    stopped = set_up(clone)
    assert stopped.returncode == 2
    assert "pip" in stopped.stderr
    assert "-m pip" in (clone / "calls").read_text()
    assert not (clone / ".venv/installed").exists()


def test_an_interrupted_set_up_starts_over(clone):
    done(clone, 'echo "$@" >>calls')
    (clone / ".venv/installed").unlink()
    command(
        clone / "bin/python3",
        f"""case "$2" in *ctypes*|*ensurepip*) exit 0 ;; esac
[ "$1 $2" = "-m venv" ] && {{ echo "$@" >>started; exit 1; }}
exec {sys.executable} "$@\"""",
    )
    assert set_up(clone).returncode == 2
    assert (clone / "started").read_text() == "-m venv --clear .venv\n"
