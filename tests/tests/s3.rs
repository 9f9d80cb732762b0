//! State in S3, against a real MinIO, by the library and by the command line, through a proxy that does wrong.

use dtm_engine::secret::Redactor;
use dtm_engine::state::remote::RemoteStore;
use dtm_engine::state::remote::objects::Objects;
use dtm_engine::state::remote::s3::{S3Objects, S3Place};
use dtm_engine::state::{StateError, StateStore};
use dtm_tests::exam::exam;
use dtm_tests::services::minio::{Minio, PASSWORD, USER};
use dtm_tests::services::project::{Project, survive};
use dtm_tests::services::proxy::{Proxy, Speaks};
use std::path::PathBuf;
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

    let proxy = Proxy::start(server.port, Speaks::S3);
    survive(&store(place(proxy.port, "lost"), spill), &proxy);
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
fn project(port: u16, tools: &str) -> Project {
    let state = format!(
        "s3 {{ bucket = \"bucket\", key = \"team/app\", region = \"us-east-1\", endpoint = \"http://127.0.0.1:{port}\", path_style = true }}"
    );
    let env =
        format!("AWS_ACCESS_KEY_ID={USER} AWS_SECRET_ACCESS_KEY={PASSWORD} AWS_EC2_METADATA_DISABLED=true");
    Project::new(env!("CARGO_BIN_EXE_dtm-under-test"), &state, &env, tools)
}

#[test]
fn a_project_lives_in_s3_with_few_requests() {
    let Some(server) = Minio::start() else { return };
    let proxy = Proxy::start(server.port, Speaks::S3);
    let project = project(proxy.port, "");
    let (requests, writes) = project.live(&proxy);
    println!("apply of 1,000 tools: {requests} requests, {writes} of them writes");
    project.expire(&proxy, "token has expired");
}

#[test]
fn a_state_that_is_gone_or_elsewhere_is_not_taken_for_a_new_one() {
    let Some(server) = Minio::start() else { return };
    let project = project(server.port, "tool a: core.Value { value = 1 }");
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
