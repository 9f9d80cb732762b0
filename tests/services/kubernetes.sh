#!/usr/bin/env bash
# Builds etcd and the programs of Kubernetes into a cache folder, once for each version, and prints the folder. The tests start
# and stop them. With --where nothing is built: it fails where something is missing.
set -euo pipefail
version=1.34.4
etcd=3.7.3
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl)
home=${DTM_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/dtm-services}/kubernetes-$version-$etcd
complete() {
  for program in etcd "${programs[@]}"; do
    [ -x "$home/$program" ] || return 1
  done
  [ -s "$home/service-account.key" ]
}
! complete || { echo "$home"; exit 0; }
[ "${1-}" != --where ] || exit 1
command -v go >/dev/null || { echo "go is missing: it builds etcd and Kubernetes" >&2; exit 1; }
export GOFLAGS=-modcacherw CGO_ENABLED=0
mkdir -p "$home"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Both replace modules of their own by paths, so `go install` refuses them: each is a tool of a module made here.
if [ ! -x "$home/etcd" ]; then
  mkdir "$work/etcd"
  cd "$work/etcd"
  go mod init build.invalid/etcd >&2
  go get -tool "go.etcd.io/etcd/server/v3@v$etcd" >&2
  go build -trimpath -ldflags="-s -w" -o "$home/etcd" go.etcd.io/etcd/server/v3 >&2
fi

missing=()
for program in "${programs[@]}"; do
  [ -x "$home/$program" ] || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
  mkdir "$work/kubernetes"
  cd "$work/kubernetes"
  go mod init build.invalid/kubernetes >&2
  mod=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^.*"GoMod": "\(.*\)".*$/\1/p')
  sed -n 's|^\s*\(k8s.io/[a-z-]*\) => ./staging/.*$|\1|p' "$mod" | while read -r module; do
    go mod edit -replace "$module=$module@v0${version#1}"
  done
  go mod edit -require "k8s.io/kubernetes@v$version"
  for program in "${programs[@]}"; do
    go get -tool "k8s.io/kubernetes/cmd/$program@v$version" >&2
  done
  for program in "${missing[@]}"; do
    go build -trimpath -ldflags="-s -w -X k8s.io/component-base/version.gitVersion=v$version" \
      -o "$home/$program" "k8s.io/kubernetes/cmd/$program" >&2
  done
fi

[ ! -s "$home/service-account.key" ] || { echo "$home"; exit 0; }
# It signs the tokens of service accounts, which no test uses; the server does not start without it.
mkdir "$work/key"
cat > "$work/key/main.go" <<'GO'
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
)

func main() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	bytes, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	pem.Encode(os.Stdout, &pem.Block{Type: "EC PRIVATE KEY", Bytes: bytes})
}
GO
(umask 077 && go run "$work/key/main.go" > "$home/service-account.key")
echo "$home"
