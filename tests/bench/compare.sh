#!/usr/bin/env bash
# Runs the same graphs with dtm and, where they are found, with terraform and tofu: `core.Value` against
# `terraform_data`, wide and in layers of 100 with three references each, local state, at the parallelism that each
# has by default (10). Prints for each step wall time, peak memory, the bytes that went to the disk and the size of
# the state after it, and the ratio of the times. A step that takes a peer longer than LIMIT seconds is ended; its
# later steps are not tried.
#
#   tests/bench/compare.sh [GRAPH:TOOLS ...]    by default wide:1000 layered:1000 wide:5000 layered:5000 wide:10000
#   LIMIT=300                                   seconds
#   DTM=target/release/dtm                      a binary that is built already
#   PEERS="terraform tofu"                      what to compare with
set -euo pipefail
cd "$(dirname "$0")/../.."
work_list=("$@")
[ $# -gt 0 ] || work_list=(wide:1000 layered:1000 wide:5000 layered:5000 wide:10000)
limit=${LIMIT:-300}
if [ -z "${DTM:-}" ]; then
  cargo build --release -q
  DTM=target/release/dtm
fi
dtm=$(realpath "$DTM")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_DATA_HOME=$work/data CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null

generate() { # FORM GRAPH TOOLS
  awk -v form="$1" -v graph="$2" -v n="$3" 'BEGIN {
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

# Prints "SECONDS MEGABYTES WRITTEN_KB" of a command: wall time, peak memory of the largest process, what the kernel
# counted as written to the disk.
measure() {
  timeout --signal=KILL "$limit" python3 - "$@" <<'PY' || echo "- - -"
import os, resource, subprocess, sys, time
start = time.monotonic()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
seconds = time.monotonic() - start
if status not in (0, 2):
    sys.exit(f"{sys.argv[1:]} ended with {status}")
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{seconds:.3f} {used.ru_maxrss / 1024:.0f} {used.ru_oublock / 2:.0f}")
PY
}

# The state without its backups, in kB. dtm keeps a snapshot and a journal, the others one file.
size() { # TOOL FOLDER
  case $1 in
    dtm) (cd "$2" && for kind in snapshot journal; do
        newest=$(ls -v .dtm/state | grep "^$kind-" | tail -1); [ -z "$newest" ] || cat ".dtm/state/$newest"
      done 2>/dev/null | wc -c) ;;
    *) cat "$2/terraform.tfstate" 2>/dev/null | wc -c ;;
  esac | awk '{ printf "%.0f", $1 / 1024 }'
}

peers=()
for peer in ${PEERS-terraform tofu}; do command -v "$peer" >/dev/null && peers+=("$peer"); done
[ ${#peers[@]} -gt 0 ] || echo "neither terraform nor tofu is found: only dtm is measured"

row='%-8s %6s %-8s %-10s %9s %6s %11s %9s %7s\n'
printf "$row" graph tools step tool seconds MB written,kB state,kB ratio
for item in "${work_list[@]}"; do
  graph=${item%:*} tools=${item#*:}
  folder=$work/$graph-$tools
  mkdir -p "$folder/dtm"
  generate dts "$graph" "$tools" > "$folder/dtm/main.dts"
  declare -A over=()
  for peer in "${peers[@]}"; do
    mkdir -p "$folder/$peer"
    generate tf "$graph" "$tools" > "$folder/$peer/main.tf"
    (cd "$folder/$peer" && "$peer" init -input=false >/dev/null)
  done
  for step in plan apply replan destroy; do
    case $step in
      plan | replan) ours=(plan -q) theirs=(plan -input=false) ;;
      apply) ours=(apply -y -q) theirs=(apply -auto-approve -input=false) ;;
      destroy) ours=(destroy -y -q) theirs=(destroy -auto-approve -input=false) ;;
    esac
    read -r seconds memory written < <(cd "$folder/dtm" && measure "$dtm" "${ours[@]}")
    printf "$row" "$graph" "$tools" "$step" dtm "$seconds" "$memory" "$written" "$(size dtm "$folder/dtm")" 1
    for peer in "${peers[@]}"; do
      [ -z "${over[$peer]:-}" ] || continue
      read -r other used wrote < <(cd "$folder/$peer" && measure "$peer" "${theirs[@]}")
      if [ "$other" = - ]; then
        over[$peer]=1 other=">$limit" ratio=">$(awk -v a="$limit" -v b="$seconds" 'BEGIN { printf "%.0f", a / b }')x"
      else
        ratio=$(awk -v a="$other" -v b="$seconds" 'BEGIN { printf "%.0fx", a / b }')
      fi
      printf "$row" "$graph" "$tools" "$step" "$peer" "$other" "$used" "$wrote" "$(size "$peer" "$folder/$peer")" "$ratio"
    done
  done
  rm -rf "$folder"
done
