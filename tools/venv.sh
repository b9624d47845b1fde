#!/bin/sh
# Makes .venv and installs zvview into it, editable, with the extras given: tools/venv.sh dev
# Works on a bare Debian: any Python >= 3.11 will do, and as root missing system packages are installed.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for name in python3.13 python3.12 python3.11 python3; do
        # run it: a name on the path may be a shim for a version that is not installed
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Fails, and says what is missing, where it may not install.
install_system_packages() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing system packages (on Debian: apt-get install" "$@)" >&2
        return 1
    fi
    echo "installing system packages:" "$@"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    python=$(find_python) || {
        echo "zvview needs Python >= 3.11 with the venv module" >&2
        install_system_packages python3 python3-venv
        python=$(find_python)
    }
    if ! can_make_venv "$python"; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_system_packages "python$version-venv"
    fi
    echo "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi

# What Qt needs to open a window, and a screen to open it on where there is none.
WINDOW_PACKAGES="xvfb xauth libgl1 libegl1 libglx-mesa0 libgl1-mesa-dri libxkbcommon0 libxkbcommon-x11-0
    libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
    libxcb-sync1 libxcb-xfixes0 libxcb-xkb1 libx11-xcb1 libdbus-1-3 libfontconfig1 libglib2.0-0"

can_open_windows() {
    [ "$(uname)" != Linux ] || { /sbin/ldconfig -p | grep -q libxcb-cursor && command -v Xvfb >/dev/null; }
}

if [ "$1" = dev ] && ! can_open_windows; then
    # shellcheck disable=SC2086 # a list of words
    install_system_packages $WINDOW_PACKAGES || echo "going on without: windows may not open" >&2
fi

# The browser in which tests look at Neuroglancer's client, and what steers it.
can_browse() { { command -v chromium || command -v google-chrome; } >/dev/null && command -v chromedriver >/dev/null; }

if [ "$1" = dev ] && ! can_browse; then
    install_system_packages chromium chromium-driver || echo "going on without: tests in the browser will fail" >&2
fi

echo "installing zvview[$1]"
.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --editable ".[$1]"
