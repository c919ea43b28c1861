#!/bin/sh
# Write constraints.txt and requirements.lock. Run this after changing the dependencies in pyproject.toml, then run the
# tests and commit the result.
# constraints.txt has exact versions of everything that the product, training, the notebook and development need,
# including a GPU's libraries (2 GB). requirements.lock has the part that runs a night, with the hashes of all files of
# each package. Packages for training have no hashes, because many machines use a CPU build of torch, which is a
# different file from the one on the package index.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --disable-pip-version-check --quiet 'torch==2.13.0'
"$folder/bin/python" -m pip install --disable-pip-version-check --quiet '.[train,gpu,landmarks,notebook,dev]'
{
    echo "# Exact versions of the whole tree, made by \`make lock\`. Do not edit by hand."
    # A CPU build of torch calls itself 2.13.0+cpu, which other machines could not install.
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
