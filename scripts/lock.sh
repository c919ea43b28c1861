#!/bin/sh
# Write constraints.txt: exact versions of everything that the product, its training and its development need.
# Run it after a change of the dependencies in pyproject.toml, then run the tests and commit the result.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --disable-pip-version-check --quiet 'torch==2.13.0'
"$folder/bin/python" -m pip install --disable-pip-version-check --quiet '.[train,landmarks,dev]'
{
    echo "# Exact versions of the whole tree, made by \`make lock\`. Do not edit by hand."
    # A CPU build of torch calls itself 2.13.0+cpu: no other machine could install that.
    "$folder/bin/python" -m pip freeze --exclude pmfer | sed 's/+cpu$//' | grep -v ' @ '
} > constraints.txt
