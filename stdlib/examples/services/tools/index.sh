#!/bin/sh
# Writes an index of what it reads from standard input, and says how long it is.
set -eu
mkdir -p "$(dirname "$1")"
{ echo "# Repositories"; echo; cat; echo; } > "$1"
echo "$1: $(wc -l < "$1") lines"
