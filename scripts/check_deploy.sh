#!/bin/sh
# Check the files of deploy/ without running them: YAML, the compose schema, the container file, the systemd units.
# Usage: scripts/check_deploy.sh [FOLDER OF PROGRAMS], such as .venv/bin
set -eu
bin=${1:-.venv/bin}

"$bin/yamllint" --strict --config-data '{extends: default, rules: {line-length: {max: 120}, document-start: disable}}' \
    deploy/compose.yaml
"$bin/check-jsonschema" --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
"$bin/hadolint" deploy/Containerfile

if ! command -v systemd-analyze >/dev/null 2>&1; then
    echo "systemd-analyze is not installed: deploy/systemd was not checked" >&2
    exit 0
fi
# The units name programs at the paths of the runbook; check them with the paths of this checkout.
units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
for unit in deploy/systemd/*; do
    sed "s#/opt/pmfer#$PWD#g" "$unit" >"$units/$(basename "$unit")"
done
found=$(systemd-analyze verify --recursive-errors=no --man=no "$units"/* 2>&1) || true
if [ -n "$found" ]; then
    echo "$found" >&2
    exit 1
fi
