//! The plugin `kube` against a real API server, by the command line: what it applies, sees, mends, refuses and deletes.

use crate::shop::{Shop, edit, get};
use dtm_tests::services::kubernetes::Kubernetes;
use dtm_tests::services::proxy::{When, Wrong};
use dtm_tests::services::wait_until;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const MAPS: &str = "/api/v1/namespaces/dtm/configmaps";

/// A manifest `site` of ConfigMaps in the namespace `dtm`.
fn site(objects: &str, more: &str) -> String {
    format!("tool site: kube.Manifest {{\n  namespace = \"dtm\"\n  objects = [\n{objects}\n  ]\n{more}}}")
}

fn map(name: &str, data: &str) -> String {
    format!(
        "{{ apiVersion = \"v1\", kind = \"ConfigMap\", metadata = {{ name = \"{name}\" }}, data = {{ {data} }} }},"
    )
}

#[test]
fn objects_live_their_whole_life() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let shop = Shop::new(server.kubeconfig("admin", None));
    shop.set(&(site(&(map("a", "x = \"1\"") + &map("b", "y = \"2\"")), "") + "\n\noutput uids = site.uids"));
    let plan = shop.done("plan");
    assert!(plan.contains("+ site: kube.Manifest"), "{plan}");
    shop.done("apply -y");
    let a = get(&server, &format!("{MAPS}/a")).expect("a");
    assert_eq!(a["data"], json!({ "x": "1" }));
    assert_eq!(a["metadata"]["labels"]["dtm.dev/manifest"], "site");
    let outputs: Value = serde_json::from_str(&shop.done("output --json")).expect("JSON");
    assert_eq!(outputs["uids"]["ConfigMap/a"], "[UUID]");
    shop.in_sync();

    // What others own is theirs: no drift.
    edit(
        &server,
        &format!("{MAPS}/a"),
        json!({ "metadata": { "annotations": { "note": "mine" } }, "data": { "z": "theirs" } }),
    );
    shop.in_sync();
    // A field of ours is put back, and what others set stays.
    edit(&server, &format!("{MAPS}/a"), json!({ "data": { "x": "changed" } }));
    let plan = shop.done("plan");
    assert!(plan.contains("changed") && plan.contains("~ site: kube.Manifest"), "{plan}");
    assert_eq!(shop.run("verify").code, 4);
    shop.refused(
        "apply -y",
        &[
            "ConfigMap/a has fields that others have set differently",
            "data.x: `somebody` has set \"changed\", the program wants \"1\"",
        ],
    );
    shop.set(&site(&(map("a", "x = \"1\"") + &map("b", "y = \"2\"")), "  force = true\n"));
    shop.done("apply -y");
    let a = get(&server, &format!("{MAPS}/a")).expect("a");
    assert_eq!(a["data"], json!({ "x": "1", "z": "theirs" }));
    shop.in_sync();

    // An object that was removed outside comes back; one that is removed from the program goes.
    server.request("DELETE", &format!("{MAPS}/b"), "", &Value::Null);
    let plan = shop.done("plan");
    assert!(plan.contains("~ site: kube.Manifest"), "{plan}");
    shop.done("apply -y");
    assert!(get(&server, &format!("{MAPS}/b")).is_some());
    shop.set(&site(&map("a", "x = \"1\""), "  force = true\n"));
    shop.done("apply -y");
    assert!(get(&server, &format!("{MAPS}/b")).is_none(), "b is pruned");
    shop.in_sync();
    shop.done("destroy -y");
    assert!(get(&server, &format!("{MAPS}/a")).is_none());
}

