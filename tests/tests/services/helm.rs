//! The plugin `helm` against a real API server, by the command line, with Helm 3 and Helm 4. The charts are of ConfigMaps and
//! Services: no pod runs.

use crate::shop::{Shop, edit, get};
use dtm_tests::services::files::Files;
use dtm_tests::services::kubernetes::Kubernetes;
use dtm_tests::services::proxy::When;
use dtm_tests::services::registry::{PASSWORD, Registry, USER};
use dtm_tests::services::{installed, wait_until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// A project with a `helm` that notes how it is called.
struct Charts {
    shop: Shop,
    /// The real program.
    helm: PathBuf,
}

impl Charts {
    fn new(kubeconfig: PathBuf, helm: &str) -> Option<Charts> {
        let helm = installed("helm.sh")?.join(helm);
        let shop = Shop::new(kubeconfig);
        let charts = Charts { shop, helm };
        charts.without_helm();
        let text = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\nexec '{}' \"$@\"\n",
            charts.log().display(),
            charts.helm.display()
        );
        charts.program(&text);
        charts.chart("shop", "1.0.0", "");
        Some(charts)
    }
    /// The program `helm` that dtm finds.
    fn program(&self, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.shop.sandbox.home().join("bin/helm");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a program");
    }
    fn without_helm(&self) {
        let _ = std::fs::remove_file(self.shop.sandbox.home().join("bin/helm"));
    }
    fn log(&self) -> PathBuf {
        self.shop.sandbox.home().join("helm.log")
    }
    /// How helm was called since the last time.
    fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let _ = std::fs::remove_file(self.log());
        text.lines().map(String::from).collect()
    }
    /// A chart with a ConfigMap `NAME-settings` and a Service; `more` is another template.
    fn chart(&self, name: &str, version: &str, more: &str) {
        let write = |path: &str, text: &str| self.shop.sandbox.write(&format!("charts/{name}/{path}"), text);
        write(
            "Chart.yaml",
            &format!("apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: \"7.1\"\n"),
        );
        write("values.yaml", "color: blue\nsize: 1\npassword: \"\"\n");
        write(
            "values.schema.json",
            r#"{ "type": "object", "properties": { "color": { "type": "string" }, "size": { "type": "integer" } } }"#,
        );
        write(
            "templates/settings.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-settings\ndata:\n  color: {{ .Values.color }}\n  size: {{ .Values.size | quote }}\n",
        );
        write(
            "templates/service.yaml",
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\nspec:\n  ports: [{ port: 8080 }]\n",
        );
        write("templates/more.yaml", more);
    }
    /// Helm itself, as a person runs it.
    fn by_hand(&self, args: &str) -> String {
        let mut command = self.shop.sandbox.command(&self.helm);
        let ran = command.args(args.split(' ')).env("KUBECONFIG", &self.shop.kubeconfig).output();
        let ran = ran.expect("helm runs");
        let said =
            format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert!(ran.status.success(), "helm {args}: {said}");
        said
    }
}

/// A release of the chart beside the program.
fn release(inputs: &str) -> String {
    format!("tool shop: helm.Release {{\n  chart = \"./charts/shop\"\n  namespace = \"web\"\n{inputs}\n}}\n")
}

const SETTINGS: &str = "/api/v1/namespaces/web/configmaps/shop-settings";
const RECORDS: &str = "/api/v1/namespaces/web/secrets?labelSelector=owner%3Dhelm";

/// The revisions that Helm has, with what they are: `1 deployed`.
fn revisions(server: &Kubernetes) -> Vec<String> {
    let all = server.request("GET", RECORDS, "", &Value::Null).1;
    let items = all["items"].as_array().cloned().unwrap_or_default();
    let label =
        |item: &Value, name: &str| item["metadata"]["labels"][name].as_str().unwrap_or("").to_string();
    items.iter().map(|item| format!("{} {}", label(item, "version"), label(item, "status"))).collect()
}

