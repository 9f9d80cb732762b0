#!/usr/bin/env bash
# Makes the parser anew from grammar.js and compares it with what is committed; then reads every .dts file of the
# repository with it. Usage: run.sh [--write], which writes the parser instead of comparing it.
set -euo pipefail
cd "$(dirname "$0")/.."
VERSION=0.27.1
cache="${XDG_CACHE_HOME:-$HOME/.cache}/dtm-services/tree-sitter-$VERSION"
if [ ! -x "$cache/bin/tree-sitter" ]; then
  # `parser.c` is of ABI 15, which this version writes; without its playground, for which it would build a WASM runtime.
  cargo install tree-sitter-cli --version "$VERSION" --locked --no-default-features --root "$cache" --target-dir "$cache/build"
  rm -rf "$cache/build"
fi
tree_sitter="$cache/bin/tree-sitter"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
cp -r grammar.js tree-sitter.json "$work"
cp src/scanner.c "$work/src"
(cd "$work" && "$tree_sitter" generate)
if [ "${1:-}" = --write ]; then
  cp -r "$work/src/." src/
else
  diff -r "$work/src" src
fi
"$tree_sitter" build -o "$work/dts.so"
count=0
while IFS= read -r -d '' file; do
  "$tree_sitter" parse --quiet --lib-path "$work/dts.so" --lang-name dts "../../$file"
  count=$((count + 1))
done < <(git -C ../.. ls-files -z '*.dts')
echo "tree-sitter-dts: the parser is that of grammar.js, and reads all $count .dts files"
