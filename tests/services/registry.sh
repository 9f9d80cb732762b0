#!/usr/bin/env bash
# Builds Distribution, a registry of images and charts, into a cache folder, once for each version, and prints the folder. The
# tests start and stop it. With --where nothing is built: it fails where nothing is there.
set -euo pipefail
version=3.0.0
home=${DTM_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/dtm-services}/registry-$version
if [ ! -x "$home/registry" ]; then
  [ "${1-}" != --where ] || exit 1
  command -v go >/dev/null || { echo "go is missing: it builds the registry" >&2; exit 1; }
  mkdir -p "$home"
  GOBIN="$home" GOFLAGS=-modcacherw CGO_ENABLED=0 go install -trimpath -ldflags="-s -w" \
    "github.com/distribution/distribution/v3/cmd/registry@v$version" >&2
fi
echo "$home"