#[test]
fn what_cannot_be_applied_is_told_before_anything_changes() {
    let Some(server) = Kubernetes::start() else { return };
    let shop = Shop::new(server.kubeconfig("admin", None));
    let pod =
        "{ apiVersion = \"v1\", kind = \"Pod\", metadata = { name = \"p\" }, spec = { contaners = [] } },";
    shop.set(&site(pod, ""));
    shop.refused("plan", &["Pod/p", "the kind has no field `spec.contaners`"]);
    shop.set(&site(
        "{ apiVersion = \"extensions/v1beta1\", kind = \"Ingress\", metadata = { name = \"i\" } },",
        "",
    ));
    shop.refused(
        "apply -y",
        &["the cluster has no kind `Ingress` in `extensions/v1beta1`, but in `networking.k8s.io/v1`"],
    );
    shop.set(&site("{ apiVersion = \"acme.dev/v1\", kind = \"Site\", metadata = { name = \"s\" } },", ""));
    shop.refused("apply -y", &["its CustomResourceDefinition is not installed"]);
    shop.set(&site("{ kind = \"Pod\" },", ""));
    shop.refused("plan", &["object 1: it has no `apiVersion`"]);
    shop.set(&site(&(map("a", "x = \"1\"") + &map("a", "x = \"2\"")), ""));
    shop.refused("plan", &["object 2: ConfigMap/a in dtm is the same object as object 1"]);
    assert!(get(&server, &format!("{MAPS}/a")).is_none());
    let elsewhere = "{ apiVersion = \"v1\", kind = \"ConfigMap\", metadata = { name = \"c\", namespace = \"nowhere\" } },";
    shop.set(&site(elsewhere, ""));
    shop.refused("apply -y", &["the namespace `nowhere` does not exist"]);
}

#[test]
fn what_exists_is_refused_until_it_is_adopted() {
    let Some(server) = Kubernetes::start() else { return };
    let shop = Shop::new(server.kubeconfig("admin", None));
    server.make(
        MAPS,
        json!({ "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "x": "1", "old": "2" } }),
    );
    shop.set(&site(&map("a", "x = \"1\""), ""));
    shop.refused("plan", &["ConfigMap/a already exists, and this manifest did not create it"]);
    assert_eq!(get(&server, &format!("{MAPS}/a")).expect("a")["data"], json!({ "x": "1", "old": "2" }));
    shop.set(&format!("adopt site = \"dtm/site\"\n\n{}", site(&map("a", "x = \"1\""), "")));
    let plan = shop.done("plan");
    assert!(plan.contains("> site: kube.Manifest"), "{plan}");
    shop.done("apply -y");
    let a = get(&server, &format!("{MAPS}/a")).expect("a");
    assert_eq!(a["metadata"]["labels"]["dtm.dev/manifest"], "site");
    shop.in_sync();
    // Another manifest does not take it.
    shop.set(&format!(
        "{}\n\n{}",
        site(&map("a", "x = \"1\""), ""),
        site(&map("a", "x = \"1\""), "").replace("site", "other")
    ));
    shop.refused("plan", &["belongs to another manifest, `site` in `dtm`"]);
}

#[test]
fn a_definition_and_its_objects_come_in_one_manifest() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let shop = Shop::new(server.kubeconfig("admin", None));
    let schema = "{ type = \"object\", properties = { spec = { type = \"object\", properties = { size = { type = \"integer\" } } } } }";
    let definition = format!(
        "{{ apiVersion = \"apiextensions.k8s.io/v1\", kind = \"CustomResourceDefinition\", metadata = {{ name = \"sites.acme.dev\" }}, spec = {{
          group = \"acme.dev\", scope = \"Namespaced\", names = {{ kind = \"Site\", plural = \"sites\" }},
          versions = [{{ name = \"v1\", served = true, storage = true, schema = {{ openAPIV3Schema = {schema} }} }}],
        }} }},"
    );
    let object = "{ apiVersion = \"acme.dev/v1\", kind = \"Site\", metadata = { name = \"one\" }, spec = { size = 3 } },";
    // The object comes first in the program, and last on the cluster.
    shop.set(&site(&format!("{object}{definition}"), ""));
    let plan = shop.done("plan");
    assert!(plan.contains("checked when it is applied"), "{plan}");
    shop.done("apply -y");
    assert_eq!(
        get(&server, "/apis/acme.dev/v1/namespaces/dtm/sites/one").expect("a site")["spec"]["size"],
        3
    );
    shop.in_sync();
    shop.done("destroy -y");
    assert!(get(&server, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sites.acme.dev").is_none());
}

#[test]
fn what_cannot_be_changed_is_recreated_where_nothing_is_lost() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let shop = Shop::new(server.kubeconfig("admin", None));
    let fixed = |value: &str| {
        format!(
            "{{ apiVersion = \"v1\", kind = \"ConfigMap\", metadata = {{ name = \"a\" }}, data = {{ x = \"{value}\" }}, immutable = true }},"
        )
    };
    shop.set(&site(&fixed("1"), ""));
    shop.done("apply -y");
    let before = get(&server, &format!("{MAPS}/a")).expect("a")["metadata"]["uid"].clone();
    shop.set(&site(&fixed("2"), "  recreate = \"never\"\n"));
    shop.refused(
        "apply -y",
        &["ConfigMap/a", "cannot be changed; `recreate = \"never\"` forbids to delete and create it"],
    );
    shop.set(&site(&fixed("2"), ""));
    shop.done("apply -y");
    let after = get(&server, &format!("{MAPS}/a")).expect("a");
    assert_eq!(after["data"]["x"], "2");
    assert_ne!(after["metadata"]["uid"], before);
    shop.in_sync();
    // A claim keeps data: it is not deleted.
    let claim = |class: &str| {
        format!(
            "{{ apiVersion = \"v1\", kind = \"PersistentVolumeClaim\", metadata = {{ name = \"c\" }}, spec = {{
              accessModes = [\"ReadWriteOnce\"], storageClassName = \"{class}\", resources = {{ requests = {{ storage = \"1Gi\" }} }},
            }} }},"
        )
    };
    shop.set(&site(&claim("one"), ""));
    shop.done("apply -y");
    shop.set(&site(&claim("two"), ""));
    shop.refused("apply -y", &["PersistentVolumeClaim/c", "deleting it would delete data"]);
    shop.done("destroy -y");
}