/// The life of a release, with either Helm.
fn lives(helm: &str) {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), helm) else { return };
    let shop = &charts.shop;
    let outputs = "output shop = { revision = shop.revision, status = shop.status, version = shop.chart_version, app = shop.app_version, at = shop.endpoints }";
    shop.set(&(release("  values = { color = \"red\" }") + outputs));
    let plan = shop.done("plan");
    assert!(plan.contains("+ shop: helm.Release") && plan.contains("color = \"red\""), "{plan}");
    assert!(get(&server, "/api/v1/namespaces/web").is_none(), "a plan makes nothing");
    shop.done("apply -y");
    assert_eq!(get(&server, SETTINGS).expect("a map")["data"], json!({ "color": "red", "size": "1" }));
    let outputs: Value = serde_json::from_str(&shop.done("output --json")).expect("JSON");
    let at = json!([{ "name": "shop", "cluster_url": "http://shop.web.svc:8080", "url": null }]);
    assert_eq!(
        outputs["shop"],
        json!({ "revision": 1, "status": "deployed", "version": "1.0.0", "app": "7.1", "at": at })
    );

    // What did not change is seen without a process.
    charts.calls();
    shop.in_sync();
    assert_eq!(charts.calls(), Vec::<String>::new(), "a plan of what is unchanged runs no helm");

    // Other values, another version of the chart, and a value that goes.
    shop.set(&release("  values = { color = \"green\", size = 2 }"));
    let plan = shop.done("plan");
    assert!(plan.contains("\"red\"") && plan.contains("\"green\""), "{plan}");
    shop.done("apply -y");
    assert_eq!(get(&server, SETTINGS).expect("a map")["data"], json!({ "color": "green", "size": "2" }));
    charts.chart("shop", "1.1.0", "");
    shop.set(&release("  values = { color = \"green\" }"));
    shop.done("apply -y");
    assert_eq!(get(&server, SETTINGS).expect("a map")["data"], json!({ "color": "green", "size": "1" }));
    shop.in_sync();
    assert_eq!(revisions(&server), ["1 superseded", "2 superseded", "3 deployed"]);

    // What others change is seen, told by its place, and reverted.
    edit(&server, SETTINGS, json!({ "data": { "color": "black", "theirs": "1" } }));
    let plan = shop.done("plan");
    assert!(plan.contains("ConfigMap/shop-settings: data.color"), "{plan}");
    assert_eq!(shop.run("verify").code, 4);
    shop.done("apply -y");
    assert_eq!(get(&server, SETTINGS).expect("a map")["data"]["color"], "green");
    shop.in_sync();
    server.request("DELETE", SETTINGS, "", &Value::Null);
    let plan = shop.done("plan");
    assert!(plan.contains("ConfigMap/shop-settings was deleted"), "{plan}");
    shop.done("apply -y");
    assert!(get(&server, SETTINGS).is_some());
    shop.in_sync();
    // A rollback by hand.
    charts.by_hand("rollback shop 1 -n web");
    let plan = shop.done("plan");
    assert!(plan.contains("it was rolled back to revision 1"), "{plan}");
    shop.done("apply -y");
    assert_eq!(get(&server, SETTINGS).expect("a map")["data"]["color"], "green");
    shop.in_sync();
    // Values that were set by hand.
    charts.by_hand("upgrade shop ./charts/shop -n web --set color=pink");
    let plan = shop.done("plan");
    assert!(plan.contains("\"pink\""), "{plan}");
    shop.done("apply -y");
    shop.in_sync();
    // Uninstalled by hand: it is installed again.
    charts.by_hand("uninstall shop -n web --wait");
    let plan = shop.done("plan");
    assert!(plan.contains("shop: helm.Release"), "{plan}");
    shop.done("apply -y");
    assert!(get(&server, SETTINGS).is_some());
    shop.done("destroy -y");
    assert!(get(&server, SETTINGS).is_none());
    assert_eq!(revisions(&server), Vec::<String>::new());
}

#[test]
fn releases_live_their_whole_life_with_helm_3() {
    lives("helm3");
}

#[test]
fn releases_live_their_whole_life_with_helm_4() {
    lives("helm4");
}

