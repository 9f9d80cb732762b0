#!/usr/bin/env bash
# Evaluates the same configuration of 5,000 objects with dtm and with the languages that are found: jrsonnet, CUE, Pkl,
# Terraform and OpenTofu. Each object has a name, a port, labels and a text made of them, in two forms: from one comprehension, and written
# out (50,000 lines). Prints the best wall time of five, and the ratio to dtm. Usage: tests/bench/peers.sh [OBJECTS]
# Peers are taken from the path, or from JRSONNET, CUE, TERRAFORM, TOFU and PKL_JAR (a jar of its command line).
set -euo pipefail
cd "$(dirname "$0")/../.."
n=${1:-5000}
cargo build --release -q
dtm=$PWD/target/release/dtm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export CHECKPOINT_DISABLE=1

cat > short.dts <<DTS
dts 1

output services = [{
  name = "service-\${i}"
  port = 8000 + i
  labels = { "app.kubernetes.io/name" = "service-\${i}", tier = if i % 2 == 0 then "web" else "batch" }
  url = "https://service-\${i}.acme.dev:\${8000 + i}/"
} for i in 0..$n]
DTS
cat > short.jsonnet <<JSONNET
[{
  name: 'service-%d' % i,
  port: 8000 + i,
  labels: { 'app.kubernetes.io/name': 'service-%d' % i, tier: if i % 2 == 0 then 'web' else 'batch' },
  url: 'https://service-%d.acme.dev:%d/' % [i, 8000 + i],
} for i in std.range(0, $n - 1)]
JSONNET
cat > short.cue <<CUE
import "list"
services: [for i in list.Range(0, $n, 1) {
  name: "service-\(i)"
  port: 8000 + i
  labels: {
    "app.kubernetes.io/name": "service-\(i)"
    if mod(i, 2) == 0 {tier: "web"}
    if mod(i, 2) != 0 {tier: "batch"}
  }
  url: "https://service-\(i).acme.dev:\(8000 + i)/"
}]
CUE
sed -i 's/mod(i, 2)/(i - 2*div(i, 2))/; s/mod(i, 2)/(i - 2*div(i, 2))/' short.cue
cat > short.pkl <<PKL
services = new Listing {
  for (i in IntSeq(0, $n - 1)) {
    new Dynamic {
      name = "service-\(i)"
      port = 8000 + i
      labels = new Mapping {
        ["app.kubernetes.io/name"] = "service-\(i)"
        ["tier"] = if (i % 2 == 0) "web" else "batch"
      }
      url = "https://service-\(i).acme.dev:\(8000 + i)/"
    }
  }
}
PKL
awk -v n="$n" 'BEGIN {
  print "dts 1\n" > "long.dts"; print "{" > "long.jsonnet"; print "" > "long.cue"; print "" > "long.pkl"
  for (i = 0; i < n; i++) {
    p = 8000 + i; s = "service-" i; tier = i % 2 ? "batch" : "web"
    printf "let s%d = {\n  name = \"%s\"\n  port = %d\n  labels = {\n    \"app.kubernetes.io/name\" = \"%s\"\n    tier = \"%s\"\n  }\n  url = \"https://%s.acme.dev:${%d + 0}/\"\n}\n\n", i, s, p, s, tier, s, p > "long.dts"
    printf "  s%d: {\n    name: \"%s\",\n    port: %d,\n    labels: {\n      \"app.kubernetes.io/name\": \"%s\",\n      tier: \"%s\",\n    },\n    url: \"https://%s.acme.dev:%%d/\" %% (%d + 0),\n  },\n\n", i, s, p, s, tier, s, p > "long.jsonnet"
    printf "s%d: {\n  name: \"%s\"\n  port: %d\n  labels: {\n    \"app.kubernetes.io/name\": \"%s\"\n    tier: \"%s\"\n  }\n  url: \"https://%s.acme.dev:\\(%d + 0)/\"\n}\n\n", i, s, p, s, tier, s, p > "long.cue"
    printf "s%d = new Dynamic {\n  name = \"%s\"\n  port = %d\n  labels = new Mapping {\n    [\"app.kubernetes.io/name\"] = \"%s\"\n    [\"tier\"] = \"%s\"\n  }\n  url = \"https://%s.acme.dev:\\(%d + 0)/\"\n}\n\n", i, s, p, s, tier, s, p > "long.pkl"
  }
  print "}" > "long.jsonnet"
  # Every value is asked for: a language that is lazy would not look at them.
  printf "output all = [" > "long.dts"; for (i = 0; i < n; i++) printf "s%d, ", i > "long.dts"; print "]" > "long.dts"
}'
mkdir tf && cat > tf/main.tf <<TF
locals {
  # A range ends at 1,024.
  services = [for i in flatten([for a in range($n / 1000) : [for b in range(1000) : a * 1000 + b]]) : {
    name   = "service-\${i}"
    port   = 8000 + i
    labels = { "app.kubernetes.io/name" = "service-\${i}", tier = i % 2 == 0 ? "web" : "batch" }
    url    = "https://service-\${i}.acme.dev:\${8000 + i}/"
  }]
}
output "services" { value = local.services }
TF

best() {
  python3 - "$@" <<'PY'
import subprocess, sys, time
best = 1e9
for _ in range(5):
    start = time.monotonic()
    done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    best = min(best, time.monotonic() - start)
    if done.returncode:
        sys.exit(done.stderr.decode()[-300:])
print(f"{best:.3f}")
PY
}

printf '%-12s %-12s %10s %8s\n' form language seconds ratio
for form in short long; do
  # Outputs are no values of the language: the whole check evaluates them.
  base=$(best "$dtm" check -q "$form.dts")
  printf '%-12s %-12s %10s %8s\n' "$form" dtm "$base" 1
  row() { printf '%-12s %-12s %10s %8s\n' "$form" "$1" "$2" "$(awk -v a="$2" -v b="$base" 'BEGIN { printf "%.1f", a / b }')"; }
  jrsonnet=${JRSONNET:-$(command -v jrsonnet || true)}
  [ -z "$jrsonnet" ] || row jrsonnet "$(best "$jrsonnet" "$form.jsonnet")"
  cue=${CUE:-$(command -v cue || true)}
  [ -z "$cue" ] || row CUE "$(best "$cue" export "$form.cue")"
  [ -z "${PKL_JAR:-}" ] || row Pkl "$(best java -jar "$PKL_JAR" eval -f json "$form.pkl")"
  if [ $form = short ]; then
    for pair in "Terraform:${TERRAFORM:-terraform}" "OpenTofu:${TOFU:-tofu}"; do
      command -v "${pair#*:}" >/dev/null || continue
      (cd tf && rm -rf .terraform* && "${pair#*:}" init -input=false >/dev/null)
      row "${pair%%:*}" "$(best "${pair#*:}" -chdir=tf plan -input=false)"
    done
  fi
done
