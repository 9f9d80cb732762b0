#!/usr/bin/env bash
# Builds Helm 3 and Helm 4 into a cache folder, as `helm3` and `helm4`, once for each pair of versions, and prints the folder.
# With --where nothing is built: it fails where one is missing.
set -euo pipefail
three=3.22.0
four=4.3.2
home=${DTM_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/dtm-services}/helm-$three-$four
if [ ! -x "$home/helm3" ] || [ ! -x "$home/helm4" ]; then
  [ "${1-}" != --where ] || exit 1
  command -v go >/dev/null || { echo "go is missing: it builds Helm" >&2; exit 1; }
  mkdir -p "$home"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for version in "$three" "$four"; do
    major=${version%%.*}
    [ ! -x "$home/helm$major" ] || continue
    GOBIN="$work" GOFLAGS=-modcacherw CGO_ENABLED=0 go install -trimpath \
      -ldflags="-s -w -X helm.sh/helm/v$major/internal/version.version=v$version" \
      "helm.sh/helm/v$major/cmd/helm@v$version" >&2
    mv "$work/helm" "$home/helm$major"
  done
fi
echo "$home"