#[test]
fn what_cannot_be_installed_is_told_before_anything_changes() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    // Without a cluster, a program or a network: of the values, by the schema.
    shop.set(&release("  values = { size = \"large\" }"));
    shop.refused("plan --no-read", &["values", "size", "integer"]);
    shop.set(&release("  values = [1]"));
    shop.refused("plan --no-read", &["`values` is not a record"]);
    shop.set(&release("  values = { size = 9007199254740993 }"));
    shop.refused("plan --no-read", &["`values.size` is an integer beyond 2^53"]);
    shop.set(&release("  name = \"Shop\""));
    shop.refused("plan --no-read", &["`Shop` is not a name of a release"]);
    shop.set(&release("  version = \"2.0.0\""));
    shop.refused("plan", &["the chart `./charts/shop` has the version 1.0.0"]);
    shop.set(&release("  version = \"one\""));
    shop.refused("plan --no-read", &["`one`", "version"]);
    for (chart, why) in [
        ("./charts/nothing", "there is no chart at `./charts/nothing`"),
        ("./charts", "is not a chart: it has no `Chart.yaml`"),
        ("shop", "set `repository` to the address of the repository that has `shop`"),
        ("acme/shop", "the repository `acme` is not known"),
    ] {
        shop.set(&release("").replace("./charts/shop", chart));
        shop.refused("plan", &[why]);
    }
    // What the server or a template refuses, before anything is made.
    server.make("/api/v1/namespaces", json!({ "kind": "Namespace", "metadata": { "name": "web" } }));
    for (template, why) in [
        (
            "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: {{ required \"a color is required\" .Values.none }}",
            "a color is required",
        ),
        (
            "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: web",
            "the cluster has no kind `Ingress` in `extensions/v1beta1`; it is in `networking.k8s.io/v1` now",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: bad\nspec:\n  ports: [{ port: 99999 }]",
            "Service/bad: Service \"bad\" is invalid: [spec.ports[0].port",
        ),
    ] {
        charts.chart("shop", "1.0.0", template);
        shop.set(&release(""));
        shop.refused("apply -y", &[why]);
        assert!(get(&server, SETTINGS).is_none(), "{template}");
    }
    charts.chart("shop", "1.0.0", "");
    // Objects that exist.
    let theirs = json!({ "kind": "ConfigMap", "metadata": { "name": "shop-settings" }, "data": { "color": "theirs" } });
    server.make("/api/v1/namespaces/web/configmaps", theirs);
    shop.refused(
        "apply -y",
        &["objects that already exist: ConfigMap/shop-settings", "`take_ownership = true`"],
    );
    assert_eq!(get(&server, SETTINGS).expect("a map")["data"]["color"], "theirs");
    shop.set(&release("  take_ownership = true"));
    shop.done("apply -y");
    shop.in_sync();
    shop.done("destroy -y");
    // The program, and one that is too old.
    charts.without_helm();
    shop.refused("apply -y", &["the program `helm` is not installed: install Helm 3.17 or later"]);
    charts.program("#!/bin/sh\necho v3.14.2\n");
    shop.refused("apply -y", &["Helm 3.14.2 is too old: install Helm 3.17 or later"]);
}

/// Packs the chart as it is, for a repository.
fn packed(charts: &Charts, into: &str) {
    let folder = charts.shop.sandbox.path().join(into);
    std::fs::create_dir_all(&folder).expect("a folder");
    charts.by_hand(&format!("package ./charts/shop -d {}", folder.display()));
    charts.by_hand(&format!("repo index {}", folder.display()));
}

fn by(chart: &str, more: &str) -> String {
    release(more).replace("./charts/shop", chart)
}

