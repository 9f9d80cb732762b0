#!/usr/bin/env bash
# Fuzzes what reads anything from outside. Usage: tests/fuzz/run.sh build | tests/fuzz/run.sh TARGET [SECONDS]
# The targets: lexer, parser, formatter, checker, evaluator of the language, whose corpus begins with the programs of the
# suites; journal, snapshot, plan, frames of the engine, with seeds in tests/fuzz/seeds; devstream, the reader of DevStream's
# YAML, with real files. They grow in target/fuzz/corpus. A finding is written beside it and ends the run with an error.
# A stable compiler is enough: the counters of coverage are a pass of LLVM.
set -euo pipefail
cd "$(dirname "$0")"
root="$(cd ../.. && pwd)"
export CARGO_TARGET_DIR="$root/target/fuzz"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
RUSTFLAGS="$(tr -d '\n' <<<"$RUSTFLAGS")"
# A target of its own: build scripts are not to be counted.
host="$(rustc -vV | sed -n 's/^host: //p')"
cargo build --quiet --release --locked --target "$host"
[ "${1:-build}" = build ] && exit 0

target="$1" seconds="${2:-600}"
corpus="$CARGO_TARGET_DIR/corpus/$target" seeds="$CARGO_TARGET_DIR/seeds" words="$root/tests/fuzz/words.txt"
[ "$target" != devstream ] || seeds="$root/tests/data/devstream/yaml" words="$root/tests/fuzz/words-yaml.txt"
[ ! -d "seeds/$target" ] || { seeds="$root/tests/fuzz/seeds/$target" words="$root/tests/fuzz/words-engine.txt"; }
mkdir -p "$corpus" "$CARGO_TARGET_DIR/findings"
if [ ! -d "$seeds" ]; then
  mkdir -p "$seeds.new"
  # Every program of the suites; further files of a section come after a separator.
  awk -v out="$seeds.new" '
    FNR == 1 { inside = 0 }
    /^```dts$/ { n++; inside = 1; file = out "/" n ".dts"; next }
    /^```/ && inside { inside = 0; close(file); next }
    inside { print > file }
  ' "$root"/tests/spec/*/*.md
  cp "$root"/stdlib/*.dts "$seeds.new/"
  mv "$seeds.new" "$seeds"
fi
exec "$CARGO_TARGET_DIR/$host/release/$target" "$corpus" "$seeds" \
  -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
  -dict="$words" -artifact_prefix="$CARGO_TARGET_DIR/findings/$target-"
