#!/usr/bin/env bash
# Tries the plugin in a real, headless Neovim against a real server, and writes a transcript of what a person would see.
# Usage: run.sh DTM [TRANSCRIPT]
set -euo pipefail
dtm=$(realpath "${1:?usage: run.sh DTM [TRANSCRIPT]}")
here=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "${2:-$here/test/transcript.txt}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/main.dts" <<'DTS'
dts 1

/// Which one.
param env: "dev" | "prod" = "dev"

tool notes: core.File {
  path = "out/${env}/notes.md"
  contnet = "# Notes\n"
}

output size = notes.
DTS
printf '/dts-v1/;\n/ { };\n' > "$work/tree.dts"
cd "$work"
export DTM="$dtm" XDG_CACHE_HOME="$work/cache" XDG_STATE_HOME="$work/state" XDG_DATA_HOME="$work/data" TRANSCRIPT="$out"
timeout 60 nvim --headless -u NONE -i NONE --cmd "set runtimepath^=$here" --cmd "filetype plugin on" --cmd "syntax on" \
  "$work/main.dts" -c "luafile $here/test/drive.lua" 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
cat "$out"
