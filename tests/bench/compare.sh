#!/usr/bin/env bash
# Runs the same graphs with dtm and, where they are found, with terraform and tofu: `core.Value` against
# `terraform_data`, 1,000 tools, wide and in layers of 100 with three references each, local state. Prints wall time
# and peak memory of each step, and the ratio. Usage: tests/bench/compare.sh [TOOLS]
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=${1:-1000}
cargo build --release -q
dtm=$PWD/target/release/dtm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work/data CHECKPOINT_DISABLE=1

generate() { # FORM GRAPH
  awk -v form="$1" -v graph="$2" -v n="$tools" 'BEGIN {
    if (form == "dts") print "dts 1\n"
    for (i = 0; i < n; i++) {
      value = "\"" i "\""
      if (graph == "layered" && i >= 100) {
        layer = (int(i / 100) - 1) * 100; value = "["
        for (k = 0; k < 3; k++) {
          ref = layer + (i * 7 + k * 13) % 100
          value = value (k ? ", " : "") (form == "dts" ? "t" ref ".id" : "terraform_data.t" ref ".id")
        }
        value = value "]"
      }
      if (form == "dts") printf "tool t%d: core.Value {\n  value = %s\n}\n\n", i, value
      else printf "resource \"terraform_data\" \"t%d\" {\n  input = %s\n}\n\n", i, value
    }
  }'
}

# Prints "SECONDS MEGABYTES" of a command.
measure() {
  python3 - "$@" <<'PY'
import os, resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
seconds = time.monotonic() - start
if status not in (0, 2):
    sys.exit(f"{sys.argv[1:]} ended with {status}")
print(f"{seconds:.3f} {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f}")
PY
}

peers=()
for peer in terraform tofu; do command -v "$peer" >/dev/null && peers+=("$peer"); done
[ ${#peers[@]} -gt 0 ] || echo "neither terraform nor tofu is found: only dtm is measured"

printf '%-9s %-12s %-10s %10s %10s %8s\n' graph step tool seconds MB ratio
for graph in wide layered; do
  mkdir -p "$work/$graph/dtm"
  generate dts "$graph" > "$work/$graph/dtm/main.dts"
  for peer in "${peers[@]}"; do
    mkdir -p "$work/$graph/$peer"
    generate tf "$graph" > "$work/$graph/$peer/main.tf"
    (cd "$work/$graph/$peer" && "$peer" init -input=false >/dev/null)
  done
  for step in plan apply replan destroy; do
    case $step in
      plan | replan) ours=(plan -q) theirs=(plan -input=false) ;;
      apply) ours=(apply -y -q) theirs=(apply -auto-approve -input=false) ;;
      destroy) ours=(destroy -y -q) theirs=(destroy -auto-approve -input=false) ;;
    esac
    read -r seconds memory < <(cd "$work/$graph/dtm" && measure "$dtm" "${ours[@]}")
    printf '%-9s %-12s %-10s %10s %10s %8s\n' "$graph" "$step" dtm "$seconds" "$memory" 1
    for peer in "${peers[@]}"; do
      read -r other used < <(cd "$work/$graph/$peer" && measure "$peer" "${theirs[@]}")
      ratio=$(awk -v a="$other" -v b="$seconds" 'BEGIN { printf "%.0fx", a / b }')
      printf '%-9s %-12s %-10s %10s %10s %8s\n' "$graph" "$step" "$peer" "$other" "$used" "$ratio"
    done
  done
done
