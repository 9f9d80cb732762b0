#!/usr/bin/env bash
# Installs dtm into a prefix as README says, uses it from there, and removes it again.
# Usage: install.sh release|debug PREFIX. A debug build is installed by the same commands; only a release build is held to its sizes.
set -euo pipefail
profile=${1:?usage: install.sh release|debug PREFIX}
prefix=${2:?usage: install.sh release|debug PREFIX}
cd "$(dirname "$0")/.."
mkdir -p "$prefix"

# The commands of README, with another prefix.
PREFIX=$prefix
block=$(sed -n '/<!-- install -->/,/<!-- \/install -->/p' README.md | sed -n '/^```/,/^```/p' | grep -v '^```' | sed "s#\$HOME/.local#$PREFIX#g")
if [ "$profile" = debug ]; then
  block=$(sed 's#cargo build --release#cargo build#; s#target/release/#target/debug/#g' <<<"$block")
fi
bash -euo pipefail -c "$block"
test -x "$prefix/bin/dtm"

# What is installed stays small: 40 MB for the binary, 6 MB for each plugin; the goal for all of it is 40 MB.
total=0
while IFS= read -r -d '' file; do
  size=$(stat -c %s "$file")
  total=$((total + size))
  printf '%9d  %s\n' "$size" "${file#"$prefix/"}"
  case $file in
    *.so) most=6000000 ;;
    *) most=40000000 ;;
  esac
  [ "$profile" = debug ] || [ "$size" -le "$most" ] || { echo "$file has $size bytes; at most $most are allowed" >&2; exit 1; }
done < <(find "$prefix" -type f -print0)
[ "$profile" = debug ] || [ "$total" -le 40000000 ] || echo "note: $total bytes are installed; the goal is 40000000" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && XDG_DATA_HOME="$work/data" "$prefix/bin/dtm" new quickstart project && cd project && \
  XDG_DATA_HOME="$work/data" "$prefix/bin/dtm" apply -y && XDG_DATA_HOME="$work/data" "$prefix/bin/dtm" destroy -y)
block=$(sed -n '/<!-- remove -->/,/<!-- \/remove -->/p' README.md | sed -n '/^```/,/^```/p' | grep -v '^```' | sed "s#\$HOME/.local#$PREFIX#g")
bash -euo pipefail -c "$block"
if [ -n "$(find "$prefix" -type f)" ]; then
  echo "removing dtm left files:" >&2
  find "$prefix" -type f >&2
  exit 1
fi
echo "installed, used and removed"
