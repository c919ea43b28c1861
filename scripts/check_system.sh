#!/bin/sh
# Check what pip cannot install: Python itself, its venv module, and the libraries that WeasyPrint loads to draw pages.
# As root it installs the missing Debian packages; otherwise it prints the one line to type.
set -eu
python=${PYTHON:-python3}

if ! command -v "$python" >/dev/null 2>&1 || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "pmfer needs Python 3.11 or newer as '$python'; install it or name one: make PYTHON=python3.12 ..." >&2
    exit 1
fi

missing=""
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    missing="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
# library as the loader names it, and the Debian or Ubuntu package that contains it
while read -r library package; do
    "$python" -c "import ctypes; ctypes.CDLL('$library')" 2>/dev/null || missing="$missing $package"
done <<EOF
libpango-1.0.so.0 libpango-1.0-0
libpangoft2-1.0.so.0 libpangoft2-1.0-0
libharfbuzz-subset.so.0 libharfbuzz-subset0
EOF

[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing system packages:$missing"
    # shellcheck disable=SC2086  # a list of package names
    apt-get install -y -qq $missing >/dev/null 2>&1 || { apt-get update -qq && apt-get install -y -qq $missing >/dev/null; }
else
    echo "system packages are missing; type:  sudo apt-get install -y$missing" >&2
    exit 1
fi
