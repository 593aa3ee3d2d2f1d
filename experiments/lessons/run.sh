#!/usr/bin/env bash
# The lessons in full: notebooks made of the scripts here, run in an empty folder each by the Python of BIN, and written back.
# Usage: run.sh BIN [NAME…], as: run.sh .venv/bin 1-what-is-a-modality-gap
set -euo pipefail
bin=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
shift
names=("$@")
[ $# -gt 0 ] || for path in "$here"/[0-9]*.py; do names+=("$(basename "$path" .py)"); done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in "${names[@]}"; do
    cd "$(mktemp -d -p "$work")"  # of its own, so that a lesson finds no run of another's
    "$bin/jupytext" --quiet --to ipynb --output "$name.ipynb" "$here/$name.py"
    "$bin/jupyter" nbconvert --log-level WARN --to notebook --execute --inplace "$name.ipynb"
    mv "$name.ipynb" "$here/"
    echo "$name: done; what it says is what the text says"
done
