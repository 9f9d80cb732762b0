//! State in S3, against a real MinIO, by the library and by the command line, through a proxy that does wrong.

use dtm_engine::secret::Redactor;
use dtm_engine::state::remote::RemoteStore;
use dtm_engine::state::remote::objects::Objects;
use dtm_engine::state::remote::s3::{S3Objects, S3Place};
use dtm_engine::state::{StateError, StateStore};
use dtm_tests::exam::{exam, holder, put};
use dtm_tests::minio::{Minio, PASSWORD, Proxy, USER, Wrong};
use dtm_tests::sandbox::{Ran, Sandbox};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn place(port: u16, key: &str) -> S3Place {
    S3Place {
        bucket: "bucket".into(),
        key: key.into(),
        region: "us-east-1".into(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        path_style: true,
        profile: None,
        sse: None,
        kms_key: None,
    }
}

fn objects(place: S3Place) -> S3Objects {
    S3Objects::open_as(place, USER, PASSWORD).expect("a client")
}

fn store(place: S3Place, spill: PathBuf) -> RemoteStore {
    let objects = objects(place);
    RemoteStore::new(Arc::new(objects), None, Redactor::default(), spill)
}

#[test]
fn it_passes_the_exam_and_survives_lost_answers() {
    let Some(server) = Minio::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let spill = dir.path().join("spill");
    exam(&store(place(server.port, "exam"), spill.clone()).with_ttl(Duration::from_secs(2)));

    let proxy = Proxy::start(server.port);
    let store = store(place(proxy.port, "lost"), spill);
    proxy.next_puts([Wrong::AnswerLost]);
    let mut session = store.lock(holder("apply"), Duration::ZERO).expect("free");
    let first = session.append(&[put("a", "1")]).expect("durable");
    for wrong in [Wrong::AnswerLost, Wrong::Reset, Wrong::SlowDown, Wrong::AnswerCut] {
        proxy.next_puts([wrong]);
        proxy.next_gets([wrong]);
        session.append(&[put(&format!("{wrong:?}"), "1")]).expect("durable");
    }
    let state = store.load().expect("whole").state;
    proxy.next_puts([Wrong::AnswerLost, Wrong::AnswerLost, Wrong::Reset]);
    session.snapshot(&state).expect("written");
    drop(session);
    let found = store.load().expect("whole").state;
    assert_eq!(found.tools.len(), 5);
    assert_eq!(found.serial, first + 4, "each batch counts once");
    proxy.next_gets([Wrong::AnswerCut, Wrong::SlowDown, Wrong::Reset, Wrong::AnswerCut]);
    assert_eq!(store.load().expect("whole").state, found, "reads are asked again");
}

#[test]
fn what_the_server_says_is_told_with_what_helps() {
    let Some(server) = Minio::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let told = |place: S3Place| match store(place, dir.path().into()).load().expect_err("refused") {
        StateError::Remote { place, why, help, .. } => {
            format!("{place}: {why} ({})", help.unwrap_or_default())
        }
        other => other.to_string(),
    };
    let bucket = told(S3Place { bucket: "bukket".into(), ..place(server.port, "a") });
    assert!(bucket.contains("s3://bukket/a: NoSuchBucket") && bucket.contains("make the bucket"), "{bucket}");
    drop(server);
    let gone = told(place(9, "a"));
    assert!(gone.contains("s3://bucket/a: dispatch failure"), "{gone}");
}

/// A project whose state is behind a port.
struct Project {
    sandbox: Sandbox,
}

impl Project {
    fn new(port: u16, tools: &str) -> Project {
        let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
        let settings = format!(
            "state = s3 {{ bucket = \"bucket\", key = \"team/app\", region = \"us-east-1\", endpoint = \"http://127.0.0.1:{port}\", path_style = true }}"
        );
        sandbox.write("main.dts", format!("dts 1\n\nsettings {{\n  {settings}\n}}\n\n{tools}\n"));
        Project { sandbox }
    }
    fn run(&self, args: &str) -> Ran {
        self.sandbox.shell(&format!(
            "AWS_ACCESS_KEY_ID={USER} AWS_SECRET_ACCESS_KEY={PASSWORD} AWS_EC2_METADATA_DISABLED=true dtm {args}"
        ))
    }
}

const WIDE: &str = "tool t[n in 0..1000 by \"${n}\"]: core.Value { value = n }";

#[test]
fn a_project_lives_in_s3_with_few_requests() {
    let Some(server) = Minio::start() else { return };
    let proxy = Proxy::start(server.port);
    let project = Project::new(proxy.port, WIDE);
    let ran = project.run("apply -y -q --parallelism 100");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let seen = proxy.take_seen();
    println!(
        "apply of 1,000 tools: {} requests, {} of them writes",
        seen.len(),
        seen.iter().filter(|s| s.starts_with("PUT")).count()
    );
    assert!(seen.len() <= 100, "{} requests: batches are shared\n{seen:#?}", seen.len());
    let ran = project.run("plan");
    assert!(ran.stdout.contains("No changes"), "{}{}", ran.stdout, ran.stderr);
    assert!(proxy.take_seen().iter().all(|s| !s.starts_with("PUT")), "a plan writes nothing");
    let ran = project.run("state list");
    assert_eq!(ran.stdout.lines().count(), 1000);
    let ran = project.run("destroy -y -q --parallelism 100");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    let ran = project.run("state list");
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_state_that_is_gone_or_elsewhere_is_not_taken_for_a_new_one() {
    let Some(server) = Minio::start() else { return };
    let project = Project::new(server.port, "tool a: core.Value { value = 1 }");
    assert_eq!(project.run("apply -y -q").code, 0);
    let objects = objects(place(server.port, "team/app"));
    for name in objects.list().expect("listed") {
        objects.delete(&name).expect("removed");
    }
    let ran = project.run("plan --format short");
    assert!(ran.stderr.contains("E0803") && ran.code == 1, "{}{}", ran.stdout, ran.stderr);
    let ran = project.run("apply -y -q --format short");
    assert!(ran.stderr.contains("E0803") && ran.code == 1, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(project.run("apply -y -q --new-state").code, 0);
    assert_eq!(project.run("state list").stdout, "a\n");
}
