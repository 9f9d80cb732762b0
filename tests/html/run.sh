#!/usr/bin/env bash
# Opens plans of 10, 300 and 3,000 tools, one of changes that are hard to show, and that of the example `services`, as pages in headless Chromium, and uses them as
# a person would. Leaves pictures and a transcript.
# Usage: run.sh DTM [FOLDER]
set -euo pipefail
dtm=$(realpath "${1:?usage: run.sh DTM [FOLDER]}")
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${2:-$here}")
mkdir -p "$out"
# The pictures show who made the plan.
export USER=dtm
home=$("$here/../services/code-server.sh")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Layers of ten, each tool fed by two of the layer before; some are there already, one is changed, one goes, one is secret.
program() {
  cat <<DTS
dts 1

tool first[n in 0..10 by "\${n}"]: core.Value { value = $2 }
DTS
  for ((layer = 1; layer < $1 / 10; layer++)); do
    before=$([ "$layer" = 1 ] && echo first || echo "layer$((layer - 1))")
    cat <<DTS
tool layer$layer[n in 0..10 by "\${n}"]: core.Value { value = [$before["\${n}"].result, $before["\${(n + 1) % 10}"].result] }
DTS
  done
}
for count in 10 300 3000; do
  mkdir "$work/$count"
  cd "$work/$count"
  program "$count" 1 > main.dts
  if [ "$count" = 10 ]; then
    printf 'tool gone: core.Value { value = 1 }\ntool word: core.Password { length = 12 }\n' >> main.dts
    HOME="$work" "$dtm" apply -y -q
    program "$count" 2 > main.dts
    printf 'tool word: core.Password { length = 14 }\ntool "<b>": core.Value { value = "</script><script>alert(1)</script>" }\n' |
      sed 's/"<b>"/odd/' >> main.dts
  fi
  HOME="$work" "$dtm" plan -q --html "$work/$count.html" > /dev/null
done
mkdir "$work/hard"
cd "$work/hard"
hard() {
  cat <<DTS
dts 1

param channel: string = "stable"
param token: secret string

tool build: core.Exec {
  create = ["sh", "-c", "true; export A=1; export B=2; export C=3; export D=4; export E=5; export F=6; echo release \${channel}"]
}
tool config: core.File { path = "app.conf", content = "$(printf 'line %s\\n' $(seq 9))line $1\\n$(printf 'line %s\\n' $(seq 11 30))" }
tool notes: core.File { path = "notes", content = "one\\ntwo\\n" }
tool credentials: core.SecretFile { path = "credentials", content = token }
tool values: core.File { path = "values.yaml", content = "replicas: $1\\nimage:\\n  tag: a\\n" }
DTS
}
hard 10 > main.dts
HOME="$work" "$dtm" apply -y -q --set channel=stable --set token=correct-horse
hard 20 > main.dts
echo three >> notes
HOME="$work" "$dtm" plan -q --set channel=beta --set token=battery-staple --html "$work/hard.html" > /dev/null
cp -r "$here/../../stdlib/examples/services" "$work/services"
cd "$work/services"
HOME="$work" "$dtm" plan -q --html "$work/services.html" > /dev/null
NODE_PATH="$home/node_modules" PAGES="$work" OUT="$out" node "$here/drive.js"
cat "$out/transcript.txt"
