#!/usr/bin/env bash
# Recorded this folder: record.sh DTM FOLDER, with a dtm that writes format 2 of the state, format 1 of saved plans and of `--json`.
set -euo pipefail
dtm=$1; out=$2
work=/tmp/dtm-format-2; rm -rf $work; mkdir -p $work; export HOME=$work/home XDG_DATA_HOME=$work/home/data DTM_STATE_KEY='the key of format two'
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.com GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.com
mkdir -p "$work/project" "$HOME" && cd "$work/project"
mkdir -p template && echo 'hello [[ name ]]' > template/README.md.tpl
write() { cat > main.dts <<DTS
dts 1

param version: int = 1

tool readme: core.File { path = "docs/readme.txt", content = "hello\n" }
tool folder: core.Directory { path = "folder" }
tool outside: core.File { path = "$work/outside.txt", content = "outside\n" }
tool key: core.Password { length = 20 }
tool secret: core.SecretFile { path = "secret.txt", content = key.value }
tool repo: scm.Repo { destination = { host = "folder", path = "repo.git" } }
tool site: scm.Scaffold {
  destination = { host = "folder", path = "repo.git" }
  template = "./template"
  vars = { name = "world" }
} with { after = [repo] }
tool page: scm.File {
  destination = { host = "folder", path = "repo.git" }
  path = "page.txt"
  content = "page\n"
} with { after = [site] }
tool old: core.Directory {
  path = "old\${version}"
} with { replace = "create-first", after = [folder] }
tool broken: core.Exec { create = ["sh", "-c", "test -e allowed-\${version}"] }

output place = readme.absolute
output word = key.value
DTS
}
write
"$dtm" apply -y -q || true
touch old1/of-others
"$dtm" apply -y -q --set version=2 || true
# An entry of another tool that was only noted.
"$dtm" state list
"$dtm" plan --json --set version=2 > "$work/plan.json" || true
"$dtm" plan -o "$work/saved.dtmp" -q --set version=2 || true
"$dtm" show --json > "$work/show.json" || true
"$dtm" state pull > "$work/pull.json" || true
# Another project, of DevStream: what it made is only noted.
mkdir "$work/noted"; cd "$work/noted"
cat > config.yaml <<YAML
config:
  state: {backend: local, options: {stateFile: made.state}}
tools:
- name: argocdapp
  instanceID: shop
  options:
    app: {name: shop, namespace: argocd}
    destination: {server: https://kubernetes.default.svc, namespace: shop}
    source: {valuefile: values.yaml, path: helm, repoURL: https://github.com/acme/shop}
YAML
cat > made.state <<YAML
argocdapp_shop:
  name: argocdapp
  instanceID: shop
  dependsOn: []
  options:
    app: {name: shop, namespace: argocd}
    destination: {server: https://kubernetes.default.svc, namespace: shop}
    source: {valuefile: values.yaml, path: helm, repoURL: https://github.com/acme/shop}
  resourceStatus: {}
YAML
"$dtm" state import -f config.yaml --devstream made.state || true
cd "$work/project"
rm -rf "$out"; mkdir -p "$out"
cp main.dts "$out/main.dts"; cp -r template "$out/template"
cp -r .dtm/. "$out/dtm"; rm -f "$out/dtm/state/lock" "$out/dtm/state/spill"
cp "$work"/{plan.json,saved.dtmp,show.json,pull.json} "$out"
mkdir "$out/noted"; cp -r "$work/noted/.dtm/." "$out/noted/dtm"; rm -f "$out/noted/dtm/state/lock" "$out/noted/dtm/state/spill"; cp "$work/noted"/{config.yaml,made.state} "$out/noted"
echo "$work" > "$out/place.txt"
find "$out" -type f | sort