#[test]
fn charts_come_from_repositories() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0"] {
        charts.chart("shop", version, "");
        packed(&charts, "repository");
    }
    let files = Files::serve(shop.sandbox.path().join("repository"), Some("reader:open-sesame"));
    let repository = format!("  repository = \"{}\"\n", files.url());
    shop.set(&by("shop", &repository));
    shop.refused("plan", &["refuses the credentials"]);
    let login = "  credentials = { username = \"reader\", password = \"open-sesame\" }\n";
    let with = |more: &str| by("shop", &format!("{repository}{login}{more}"));
    shop.set(&with("  version = \"3.0.0\""));
    shop.refused(
        "plan",
        &["the chart `shop` has no version `3.0.0`: the newest versions are 2.0.0, 2.0.0-rc.1, 1.1.0, 1.0.0"],
    );
    shop.set(&with("").replace("chart = \"shop\"", "chart = \"shoq\""));
    shop.refused("plan", &["has no chart `shoq`"]);
    // A range means the newest that fits, once; a newer one is no change.
    shop.set(&with("  version = \"~1.0\""));
    shop.done("apply -y");
    shop.set(&with("  version = \"^1.0\""));
    shop.in_sync();
    shop.set(&(with("  version = \">=1.1\"") + "output version = shop.chart_version\n"));
    shop.done("apply -y");
    let outputs: Value = serde_json::from_str(&shop.done("output --json")).expect("JSON");
    assert_eq!(outputs["version"], "2.0.0");
    charts.chart("shop", "2.1.0", "");
    packed(&charts, "repository");
    files.take_seen();
    shop.in_sync();
    assert_eq!(files.take_seen(), Vec::<String>::new(), "a plan of what is unchanged asks no repository");
    // What was fetched once is kept.
    shop.set(&with("  version = \"2.0.0\"\n  values = { color = \"red\" }"));
    files.take_seen();
    shop.done("apply -y");
    assert!(!files.take_seen().iter().any(|path| path.ends_with(".tgz")), "it is in the cache");
    // An archive that is another than the one that was meant.
    shop.set(&with(&format!("  version = \"2.0.0\"\n  digest = \"{}\"", "0".repeat(64))));
    shop.refused("plan", &["has the digest", &"0".repeat(64)]);
    // An address of an archive.
    let archive = format!("{}/shop-1.1.0.tgz", files.url());
    shop.set(&by(&archive, login));
    shop.done("apply -y");
    shop.in_sync();
    shop.done("destroy -y");
}

#[test]
fn charts_come_from_registries() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(registry) = Registry::start() else { return };
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    let host = format!("127.0.0.1:{}", registry.port);
    charts.by_hand(&format!("registry login {host} --plain-http -u {USER} -p {PASSWORD}"));
    for version in ["1.0.0", "1.1.0+build.5"] {
        charts.chart("shop", version, "");
        packed(&charts, "packed");
        charts.by_hand(&format!("push packed/shop-{version}.tgz oci://{host}/charts --plain-http"));
    }
    // What `helm registry login` recorded on this machine is used.
    let chart = format!("oci://{host}/charts/shop");
    shop.set(&(by(&chart, "  version = \"^1.0\"") + "output version = shop.chart_version\n"));
    shop.done("apply -y");
    let outputs: Value = serde_json::from_str(&shop.done("output --json")).expect("JSON");
    assert_eq!(outputs["version"], "1.1.0+build.5");
    shop.in_sync();
    shop.set(&by(&chart, "  version = \"1.0.0\""));
    shop.done("apply -y");
    shop.in_sync();
    shop.set(&by(&chart, "  version = \"9.0.0\""));
    shop.refused("plan", &["has no version 9.0.0"]);
    shop.set(&by(&format!("oci://{host}/charts/none"), "  version = \"1.0.0\""));
    shop.refused("plan", &["has no version 1.0.0"]);
    charts.by_hand(&format!("registry logout {host}"));
    let _ = std::fs::remove_dir_all(shop.sandbox.home().join(".cache/dtm"));
    shop.set(&by(&chart, "  version = \"1.0.0\"\n  values = { color = \"red\" }"));
    shop.refused("apply -y", &["refuses the credentials, or needs some", "helm registry login"]);
    let login = format!("  credentials = {{ username = \"{USER}\", password = \"{PASSWORD}\" }}");
    shop.set(&by(&chart, &format!("  version = \"1.0.0\"\n  values = {{ color = \"red\" }}\n{login}")));
    shop.done("apply -y");
    shop.in_sync();
    shop.done("destroy -y");
}

