//! State in Kubernetes, against a real API server with etcd, by the library and by the command line, through a proxy that
//! does wrong.

use dtm_engine::secret::Redactor;
use dtm_engine::state::remote::RemoteStore;
use dtm_engine::state::remote::k8s::{K8sKind, K8sObjects, K8sPlace};
use dtm_engine::state::remote::objects::{Condition, Fault, Objects};
use dtm_engine::state::{Record, StateError, StateStore};
use dtm_tests::contract::{contract, entry, holder};
use dtm_tests::services::kubernetes::Kubernetes;
use dtm_tests::services::minio::{Minio, PASSWORD, USER};
use dtm_tests::services::project::{Project, survive};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn place(kubeconfig: &Path, name: &str, kind: K8sKind) -> K8sPlace {
    K8sPlace {
        namespace: "dtm".into(),
        name: name.into(),
        kind,
        kubeconfig: Some(kubeconfig.display().to_string()),
        context: None,
    }
}

fn objects(place: K8sPlace) -> K8sObjects {
    K8sObjects::open(place, Path::new("/")).expect("a client")
}

fn store(place: K8sPlace, spill: &Path) -> RemoteStore {
    RemoteStore::new(Arc::new(objects(place)), None, Redactor::default(), spill.join("spill"))
}

fn project(kubeconfig: &Path, more: &str) -> Project {
    let path = kubeconfig.display();
    let state = format!("k8s {{ namespace = \"dtm\", name = \"shop\", kubeconfig = \"{path}\"{more} }}");
    Project::new(env!("CARGO_BIN_EXE_dtm-under-test"), &state, "", "")
}

/// The ConfigMaps of a state.
fn kept(server: &Kubernetes, name: &str) -> Vec<Value> {
    let of = format!("/api/v1/namespaces/dtm/configmaps?labelSelector=dtm.dev/state%3D{name}");
    server.request("GET", &of, "", &Value::Null).1["items"].as_array().cloned().expect("a list")
}

#[test]
fn it_keeps_the_contract_and_survives_lost_answers() {
    let Some(server) = Kubernetes::start() else { return };
    let (dir, admin) = (tempfile::tempdir().expect("a folder"), server.kubeconfig("admin", None));
    for (name, kind) in [("maps", K8sKind::ConfigMap), ("secrets", K8sKind::Secret)] {
        contract(|case| {
            let store = store(place(&admin, &format!("{name}-{case}"), kind), dir.path());
            Box::new(store.with_ttl(Duration::from_secs(2)))
        });
    }
    let proxy = server.proxy();
    let by = server.kubeconfig("admin", Some(&proxy));
    survive(&store(place(&by, "lost", K8sKind::ConfigMap), dir.path()), &proxy);

    // More than one object can hold: random bytes do not pack.
    let big = store(place(&admin, "big", K8sKind::ConfigMap), dir.path());
    let mut session = big.lock(holder("apply"), Duration::ZERO).expect("free");
    let mut large = entry("1", None);
    let noise: Vec<u32> =
        (0..700_000u32).map(|n| n.wrapping_mul(2_654_435_761).rotate_left(n % 31)).collect();
    large.outputs.insert("noise".into(), json!(noise));
    session.append(&[Record::Put { addr: "large".into(), entry: large.clone().into() }]).expect("durable");
    let state = big.load().expect("whole").state;
    assert_eq!(*state.tools["large"], large);
    session.snapshot(&state).expect("written");
    drop(session);
    assert_eq!(big.load().expect("whole").state, state);
    let parts = objects(place(&admin, "big", K8sKind::ConfigMap));
    let names = parts.list().expect("listed");
    assert_eq!(names.len(), 3, "head, segment, snapshot: {names:?}");
    let pieces = || kept(&server, "big").len();
    assert!(pieces() > 5, "{} pieces", pieces());
    for name in names {
        parts.delete(&name).expect("removed");
    }
    assert_eq!(pieces(), 0, "no piece stays");
}

