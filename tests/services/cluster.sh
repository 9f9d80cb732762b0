#!/usr/bin/env bash
# A Kubernetes cluster of one node on which pods really run: a kubelet on containerd and runc, in a network namespace of its own.
#
#   cluster.sh               installs what it needs, builds the image of the pods into a cache folder, and prints the folder
#   cluster.sh --where       only prints the folder: it fails where something is missing
#   cluster.sh start DIR PORT  starts a cluster with its data in DIR; its API is on this port of loopback, DIR/kubeconfig leads to it
#   cluster.sh stop DIR      stops it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
self=$here/cluster.sh
home=${DTM_SERVICES:-${XDG_CACHE_HOME:-$HOME/.cache}/dtm-services}/cluster-2
packages=(containerd runc containernetworking-plugins iptables socat iproute2)
# The address of the node, in its own network.
ip=10.99.0.1

have() {
  command -v containerd >/dev/null && command -v runc >/dev/null && command -v socat >/dev/null &&
    command -v ip >/dev/null && [ -x /usr/lib/cni/bridge ]
}

# A container image from nothing: NAME, the program, and its tar file.
image() {
  local work; work=$(mktemp -d)
  mkdir -p "$work/root/tmp" "$work/root/etc" "$work/out"
  chmod 1777 "$work/root/tmp"
  install -m 755 "$2" "$work/root/app"
  echo 'root:x:0:0::/:/app' > "$work/root/etc/passwd"
  tar -C "$work/root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/out/layer.tar" .
  local layer; layer=$(sha256sum "$work/out/layer.tar" | cut -d' ' -f1)
  printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/app"],"Env":["PATH=/"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(go env GOARCH)" "$layer" > "$work/out/config.json"
  printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":["layer.tar"]}]' "$1" > "$work/out/manifest.json"
  tar -C "$work/out" -cf "$3" config.json layer.tar manifest.json
  rm -rf "$work"
}

# Runs a program in the background; its id and what it writes are in files.
bg() {
  local name=$1
  shift
  "$@" > "$name.log" 2>&1 < /dev/null &
  echo $! > "$name.pid"
}

# Waits for at most 60 s.
up() {
  local name=$1
  shift
  for _ in $(seq 300); do
    ! "$@" > /dev/null 2>&1 || return 0
    sleep 0.2
  done
  echo "$name does not come up" >&2
  tail -n 5 "$name.log" >&2
  return 1
}

case ${1-} in
"" | --where)
  have && [ -s "$home/app.tar" ] && [ -s "$home/pause.tar" ] && { echo "$home"; exit 0; }
  [ "${1-}" != --where ] || exit 1
  have || { apt-get update -q && apt-get install -y -q --no-install-recommends "${packages[@]}"; } >&2
  command -v go >/dev/null || { echo "go is missing: it builds the image of the pods" >&2; exit 1; }
  mkdir -p "$home"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cat > "$work/main.go" <<'GO'
// What the pods of the tests do: `serve`, `crash TEXT`, `exit`, `eat`, and otherwise nothing.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "serve":
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
		http.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no database", 503) })
		fmt.Println("listening on :8080")
		http.ListenAndServe(":8080", nil)
	case "crash":
		fmt.Println("reading settings")
		fmt.Println("fatal: " + os.Args[2])
		os.Exit(1)
	case "exit":
		return
	case "eat":
		var all [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = 1
			}
			all = append(all, block)
		}
	}
	for {
		time.Sleep(time.Hour)
	}
}
GO
  (cd "$work" && CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o app main.go)
  image docker.io/dtm/app:1 "$work/app" "$home/app.tar"
  image docker.io/dtm/pause:1 "$work/app" "$home/pause.tar"
  echo "$home"
  ;;