/// A Deployment that does not become ready, as no pod runs.
const NEVER: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.size }}
  selector: { matchLabels: { app: never } }
  template:
    metadata: { labels: { app: never } }
    spec: { containers: [{ name: never, image: \"never:1\" }] }
";

#[test]
fn a_failure_leaves_what_the_program_says() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    charts.chart("shop", "1.0.0", NEVER);
    let limited = |inputs: &str| format!("{} with {{ timeout = 14s }}\n", release(inputs).trim_end());
    // Kept: it is there, failed, and the next run upgrades it.
    shop.set(&limited(""));
    shop.refused("apply -y", &["Deployment/shop is not ready", "pod shop-"]);
    assert_eq!(revisions(&server), ["1 failed"]);
    let plan = shop.done("plan");
    assert!(plan.contains("revision 1 failed"), "{plan}");
    shop.set(&limited("  values = { size = 0 }"));
    shop.done("apply -y");
    shop.in_sync();
    // Rolled back: what was there before is there again, and the plan wants the change.
    shop.set(&limited("  values = { size = 1 }\n  on_failure = \"rollback\""));
    shop.refused("apply -y", &["was rolled back", "Deployment/shop is not ready"]);
    let there = get(&server, "/apis/apps/v1/namespaces/web/deployments/shop").expect("a deployment");
    assert_eq!(there["spec"]["replicas"], 0);
    let plan = shop.done("plan");
    assert!(plan.contains("~ shop: helm.Release"), "{plan}");
    shop.set(&limited("  values = { size = 0 }\n  on_failure = \"rollback\""));
    shop.done("apply -y");
    shop.in_sync();
    shop.done("destroy -y");
    // Uninstalled: nothing is left of a first installation.
    shop.set(&limited("  on_failure = \"uninstall\""));
    shop.refused("apply -y", &["was uninstalled again", "Deployment/shop is not ready"]);
    assert_eq!(revisions(&server), Vec::<String>::new());
    assert!(get(&server, SETTINGS).is_none());
    let plan = shop.done("plan");
    assert!(plan.contains("+ shop: helm.Release"), "{plan}");
}

#[test]
fn what_others_do_at_the_same_time_is_not_disturbed() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    shop.set(&release(""));
    shop.done("apply -y");
    // Somebody upgrades it, and it takes long.
    charts.chart("shop", "1.1.0", NEVER);
    let mut command = shop.sandbox.command(&charts.helm);
    command.args(["upgrade", "shop", "./charts/shop", "-n", "web", "--wait"]);
    command.env("KUBECONFIG", &shop.kubeconfig).stdout(Stdio::null()).stderr(Stdio::null());
    let mut other = command.spawn().expect("helm starts");
    wait_until("the other upgrade", || revisions(&server).contains(&"2 pending-upgrade".to_string()));
    shop.set(&release("  values = { color = \"red\" }"));
    shop.refused(
        "apply -y",
        &[
            "another operation on the release `shop` is under way (pending-upgrade",
            "kubectl delete secret sh.helm.release.v1.shop.v2 -n web",
        ],
    );
    // It is killed, and leaves its record behind: the command that dtm names removes it.
    other.kill().expect("it runs");
    other.wait().expect("it ends");
    shop.refused("apply -y", &["another operation on the release `shop` is under way"]);
    server.request("DELETE", "/api/v1/namespaces/web/secrets/sh.helm.release.v1.shop.v2", "", &Value::Null);
    charts.chart("shop", "1.1.0", "");
    shop.done("apply -y");
    assert_eq!(get(&server, SETTINGS).expect("a map")["data"]["color"], "red");
    shop.in_sync();
}

#[test]
fn a_release_that_exists_is_adopted_and_not_upgraded() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    for version in ["1.0.0", "1.1.0"] {
        charts.chart("shop", version, "");
        packed(&charts, "repository");
    }
    let files = Files::serve(shop.sandbox.path().join("repository"), None);
    charts.by_hand("install shop ./repository/shop-1.0.0.tgz -n web --create-namespace --set color=red");
    let inputs = format!("  repository = \"{}\"\n  values = {{ color = \"red\" }}\n", files.url());
    shop.set(&by("shop", &inputs));
    shop.refused("apply -y", &["`shop` already exists, as \"web/shop\"", "write `adopt shop`"]);
    shop.set(&format!("adopt shop = \"web/shop\"\n\n{}", by("shop", &inputs)));
    let plan = shop.done("plan");
    assert!(plan.contains("> shop: helm.Release"), "{plan}");
    shop.done("apply -y");
    assert_eq!(revisions(&server), ["1 deployed"], "nothing was upgraded");
    shop.in_sync();
    // What the program says otherwise is a change, as of any tool.
    shop.set(&by("shop", &format!("{inputs}  version = \"1.1.0\"\n")));
    let plan = shop.done("plan");
    assert!(plan.contains("version") && plan.contains("1.1.0"), "{plan}");
    shop.done("apply -y");
    shop.in_sync();
    let listed = shop.done("list helm.Release");
    assert!(listed.contains("name=\"shop\" namespace=\"web\""), "{listed}");
    shop.done("destroy -y");
}