#[test]
fn a_state_of_format_2_is_upgraded() {
    let Some(server) = Kubernetes::start() else { return };
    let data =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state-format-2/servers/kubernetes/configmaps.json");
    let maps: Vec<Value> =
        serde_json::from_slice(&std::fs::read(data).expect("the data")).expect("ConfigMaps");
    maps.into_iter().for_each(|map| server.make("/api/v1/namespaces/dtm/configmaps", map));
    let admin = server.kubeconfig("admin", None);
    let state =
        format!("k8s {{ namespace = \"dtm\", name = \"app\", kubeconfig = \"{}\" }}", admin.display());
    Project::new(env!("CARGO_BIN_EXE_dtm-under-test"), &state, "", "").upgrade(|| {
        let head =
            objects(place(&admin, "app", K8sKind::ConfigMap)).get("head").expect("read").expect("the head");
        serde_json::from_slice::<Value>(&head.bytes).expect("JSON")["format"].as_u64().expect("a format")
    });
}

#[test]
fn a_project_lives_in_a_cluster_and_its_lease_shows_who_holds_it() {
    let Some(server) = Kubernetes::start() else { return };
    let proxy = server.proxy();
    let by = server.kubeconfig("admin", Some(&proxy));
    let (requests, writes) = project(&by, "").live(&proxy);
    println!("apply of 1,000 tools: {requests} requests, {writes} of them writes");
    project(&by, ", kind = \"Secret\"").expire(&proxy, "have expired");

    let leases = "/apis/coordination.k8s.io/v1/namespaces/dtm/leases/held";
    let lease = || server.request("GET", leases, "", &Value::Null);
    let dir = tempfile::tempdir().expect("a folder");
    let held = store(place(&server.kubeconfig("admin", None), "held", K8sKind::ConfigMap), dir.path());
    let session = held.lock(holder("apply"), Duration::ZERO).expect("free");
    dtm_tests::services::wait_until("the lease", || lease().0 == 200);
    let spec = lease().1["spec"].clone();
    assert_eq!(spec["holderIdentity"], "tester@here (process 1), apply");
    assert_eq!((&spec["leaseDurationSeconds"], &spec["leaseTransitions"]), (&json!(60), &json!(1)));
    drop(session);
    assert_eq!(lease().1["spec"]["holderIdentity"], Value::Null, "it is free");
    // Whatever is done to the lease, it decides nothing.
    let foreign = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": "held" },
        "spec": { "holderIdentity": "somebody", "leaseDurationSeconds": 3600 },
    });
    let patch = format!("{leases}?fieldManager=other&force=true");
    assert_eq!(server.request("PATCH", &patch, "application/apply-patch+yaml", &foreign).0, 200);
    held.lock(holder("apply"), Duration::ZERO).expect("still free");
}