start)
  dir=$2 port=$3
  programs=$("$here/kubernetes.sh" --where) registry=$("$here/registry.sh" --where)
  mkdir -p "$dir"
  cd "$dir"
  name=dtm-$$
  echo "$name" > network
  ip netns add "$name"
  inside=(nsenter "--net=/var/run/netns/$name")
  "${inside[@]}" ip link set lo up
  "${inside[@]}" ip link add node0 type bridge
  "${inside[@]}" ip addr add $ip/24 dev node0
  "${inside[@]}" ip link set node0 up
  "${inside[@]}" ip route add default via $ip
  "${inside[@]}" sysctl -qw net.ipv4.ip_forward=1
  "${inside[@]}" "$self" inside "$dir" "$programs" "$registry"
  # Each connection is a process in the network of the cluster.
  bg socat socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" \
    "EXEC:nsenter --net=/var/run/netns/$name socat STDIO TCP\:127.0.0.1\:6443"
  sed "s/127.0.0.1:6443/127.0.0.1:$port/" inside.yaml > kubeconfig
  up socat "$programs/kubectl" --kubeconfig kubeconfig get --raw /readyz
  ;;
inside)
  dir=$2 programs=$3 registry=$4
  cd "$dir"
  url=http://127.0.0.1
  bg etcd "$programs/etcd" --data-dir etcd --listen-client-urls $url:2379 --advertise-client-urls $url:2379 \
    --listen-peer-urls $url:2380 --unsafe-no-fsync --log-level warn
  echo 'admin-token,admin,1,"system:masters"' > users.csv
  key=$programs/service-account.key
  bg apiserver "$programs/kube-apiserver" --etcd-servers=$url:2379 --cert-dir="$dir/certs" --bind-address=0.0.0.0 \
    --advertise-address=$ip --secure-port=6443 --service-account-key-file="$key" --service-account-signing-key-file="$key" \
    --service-account-issuer=https://tests.invalid --token-auth-file=users.csv --authorization-mode=Node,RBAC \
    --service-cluster-ip-range=10.0.0.0/24 --allow-privileged --kubelet-preferred-address-types=InternalIP
  cat > inside.yaml <<'YAML'
{"apiVersion":"v1","kind":"Config","current-context":"test","clusters":[{"name":"test","cluster":{"server":"https://127.0.0.1:6443","insecure-skip-tls-verify":true}}],"users":[{"name":"admin","user":{"token":"admin-token"}}],"contexts":[{"name":"test","context":{"cluster":"test","user":"admin"}}]}
YAML
  kubectl=("$programs/kubectl" --kubeconfig inside.yaml)
  up apiserver "${kubectl[@]}" get --raw /readyz
  bg controllers "$programs/kube-controller-manager" --kubeconfig=inside.yaml --service-account-private-key-file="$key" \
    --root-ca-file="$dir/certs/apiserver.crt" --use-service-account-credentials=false --leader-elect=false --bind-address=127.0.0.1
  bg scheduler "$programs/kube-scheduler" --kubeconfig=inside.yaml --leader-elect=false --bind-address=127.0.0.1
  # Images of every registry come from this one; it holds none, so one that was not imported does not exist.
  printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: "127.0.0.1:5000"}\n' "$dir" > registry.yml
  bg registry env OTEL_TRACES_EXPORTER=none "$registry/registry" serve registry.yml
  for host in _default docker.io; do
    mkdir -p "certs.d/$host"
    printf 'server = "http://127.0.0.1:5000"\n[host."http://127.0.0.1:5000"]\n  capabilities = ["pull", "resolve"]\n' > "certs.d/$host/hosts.toml"
  done
  mkdir -p cni containerd containerd-run kubelet
  cat > cni/10-bridge.conflist <<JSON
{"cniVersion":"1.0.0","name":"pods","plugins":[{"type":"bridge","bridge":"cni0","isGateway":true,"ipMasq":false,"hairpinMode":true,"ipam":{"type":"host-local","dataDir":"$dir/ipam","ranges":[[{"subnet":"10.88.0.0/16"}]],"routes":[{"dst":"0.0.0.0/0"}]}}]}
JSON
  cat > containerd.toml <<TOML
version = 2
root = "$dir/containerd"
state = "$dir/containerd-run"
[grpc]
  address = "$dir/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/dtm/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$dir/certs.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
TOML
  cat > kubelet.yaml <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$dir/containerd.sock