/// A definition with these versions, of which the last is stored.
fn definition(versions: &[&str]) -> String {
    let one = |version: &str| {
        let is_last = versions.last() == Some(&version);
        format!(
            "  - {{ name: {version}, served: true, storage: {is_last}, schema: {{ openAPIV3Schema: {{ type: object, x-kubernetes-preserve-unknown-fields: true }} }} }}\n"
        )
    };
    let versions: String = versions.iter().map(|version| one(version)).collect();
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: sites.acme.dev\nspec:\n  group: acme.dev\n  scope: Namespaced\n  names: {{ kind: Site, plural: sites }}\n  versions:\n{versions}"
    )
}

#[test]
fn definitions_are_upgraded_with_their_chart() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    let site = "apiVersion: acme.dev/v1\nkind: Site\nmetadata:\n  name: one\n";
    let set = |version: &str, versions: &[&str]| {
        charts.chart("shop", version, site);
        shop.sandbox.write("charts/shop/crds/sites.yaml", definition(versions));
    };
    set("1.0.0", &["v1"]);
    shop.set(&release(""));
    // The plan cannot know the kind yet, and is no error.
    let plan = shop.done("plan");
    assert!(plan.contains("the kind `Site` in `acme.dev/v1`"), "{plan}");
    shop.done("apply -y");
    shop.in_sync();
    set("1.1.0", &["v1", "v2"]);
    shop.done("apply -y");
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sites.acme.dev";
    let there = get(&server, path).expect("a definition");
    assert_eq!(there["status"]["storedVersions"], json!(["v1", "v2"]));
    set("2.0.0", &["v2"]);
    shop.refused("apply -y", &["objects are stored in its version `v1`, which the new one drops"]);
    assert_eq!(get(&server, path).expect("a definition")["spec"]["versions"][0]["name"], "v1");
    shop.done("destroy -y");
    assert!(get(&server, path).is_some(), "definitions stay, as objects of others need them");
}

#[test]
fn secret_values_are_nowhere_but_on_the_cluster() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    let template = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}\nstringData:\n  password: {{ .Values.password }}\n";
    charts.chart("shop", "1.0.0", template);
    const SECRET: &str = "correct-horse-battery";
    let program = |color: &str| {
        format!(
            "param password: secret string = \"{SECRET}\"\n\n{}",
            release(&format!("  values = {{ color = \"{color}\", password }}"))
        )
    };
    shop.set(&program("red"));
    let mut said = shop.done("plan") + &shop.done("apply -y") + &shop.done("plan");
    shop.set(&program("blue"));
    said += &(shop.done("plan --json") + &shop.done("apply -y -vv") + &shop.done("state show shop"));
    // What is not of the program, and is called as secrets are.
    charts.by_hand("upgrade shop ./charts/shop -n web --reuse-values --set token=open-sesame-please");
    said += &shop.done("plan");
    assert!(!said.contains(SECRET) && !said.contains("open-sesame-please"), "{said}");
    let calls = charts.calls().join("\n");
    assert!(calls.contains("--values -") && !calls.contains(SECRET), "{calls}");
    shop.done("apply -y");
    let folders = [shop.sandbox.path().join(".dtm"), shop.sandbox.home().to_path_buf()];
    for file in folders.iter().flat_map(|folder| all_files(folder)) {
        let bytes = std::fs::read(&file).expect("read");
        let holds = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!holds, "{}", file.display());
    }
    shop.done("destroy -y");
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let inner = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => all_files(&entry.path()),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        _ => vec![],
    });
    inner.collect()
}

#[test]
fn unchanged_releases_need_few_requests_and_no_process() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let proxy = server.proxy();
    let Some(charts) = Charts::new(server.kubeconfig("admin", Some(&proxy)), "helm3") else { return };
    let shop = &charts.shop;
    let many = "let names = [\"n${i}\" for i in 1..=50]\n\ntool many[name in names by name]: helm.Release {\n  name = name\n  chart = \"./charts/shop\"\n  namespace = \"web\"\n}\n";
    shop.set(many);
    shop.done("apply -y -q");
    proxy.take_seen();
    charts.calls();
    let begun = std::time::Instant::now();
    shop.in_sync();
    println!("plan of 50 unchanged releases: {:?}", begun.elapsed());
    let seen = proxy.take_seen();
    // The identity of the cluster, two of discovery, the records, and the objects by kind.
    assert!(seen.len() <= 6, "{} requests: {seen:#?}", seen.len());
    assert_eq!(charts.calls(), Vec::<String>::new());
}

