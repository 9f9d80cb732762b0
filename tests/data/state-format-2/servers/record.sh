#!/usr/bin/env bash
# Recorded the folders `s3` and `kubernetes`: record.sh DTM FOLDER, with a dtm that writes format 2 of the state, a
# MinIO with the bucket `bucket` at $S3, and the kubeconfig of a cluster with the namespace `dtm` in
# $KUBE, which listens at $SERVER.
set -euo pipefail
dtm=$1; out=$2; here=$(cd "$(dirname "$0")" && pwd)
work=/tmp/dtm-format-2; rm -rf $work; export HOME=$work/home XDG_DATA_HOME=$work/home/data DTM_STATE_KEY='the key of format two'
export AWS_ACCESS_KEY_ID=tester AWS_SECRET_ACCESS_KEY=tester-secret AWS_EC2_METADATA_DISABLED=true
record() {
  mkdir -p "$work/$1" "$HOME" && cd "$work/$1"
  cat > main.dts <<DTS
dts 1

settings {
  state = $2
}

$(cat "$here/tools.dts")
DTS
  "$dtm" apply -y -q || true
  # The folder that was replaced cannot be deleted: it is retired.
  touch old1/of-others
  "$dtm" apply -y -q --set version=2 || true
  "$dtm" state list
  mkdir -p "$out/$1"
}
record s3 "s3 { bucket = \"bucket\", key = \"app\", region = \"us-east-1\", endpoint = \"$S3\", path_style = true }"
signed() { curl -sf --aws-sigv4 aws:amz:us-east-1:s3 --user tester:tester-secret "$@"; }
rm -rf "$out/s3"; mkdir -p "$out/s3"
signed "$S3/bucket?list-type=2" | grep -o '<Key>[^<]*' | sed 's/<Key>//' | while read -r key; do
  mkdir -p "$out/s3/$(dirname "$key")"
  signed "$S3/bucket/$key" > "$out/s3/$key"
done
record kubernetes "k8s { namespace = \"dtm\", name = \"app\", kubeconfig = \"$KUBE\" }"
rm -rf "$out/kubernetes"; mkdir -p "$out/kubernetes"
curl -sfk -H 'Authorization: Bearer admin-token' "$SERVER/api/v1/namespaces/dtm/configmaps" |
  jq '[.items[] | {apiVersion: "v1", kind: "ConfigMap", metadata: {name: .metadata.name, labels: .metadata.labels}, binaryData}]' \
    > "$out/kubernetes/configmaps.json"
find "$out" -type f | sort
