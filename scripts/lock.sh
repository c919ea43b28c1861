#!/bin/sh
# Write constraints.txt: exact versions of everything that the product, its training, the notebook and its development
# need, a GPU's libraries included (2 GB). And requirements.lock: the part that runs a night, with the hashes of all
# files of each package. Training stays without hashes: a CPU build of torch, which many machines are offered, is another
# file than the one on the package index. Run it after a change of the dependencies in pyproject.toml, then run the tests
# and commit the result.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --disable-pip-version-check --quiet 'torch==2.13.0'
"$folder/bin/python" -m pip install --disable-pip-version-check --quiet '.[train,gpu,landmarks,notebook,dev]'
{
    echo "# Exact versions of the whole tree, made by \`make lock\`. Do not edit by hand."
    # A CPU build of torch calls itself 2.13.0+cpu: no other machine could install that.
    "$folder/bin/python" -m pip freeze --exclude pmfer | sed 's/+cpu$//' | grep -v ' @ '
} > constraints.txt
"$folder/bin/python" -m pip install --disable-pip-version-check --quiet 'uv>=0.13'
"$folder/bin/uv" pip compile pyproject.toml --constraints constraints.txt --generate-hashes --universal \
    --python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet \
    --output-file "$folder/requirements.lock"
{
    echo "# What runs a night, with the hashes of all files of each package. Made by \`make lock\`. Do not edit by hand."
    cat "$folder/requirements.lock"
} > requirements.lock
