#!/usr/bin/env bash
# Builds MinIO, an S3 server, into a cache folder, once for each version, and prints the folder. The tests start and stop it.
# With --where nothing is built: it fails where nothing is there.
set -euo pipefail
version=v0.0.0-20250907161309-07c3a429bfed
home=${DTM_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/dtm-services}/minio-$version
if [ ! -x "$home/minio" ]; then
  [ "${1-}" != --where ] || exit 1
  command -v go >/dev/null || { echo "go is missing: it builds MinIO" >&2; exit 1; }
  mkdir -p "$home"
  GOBIN="$home" GOFLAGS=-modcacherw go install "github.com/minio/minio@$version" >&2
fi
echo "$home"