address: $ip
authentication: { anonymous: { enabled: true }, webhook: { enabled: false } }
authorization: { mode: AlwaysAllow }
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
serializeImagePulls: false
enforceNodeAllocatable: []
makeIPTablesUtilChains: false
oomScoreAdj: 0
podLogsDir: $dir/pod-logs
clusterDomain: cluster.local
clusterDNS: [10.0.0.10]
evictionHard: { nodefs.available: "1%", imagefs.available: "1%", memory.available: 100Mi }
imageGCHighThresholdPercent: 100
featureGates: { KubeletInUserNamespace: true }
YAML
  bg node unshare -m -C "$self" node "$dir" "$programs"
  containerd=(ctr -a "$dir/containerd.sock" -n k8s.io)
  up containerd "${containerd[@]}" version
  home=$("$self" --where)
  "${containerd[@]}" images import "$home/pause.tar" > /dev/null
  "${containerd[@]}" images import "$home/app.tar" > /dev/null
  up kubelet "${kubectl[@]}" wait --for=condition=Ready node/node0 --timeout=1s
  up controllers "${kubectl[@]}" get serviceaccount default
  ;;
node)
  # containerd and the kubelet share a view of the file systems, in which the cgroups are their own.
  dir=$2 programs=$3
  cd "$dir"
  mount --make-rshared /
  if [ -d /sys/fs/cgroup/cpu ]; then
    for group in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
      [ -d "/sys/fs/cgroup/$group" ] || continue
      umount "/sys/fs/cgroup/$group"
      option=$group
      [ $group != systemd ] || option=none,name=systemd
      mount -t cgroup -o "$option" cgroup "/sys/fs/cgroup/$group"
    done
    umount /sys/fs/cgroup/unified 2> /dev/null || true
  fi
  # The kubelet would set three settings of the kernel for the whole machine: it sees files that say what it wants.
  for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    file=$dir/setting-$(basename "${setting%=*}")
    echo "${setting#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${setting%=*}"
  done
  bg containerd containerd -c containerd.toml
  for _ in $(seq 100); do
    ! ctr -a "$dir/containerd.sock" version > /dev/null 2>&1 || break
    sleep 0.1
  done
  bg kubelet "$programs/kubelet" --config=kubelet.yaml --kubeconfig=inside.yaml --root-dir="$dir/kubelet" \
    --cert-dir="$dir/kubelet/pki" --hostname-override=node0 --node-ip=$ip
  wait
  ;;
stop)
  cd "$2"
  containerd=(ctr -a "$2/containerd.sock" -n k8s.io)
  if [ -f kubelet.pid ]; then
    kill "$(cat kubelet.pid)" 2> /dev/null || true
    for task in $("${containerd[@]}" tasks ls -q); do "${containerd[@]}" tasks kill -s KILL "$task" > /dev/null 2>&1 || true; done
    sleep 0.5
    for task in $("${containerd[@]}" tasks ls -q); do "${containerd[@]}" tasks rm "$task" > /dev/null 2>&1 || true; done
  fi
  # Clients of the API end before it does.
  for programs in "scheduler controllers containerd node registry socat" "apiserver etcd"; do
    pids=()
    for program in $programs; do
      [ ! -f $program.pid ] || pids+=("$(cat $program.pid)")
    done
    kill "${pids[@]}" 2> /dev/null || true
    for _ in $(seq 30); do
      # One that has ended and that nobody waits for is gone.
      [ -n "$(ps -o stat= -p "$(IFS=,; echo "${pids[*]}")" | grep -v '^Z')" ] || break
      sleep 0.1
    done
    kill -9 "${pids[@]}" 2> /dev/null || true
  done
  # What pods have mounted, and their networks and groups, outlive containerd.
  { grep -o " $2/[^ ]*" /proc/mounts || true; } | sort -r | while read -r mounted; do umount -l "$mounted" || true; done
  for network in $(ip netns list | grep -o '^cni-[0-9a-f-]*'); do
    [ -n "$(ip netns pids "$network")" ] || ip netns del "$network" 2> /dev/null || true
  done
  ip netns del "$(cat network)" 2> /dev/null || true
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} \; 2> /dev/null || true
  ;;
*) echo "usage: cluster.sh [--where | start DIR PORT | stop DIR]" >&2; exit 2 ;;
esac