#[test]
fn fields_of_others_and_ignored_fields_are_left_alone() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let shop = Shop::new(server.kubeconfig("admin", None));
    let web = |image: &str| {
        format!(
            "{{ apiVersion = \"apps/v1\", kind = \"Deployment\", metadata = {{ name = \"web\" }}, spec = {{
              replicas = 1,
              selector = {{ matchLabels = {{ app = \"web\" }} }},
              template = {{ metadata = {{ labels = {{ app = \"web\" }} }}, spec = {{ containers = [{{ name = \"web\", image = \"{image}\" }}] }} }},
            }} }},"
        )
    };
    let ignore = "  wait = false\n  ignore = [{ target = \"Deployment/web\", path = \"spec.replicas\" }]\n";
    shop.set(&site(&web("nginx:1"), ignore));
    shop.done("apply -y");
    let path = "/apis/apps/v1/namespaces/dtm/deployments/web";
    edit(&server, path, json!({ "spec": { "replicas": 5 } }));
    shop.in_sync();
    shop.set(&site(&web("nginx:2"), ignore));
    shop.done("apply -y");
    let there = get(&server, path).expect("a deployment");
    assert_eq!(there["spec"]["replicas"], 5);
    assert_eq!(there["spec"]["template"]["spec"]["containers"][0]["image"], "nginx:2");
    shop.in_sync();
    // An autoscaler and the program do not both set the replicas without a word.
    let autoscaler = json!({ "kind": "HorizontalPodAutoscaler", "metadata": { "name": "by-load" }, "spec": {
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" }, "maxReplicas": 9 } });
    server.make("/apis/autoscaling/v2/namespaces/dtm/horizontalpodautoscalers", autoscaler);
    shop.set(&site(&web("nginx:3"), "  wait = false\n"));
    let plan = shop.done("plan");
    assert!(plan.contains("the autoscaler `by-load` sets the replicas of Deployment/web"), "{plan}");
    shop.set(&site(&web("nginx:2"), ignore));
    // A change of a field inside a list is shown where it is.
    let patch =
        json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "other" }]);
    server.request("PATCH", path, "application/json-patch+json", &patch);
    let plan = shop.done("plan");
    assert!(plan.contains("nginx:2") && plan.contains("other"), "{plan}");
    // Pods that cannot be scheduled: the deadline ends the wait, and says why.
    shop.set(&(site(&web("nginx:2"), "  force = true\n") + " with { timeout = 8s }"));
    shop.refused("apply -y", &["Deployment/web is not ready", "not ready in time", "pod web-"]);
    shop.done("destroy -y");
    assert!(get(&server, path).is_none());
}

#[test]
fn rights_and_clusters_that_are_missing_are_named() {
    let Some(server) = Kubernetes::start() else { return };
    let shop = Shop::new(server.kubeconfig("least", None));
    shop.set(&site(&map("a", "x = \"1\""), ""));
    shop.refused("apply -y", &["forbidden", "kubectl auth can-i"]);
    server.allow("least", &[("", "configmaps", &["get", "list", "patch", "create", "delete"])]);
    let system = json!({ "kind": "ClusterRoleBinding", "metadata": { "name": "least" },
        "subjects": [{ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "least" }],
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "namespaces" } });
    let role = json!({ "kind": "ClusterRole", "metadata": { "name": "namespaces" },
        "rules": [{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] }] });
    server.make("/apis/rbac.authorization.k8s.io/v1/clusterroles", role);
    server.make("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", system);
    shop.done("apply -y");
    shop.in_sync();
    shop.done("destroy -y");

    let nobody = Shop::new("missing.yaml".into());
    nobody.set(&site(&map("a", "x = \"1\""), ""));
    nobody.refused("apply -y", &["the settings lead to no cluster: `missing.yaml`"]);
    nobody.sandbox.write(
        "main.dts",
        format!(
            "dts 1\n\nconfigure kube {{ kubeconfig = \"{}\", context = \"prod\" }}\n\n{}\n",
            shop.kubeconfig.display(),
            site(&map("a", "x = \"1\""), "")
        ),
    );
    nobody.refused("apply -y", &["has no context `prod`"]);
    let down = json!({ "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": "http://127.0.0.1:1" } }], "users": [{ "name": "u", "user": {} }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }] });
    nobody.sandbox.write("down.yaml", down.to_string());
    nobody.sandbox.write(
        "main.dts",
        format!(
            "dts 1\n\nconfigure kube {{ kubeconfig = \"down.yaml\" }}\n\n{}\n",
            site(&map("a", "x = \"1\""), "")
        ),
    );
    nobody.refused("apply -y", &["the cluster cannot be reached"]);
}