/// SIGKILL of dtm, and of helm, at requests of an apply and of a destroy: the next run ends what was begun, without a question.
/// `DTM_MATRIX=full` kills at every request, otherwise at every ninth.
#[test]
fn a_kill_at_any_request_leaves_nothing_stuck() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let proxy = server.proxy();
    let Some(charts) = Charts::new(server.kubeconfig("admin", Some(&proxy)), "helm3") else { return };
    let shop = &charts.shop;
    let pid = shop.sandbox.home().join("helm.pid");
    let noted =
        format!("#!/bin/sh\necho $$ > '{}'\nexec '{}' \"$@\"\n", pid.display(), charts.helm.display());
    charts.program(&noted);
    let step = if std::env::var("DTM_MATRIX").is_ok_and(|all| all == "full") { 1 } else { 9 };
    let mut kills = 0;
    for of_helm in [false, true] {
        let (mut request, mut hit) = (2, 0);
        loop {
            let mut survived = 0;
            for (round, args) in ["apply -y -q", "apply -y -q", "destroy -y -q"].into_iter().enumerate() {
                let color = ["red", "green", "green"][round];
                shop.set(&release(&format!("  values = {{ color = \"{color}\" }}")));
                let _ = std::fs::remove_file(&pid);
                let armed = proxy.die_at(request, if round == 0 { When::After } else { When::Before });
                let mut command = shop.sandbox.dtm();
                command.args(args.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
                let mut child = command.spawn().expect("dtm starts");
                match of_helm {
                    false => armed.process(child.id()),
                    true => {
                        // Requests before helm runs kill nobody. Then it is the last process that helm was: there is one for the
                        // plan, and one for the change.
                        armed.process(u32::MAX >> 1);
                        let mut known: Option<u32> = None;
                        while child.try_wait().expect("a child").is_none() {
                            let text = std::fs::read_to_string(&pid).unwrap_or_default();
                            if let Some(now) = text.trim().parse().ok().filter(|now| known != Some(*now)) {
                                armed.process(now);
                                known = Some(now);
                            }
                            std::thread::sleep(Duration::from_millis(5));
                        }
                    }
                }
                let ended = child.wait().expect("it ends").success();
                survived += usize::from(ended);
                hit += usize::from(!ended);
                proxy.disarm();
                kills += 1;
                shop.done(args);
                match args.starts_with("apply") {
                    true => {
                        assert_eq!(
                            get(&server, SETTINGS).expect("a map")["data"]["color"],
                            color,
                            "{args}, request {request}"
                        );
                        shop.in_sync();
                        let last = revisions(&server).pop().expect("a revision");
                        assert!(last.ends_with("deployed"), "{last}: {args}, request {request}");
                    }
                    false => {
                        assert!(get(&server, SETTINGS).is_none(), "{args}, request {request}");
                        assert_eq!(revisions(&server), Vec::<String>::new(), "{args}, request {request}");
                    }
                }
            }
            if survived == 3 {
                break;
            }
            request += step;
        }
        assert!(hit > 3, "only {hit} kills ended a run");
    }
    println!("{kills} kills at the requests of helm: 0 lost, 0 doubled, 0 stuck");
}

#[test]
fn the_plugin_keeps_every_rule() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let Some(charts) = Charts::new(server.kubeconfig("admin", None), "helm3") else { return };
    let shop = &charts.shop;
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/helm/helm.check.dts");
    charts.chart("shop", "1.0.0", &format!("{{{{- if gt (int .Values.size) 1 }}}}\n{NEVER}{{{{- end }}}}\n"));
    let said = shop.done(&format!(
        "plugin check helm --cases {} --set kubeconfig={} --set chart={}",
        cases.canonicalize().expect("the cases").display(),
        shop.kubeconfig.display(),
        shop.sandbox.path().join("charts/shop").display()
    ));
    assert!(said.contains("The plugin keeps every rule that was tried."), "{said}");
}