#[test]
fn a_user_needs_few_rights_and_is_told_which() {
    let Some(server) = Kubernetes::start() else { return };
    let tool = "tool a: core.Value { value = 1 }";
    let least = project(&server.kubeconfig("least", None), "");
    least.set(tool);
    let ran = least.run("plan");
    assert!(
        ran.stderr.contains("E0809") && ran.stderr.contains("get, list, create, update, delete"),
        "{}",
        ran.stderr
    );
    // What the manual asks for, and nothing more.
    server.allow(
        "least",
        &[
            ("", "configmaps", &["get", "list", "create", "update", "delete"]),
            ("coordination.k8s.io", "leases", &["create", "patch"]),
        ],
    );
    dtm_tests::services::wait_until("the role", || least.run("plan").code == 0);
    least.done("apply -y");
    for n in 0..25 {
        least.set(&format!("tool a: core.Value {{ value = {n} }}"));
        least.done("apply -y -q");
    }
    least.done("state unlock -y");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/dtm/leases/shop";
    assert_eq!(server.request("GET", lease, "", &Value::Null).0, 200, "the lease is shown");
    assert_eq!(kept(&server, "shop").len(), 22, "the head, a snapshot and twenty before it");

    // Who may only read can plan, and is told what apply needs.
    server.allow("reader", &[("", "configmaps", &["get"])]);
    let reader = project(&server.kubeconfig("reader", None), "");
    reader.set("tool a: core.Value { value = 24 }");
    dtm_tests::services::wait_until("the role", || reader.run("plan").code == 0);
    assert!(reader.done("plan").contains("No changes"));
    let ran = reader.run("apply -y");
    assert!(ran.code == 1 && ran.stderr.contains("cannot update resource"), "{}{}", ran.stdout, ran.stderr);
    least.done("destroy -y");

    // What is wrong is named with what helps.
    let told = |namespace: &str, name: &str, user: &str| {
        let place = K8sPlace {
            namespace: namespace.into(),
            ..place(&server.kubeconfig(user, None), name, K8sKind::ConfigMap)
        };
        match objects(place).put("head", b"{}", &Condition::Absent) {
            Err(Fault::Denied { why, help }) => format!("{why} ({help})"),
            other => format!("{other:?}"),
        }
    };
    let missing = told("nowhere", "shop", "admin");
    assert!(
        missing.contains("\"nowhere\" not found") && missing.contains("create the namespace"),
        "{missing}"
    );
    let name = told("dtm", "Shop_1", "admin");
    assert!(name.contains("Invalid value") && name.contains("lowercase"), "{name}");
    let stranger = told("dtm", "shop", "stranger");
    assert!(stranger.contains("does not know these credentials"), "{stranger}");
    let dir = tempfile::tempdir().expect("a folder");
    let away = dir.path().join("kubeconfig");
    std::fs::write(
        &away,
        std::fs::read_to_string(server.kubeconfig("admin", None))
            .expect("read")
            .replace("127.0.0.1:", "127.0.0.1:1"),
    )
    .expect("written");
    drop(server);
    let gone = store(place(&away, "shop", K8sKind::ConfigMap), dir.path()).load().map(|_| ());
    assert!(matches!(gone, Err(StateError::Remote { .. })), "{gone:?}");
}

#[test]
fn a_state_moves_from_files_to_s3_to_a_cluster_and_back() {
    let (Some(server), Some(minio)) = (Kubernetes::start(), Minio::start()) else { return };
    let admin = server.kubeconfig("admin", None);
    let tools = "tool word: core.Password { length = 16 }\n\noutput word = word.value";
    let places = [
        "local { path = \".dtm/state\" }".to_string(),
        format!(
            "s3 {{ bucket = \"bucket\", key = \"app\", region = \"us-east-1\", endpoint = \"http://127.0.0.1:{}\", path_style = true }}",
            minio.port
        ),
        format!("k8s {{ namespace = \"dtm\", name = \"app\", kubeconfig = \"{}\" }}", admin.display()),
    ];
    let env = format!(
        "DTM_STATE_KEY=shared-by-all-who-work-on-it-5 AWS_ACCESS_KEY_ID={USER} AWS_SECRET_ACCESS_KEY={PASSWORD}"
    );
    let mut project = Project::new(env!("CARGO_BIN_EXE_dtm-under-test"), &places[0], "", tools);
    project.done("apply -y -q");
    let lineage = |project: &Project| {
        let state: Value = serde_json::from_str(&project.done("state pull --json")).expect("JSON");
        state["lineage"].clone()
    };
    let (word, first) = (project.done("output word --reveal"), lineage(&project));
    let local = project.sandbox.path().join(".dtm/backend");
    project = project.with_env(&env);
    for to in [1, 2, 0, 2, 1] {
        project.keep_in(&places[to], tools);
        let ran = project.run("plan --format short");
        assert!(ran.code == 1 && ran.stderr.contains("E080"), "{}{}", ran.stdout, ran.stderr);
        project.done("state migrate -y");
        assert!(project.done("plan").contains("No changes"));
        assert_eq!((project.done("output word --reveal"), lineage(&project)), (word.clone(), first.clone()));
    }
    // Whoever comes from another machine with the old settings is told.
    std::fs::remove_file(local).expect("removed");
    project.keep_in(&places[2], tools);
    let ran = project.run("apply -y --format short");
    assert!(ran.code == 1 && ran.stderr.contains("was moved from"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn a_clock_that_is_an_hour_wrong_disturbs_nobody() {
    let Some(server) = Kubernetes::start() else { return };
    project(&server.kubeconfig("admin", None), "").skewed(None);
}
