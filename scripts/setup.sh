#!/bin/sh
# Everything that `make demo` and `make test` need, from nothing: a Python that can make virtual
# environments, the libraries that render without a screen, .venv with the versions of
# constraints.txt. Installs what this user may install; for the rest it prints the command and
# ends with 2. A second call finds its two marks and is done at once; an interrupted one leaves no
# mark and starts over.
#
# From the environment: PYTHON, the interpreter to use; MUJOCO_GL, the one renderer to try.
set -eu
cd "$(dirname "$0")/.."

renderers=${MUJOCO_GL:-egl osmesa}
case $renderers in
    egl*) rendering_packages="libegl1 libgl1-mesa-dri libopengl0" ;;
    osmesa) rendering_packages=libosmesa6 ;;
    *) rendering_packages= ;;
esac
installed=.venv/installed # the files that .venv was made from
renders=.venv/renders     # the renderer that drew a frame here

stop() {
    printf '\nset-up stopped: %s\n' "$1" >&2
    exit 2
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else
        set -- python3 python3.14 python3.13 python3.12 python3.11
    fi
    for python in "$@"; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    done
    stop "needs Python 3.11 or later, tried: $* ($("$1" --version 2>&1 || true)).
Install one and name it: make PYTHON=/path/to/python3.12 ..."
}

can_load() { "$python" -c 'import ctypes, sys
for name in sys.argv[1:]: ctypes.CDLL(name)' "$@" 2>/dev/null; }

# A first look, so that what is missing is asked for once and before anything is downloaded.
# Whether it draws is seen at the end (`draws`).
finds_renderer() {
    for renderer in $renderers; do
        case $renderer in
            egl) can_load libEGL.so.1 libOpenGL.so.0 && return ;;
            osmesa) can_load libOSMesa.so.8 && return ;;
            *) return ;; # the user's own choice: let it try
        esac
    done
    return 1
}

install_packages() { # Debian's, with what its relatives call the same
    line="apt-get update && apt-get install -y --no-install-recommends $*"
    command -v apt-get >/dev/null || stop "this system lacks what Debian calls: $*
Install that with the system's package manager, then run make again."
    if [ "$(id -u)" = 0 ]; then
        root=
    elif sudo -n true 2>/dev/null; then
        root="sudo -n"
    else
        command -v sudo >/dev/null && line="sudo sh -c '$line'"
        stop "system packages are missing and only root may install them. As root, type

    $line

and then run make again."
    fi
    echo "Installing system packages: $*"
    $root env DEBIAN_FRONTEND=noninteractive sh -c "$line" </dev/null ||
        stop "could not install the system packages. As root, this must succeed: $line"
}

make_venv() {
    # Without a mark .venv is missing or half made: nothing in it can be trusted.
    if [ ! -e "$installed" ] || ! .venv/bin/python -c pass 2>/dev/null; then
        echo "Making .venv with $("$python" --version): a few GB, some minutes"
        "$python" -m venv --clear .venv || stop "$python cannot make a virtual environment"
    fi
    rm -f "$installed" "$renders"
    pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip --no-input install"
    # All of constraints.txt, for it is complete (tests/test_layout.py), each file by its hash. But
    # torch by its version: its builds differ, and one for CUDA names the CUDA libraries it needs.
    if ! { $pip --no-deps --require-hashes -r requirements.lock &&
        $pip -c constraints.txt torch &&
        $pip --no-deps --no-build-isolation -e .; }; then
        stop "pip could not install the packages (its message is above)"
    fi
    cat pyproject.toml constraints.txt requirements.lock >"$installed"
}

draws() { # one frame, through dm_control, in a process of its own
    MUJOCO_GL=$1 .venv/bin/python -c '
from dm_control import mujoco
physics = mujoco.Physics.from_xml_string(
    "<mujoco><worldbody><geom size=\".1\"/></worldbody></mujoco>"
)
drawn = physics.render(32, 32).any()
physics.free()
assert drawn, "the frame is black"
'
}

find_renderer() {
    : >.venv/rendering.log
    for renderer in $renderers; do
        if draws "$renderer" >>.venv/rendering.log 2>&1; then
            echo "$renderer" >"$renders"
            return
        fi
    done
    return 1
}

find_python
missing=
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    missing=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
finds_renderer || missing="$missing $rendering_packages"
# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || install_packages $missing

if ! cat pyproject.toml constraints.txt requirements.lock | cmp -s - "$installed" || ! .venv/bin/python -c pass; then
    make_venv
fi

if [ ! -e "$renders" ] && ! find_renderer; then
    # shellcheck disable=SC2086
    [ -z "$rendering_packages" ] || install_packages $rendering_packages
    find_renderer || stop "nothing here draws, tried: $renderers${MUJOCO_GL:+ (for MUJOCO_GL is set)}.
The messages are in .venv/rendering.log"
fi
