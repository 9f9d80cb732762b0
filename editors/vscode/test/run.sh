#!/usr/bin/env bash
# Tries the extension in a real VS Code (code-server in headless Chromium) against a real server. Leaves a picture and a
# transcript of what a person sees.
# Usage: run.sh DTM [FOLDER]
set -euo pipefail
dtm=$(realpath "${1:?usage: run.sh DTM [FOLDER]}")
here=$(cd "$(dirname "$0")/.." && pwd)
out=$(realpath -m "${2:-$here/test}")
mkdir -p "$out"
home=$("$here/../../tests/services/code-server.sh")
(cd "$here" && npm run --silent package >&2)
work=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir -p "$work/project"
cat > "$work/project/main.dts" <<'DTS'
dts 1

/// Which one.
param env: "dev" | "prod" = "dev"

tool notes: core.File {
  path = "out/${env}/notes.md"
  contnet = "# Notes\n"
}

output where = notes.absolute
DTS
printf '/dts-v1/;\n\n/ {\n};\n' > "$work/project/tree.dts"
port=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})')
code() {
  HOME="$work" DTM="$dtm" "$home/node_modules/.bin/code-server" --user-data-dir "$work/data" --extensions-dir "$work/extensions" "$@"
}
code --install-extension "$here/dtm.vsix" >&2
mkdir -p "$work/data/User"
echo '{ "workbench.startupEditor": "none", "editor.hover.delay": 100, "chat.commandCenter.enabled": false }' > "$work/data/User/settings.json"
HOME="$work" DTM="$dtm" "$home/node_modules/.bin/code-server" --user-data-dir "$work/data" --extensions-dir "$work/extensions" \
  --auth none --bind-addr "127.0.0.1:$port" --disable-telemetry --disable-update-check --disable-workspace-trust \
  "$work/project" >"$work/log" 2>&1 &
server=$!
NODE_PATH="$home/node_modules" PORT="$port" PROJECT="$work/project" OUT="$out" node "$here/test/drive.js" || { tail -20 "$work/log" >&2; exit 1; }
cat "$out/transcript.txt"