#[test]
fn another_cluster_is_never_taken_for_the_one_of_a_state() {
    let (Some(one), Some(two)) = (Kubernetes::start(), Kubernetes::start()) else { return };
    let shop = Shop::new(one.kubeconfig("admin", None));
    shop.set(&site(&map("a", "x = \"1\""), ""));
    shop.done("apply -y");
    // The same names, another cluster: nothing is created a second time, and nothing is called gone.
    let other = Shop { sandbox: shop.sandbox, kubeconfig: two.kubeconfig("admin", None) };
    other.set(&site(&map("a", "x = \"1\""), ""));
    other.refused("apply -y", &["E0614"]);
    assert!(get(&two, &format!("{MAPS}/a")).is_none());
}

#[test]
fn unchanged_objects_need_few_requests() {
    let Some(server) = Kubernetes::start() else { return };
    let proxy = server.proxy();
    let shop = Shop::new(server.kubeconfig("admin", Some(&proxy)));
    let maps: String = (0..200).map(|n| map(&format!("m{n}"), "x = \"1\"")).collect();
    shop.set(&site(&maps, ""));
    shop.done("apply -y -q");
    proxy.take_seen();
    let begun = Instant::now();
    shop.in_sync();
    println!("plan of 200 unchanged objects: {:?}", begun.elapsed());
    let seen = proxy.take_seen();
    // The identity of the cluster, two of discovery, one list.
    assert!(seen.len() <= 4, "{} requests: {seen:#?}", seen.len());
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn secrets_and_namespaces() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let shop = Shop::new(server.kubeconfig("admin", None));
    let tools = |password: &str, kind: &str| {
        format!(
            "tool home: kube.Namespace {{ name = \"shop\", labels = {{ team = \"web\" }} }}

tool login: kube.Secret {{
  namespace = home.name
  name = \"login\"
  type = \"{kind}\"
  data = {{ password = \"{password}\" }}
}}

output password = login.values[\"password\"]"
        )
    };
    shop.set(&tools("hunter-2-hunter", "Opaque"));
    let applied = shop.run("apply -y");
    assert_eq!(applied.code, 0, "{}{}", applied.stdout, applied.stderr);
    assert!(!applied.stdout.contains("hunter") && !applied.stdout.contains("aHVudGVy"), "{}", applied.stdout);
    let path = "/api/v1/namespaces/shop/secrets/login";
    let before = get(&server, path).expect("a secret");
    assert_eq!(before["data"]["password"], "aHVudGVyLTItaHVudGVy");
    shop.in_sync();
    edit(&server, path, json!({ "data": { "password": "b3RoZXItb3RoZXI=", "theirs": "eA==" } }));
    let plan = shop.done("plan");
    assert!(plan.contains("~ login: kube.Secret") && !plan.contains("other-other"), "{plan}");
    shop.done("apply -y");
    assert_eq!(get(&server, path).expect("a secret")["data"]["password"], "aHVudGVyLTItaHVudGVy");
    shop.in_sync();
    // A type cannot be changed: a new secret takes its place.
    shop.set(&tools("hunter-2-hunter", "acme.dev/login"));
    shop.done("apply -y");
    let after = get(&server, path).expect("a secret");
    assert_eq!(after["type"], "acme.dev/login");
    assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
    shop.in_sync();
    // A namespace with other objects is not deleted: this one holds a state of dtm, say.
    let theirs = json!({ "kind": "ConfigMap", "metadata": { "name": "theirs", "labels": { "dtm.dev/state": "shop" } } });
    server.make("/api/v1/namespaces/shop/configmaps", theirs);
    shop.refused("destroy -y", &["the namespace `shop` still holds objects: ConfigMap/theirs"]);
    assert!(get(&server, "/api/v1/namespaces/shop/configmaps/theirs").is_some());
    server.request("DELETE", "/api/v1/namespaces/shop/configmaps/theirs", "", &Value::Null);
    shop.done("destroy -y");
    assert!(get(&server, "/api/v1/namespaces/shop").is_none());
}

#[test]
fn waiting_for_what_others_create() {
    let Some(server) = Kubernetes::start() else { return };
    let shop = Shop::new(server.kubeconfig("admin", None));
    let wait = |until: &str| {
        format!(
            "tool there: kube.Wait {{
  target = {{ api_version = \"v1\", kind = \"ConfigMap\", namespace = \"dtm\", name = \"late\" }}
  until = {until}
}} with {{ timeout = 8s }}"
        )
    };
    shop.set(&wait("\"ready\""));
    shop.refused("apply -y", &["ConfigMap/late in dtm: not in time: it does not exist yet"]);
    server.make(MAPS, json!({ "kind": "ConfigMap", "metadata": { "name": "late" }, "data": { "x": "1" } }));
    shop.done("apply -y");
    shop.in_sync();
    shop.set(&wait("{ path = \"data.x\", value = \"2\" }"));
    shop.refused("apply -y", &["`data.x` is \"1\""]);
    edit(&server, &format!("{MAPS}/late"), json!({ "data": { "x": "2" } }));
    shop.done("apply -y");
    shop.done("destroy -y");
    assert!(get(&server, &format!("{MAPS}/late")).is_some(), "it touches nothing");
}

#[test]
fn the_plugin_keeps_every_rule() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let shop = Shop::new(server.kubeconfig("admin", None));
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/kube/kube.check.dts");
    let line = format!(
        "plugin check kube --cases {} --set kubeconfig={}",
        cases.canonicalize().expect("the cases").display(),
        shop.kubeconfig.display()
    );
    let said = shop.done(&line);
    assert!(said.contains("The plugin keeps every rule that was tried."), "{said}");
}

/// What carries the label of the manifest `site`, by kind.
fn labelled(server: &Kubernetes) -> Vec<String> {
    let of = |plural: &str| {
        let path = format!("/api/v1/namespaces/dtm/{plural}?labelSelector=dtm.dev/manifest%3Dsite");
        let items =
            server.request("GET", &path, "", &Value::Null).1["items"].as_array().cloned().expect("a list");
        let names = items
            .into_iter()
            .map(move |item| format!("{plural}/{}", item["metadata"]["name"].as_str().expect("a name")));
        names.collect::<Vec<_>>()
    };
    [of("configmaps"), of("secrets"), of("services")].concat()
}

const THREE: &str = "{ apiVersion = \"v1\", kind = \"ConfigMap\", metadata = { name = \"a\" }, data = { x = \"1\" } },
{ apiVersion = \"v1\", kind = \"Secret\", metadata = { name = \"b\" }, stringData = { x = \"1\" } },
{ apiVersion = \"v1\", kind = \"Service\", metadata = { name = \"c\" }, spec = { ports = [{ port = 80 }] } },";

/// SIGKILL at requests of an apply and of a destroy, before the server sees one and after it has answered: the next run ends what was
/// begun. The server is the judge. `DTM_MATRIX=full` kills at every request, otherwise at every sixth.
#[test]
fn a_kill_at_any_request_loses_nothing_and_doubles_nothing() {
    let Some(server) = Kubernetes::start() else { return };
    let server = server.with_controllers();
    let proxy = server.proxy();
    let shop = Shop::new(server.kubeconfig("admin", Some(&proxy)));
    let kill = |args: &str, request: usize, when: When| {
        let armed = proxy.die_at(request, when);
        let mut command = shop.sandbox.dtm();
        command.args(args.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("dtm starts");
        armed.process(child.id());
        let ended = child.wait().expect("it ends");
        proxy.disarm();
        ended.success()
    };
    let step = if std::env::var("DTM_MATRIX").is_ok_and(|all| all == "full") { 1 } else { 6 };
    let (mut kills, mut request) = (0, 2);
    shop.set(&site(THREE, ""));
    loop {
        let mut survived = 0;
        for when in [When::Before, When::After] {
            for (args, then) in [("apply -y -q", "apply -y -q"), ("destroy -y -q", "destroy -y -q")] {
                survived += usize::from(kill(args, request, when));
                kills += 1;
                shop.done(then);
                let there = labelled(&server);
                match args.starts_with("apply") {
                    true => assert_eq!(
                        there,
                        ["configmaps/a", "secrets/b", "services/c"],
                        "{args}, request {request}"
                    ),
                    false => assert_eq!(there, Vec::<String>::new(), "{args}, request {request}"),
                }
                if args.starts_with("apply") {
                    shop.in_sync();
                }
            }
        }
        // No request is left at which a run could die.
        if survived == 4 {
            break;
        }
        request += step;
    }
    println!("{kills} kills at the requests of kube: 0 lost, 0 doubled");
    assert!(request > 10, "an apply has more requests than {request}");
}

/// A creation that was killed is completed, and never takes over what somebody else made in the meantime.
#[test]
fn what_a_killed_run_resumes_is_its_own() {
    let Some(server) = Kubernetes::start() else { return };
    let shop = Shop::new(server.kubeconfig("admin", None));
    // One object of the manifest needs a definition that is not there: the run waits for it, and is killed.
    let late = "{ apiVersion = \"acme.dev/v1\", kind = \"Site\", metadata = { name = \"s\" } },";
    let definition = "{ apiVersion = \"apiextensions.k8s.io/v1\", kind = \"CustomResourceDefinition\", metadata = { name = \"never.acme.dev\" }, spec = {
      group = \"acme.dev\", scope = \"Namespaced\", names = { kind = \"Site\", plural = \"never\" },
      versions = [{ name = \"v1\", served = false, storage = true, schema = { openAPIV3Schema = { type = \"object\" } } }],
    } },";
    shop.set(&site(&format!("{}{late}{definition}", map("a", "x = \"1\"")), ""));
    let mut run = shop.sandbox.dtm();
    let mut run = run
        .args(["apply", "-y", "-q"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("dtm starts");
    wait_until("the first object", || !labelled(&server).is_empty());
    run.kill().expect("it runs");
    run.wait().expect("it ends");
    assert_eq!(labelled(&server), ["configmaps/a"]);
    // Somebody else makes an object that the program wants next.
    server.make(MAPS, json!({ "kind": "ConfigMap", "metadata": { "name": "b" }, "data": { "theirs": "1" } }));
    shop.set(&site(&(map("a", "x = \"1\"") + &map("b", "x = \"1\"")), ""));
    shop.refused("apply -y", &["ConfigMap/b already exists, and this manifest did not create it"]);
    assert_eq!(get(&server, &format!("{MAPS}/b")).expect("b")["data"], json!({ "theirs": "1" }));
    shop.set(&site(&map("a", "x = \"1\""), ""));
    shop.done("apply -y -q");
    shop.in_sync();
}

#[test]
fn what_a_server_does_wrong_for_a_moment_is_survived() {
    let Some(server) = Kubernetes::start() else { return };
    let proxy = server.proxy();
    let shop = Shop::new(server.kubeconfig("admin", Some(&proxy)));
    for wrong in
        [Wrong::SlowDown, Wrong::TooMany, Wrong::Reset, Wrong::AnswerLost, Wrong::AnswerCut, Wrong::Slow]
    {
        shop.set(&site(THREE, ""));
        proxy.next_puts([wrong, Wrong::Nothing, wrong]);
        proxy.next_gets([Wrong::Nothing, wrong]);
        shop.done("apply -y -q");
        assert_eq!(labelled(&server), ["configmaps/a", "secrets/b", "services/c"], "{wrong:?}");
        proxy.next_gets([wrong]);
        shop.in_sync();
        proxy.next_puts([wrong]);
        shop.done("destroy -y -q");
        assert_eq!(labelled(&server), Vec::<String>::new(), "{wrong:?}");
    }
    proxy.expire_after(Some(4));
    shop.refused("apply -y", &["the cluster refuses the credentials: they are wrong, or have expired"]);
    proxy.expire_after(None);
    shop.done("apply -y -q");
    shop.in_sync();
}
