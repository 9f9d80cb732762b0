//! State in S3, against a real MinIO, by the library and by the command line, through a proxy that does wrong.

use dtm_engine::secret::Redactor;
use dtm_engine::state::remote::RemoteStore;
use dtm_engine::state::remote::objects::{Condition, Objects};
use dtm_engine::state::remote::s3::{S3Objects, S3Place};
use dtm_engine::state::{StateError, StateStore};
use dtm_tests::contract::contract;
use dtm_tests::services::free_port;
use dtm_tests::services::identity::{Identity, ROLE};
use dtm_tests::services::minio::{Minio, PASSWORD, USER};
use dtm_tests::services::project::{Project, survive};
use dtm_tests::services::proxy::{Proxy, Speaks};
use serde_json::Value;
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
fn it_keeps_the_contract_and_survives_lost_answers() {
    let Some(server) = Minio::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let spill = dir.path().join("spill");
    contract(|case| {
        let store = store(place(server.port, &format!("contract/{case}")), spill.clone());
        Box::new(store.with_ttl(Duration::from_secs(2)))
    });

    let proxy = Proxy::start(server.port, Speaks::S3);
    survive(&store(place(proxy.port, "lost"), spill), &proxy);
}

#[test]
fn what_is_to_be_encrypted_by_the_server_is() {
    let Some(server) = Minio::start() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    for (key, sse, is_open) in [("open", None, true), ("sealed", Some("AES256"), false)] {
        let place = S3Place { sse: sse.map(String::from), ..place(server.port, key) };
        let store = store(place, dir.path().join(key));
        drop(store.lock(dtm_tests::contract::holder("apply"), Duration::ZERO).expect("free"));
        let lineage = store.load().expect("whole").state.lineage;
        assert_eq!(server.holds(&lineage), is_open, "{key}: whether the head can be read on the disk");
    }
    let wrong = S3Place { sse: Some("rot13".into()), ..place(server.port, "wrong") };
    assert!(
        S3Objects::open_as(wrong.clone(), USER, PASSWORD).is_err()
            || store(wrong, dir.path().into())
                .lock(dtm_tests::contract::holder("apply"), Duration::ZERO)
                .is_err()
    );
}

#[test]
#[expect(clippy::wildcard_enum_match_arm, reason = "a test names what it expects")]
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
    assert!(
        bucket.contains("s3://bukket/a: NoSuchBucket") && bucket.contains("create the bucket"),
        "{bucket}"
    );
    drop(server);
    let gone = told(place(9, "a"));
    assert!(gone.contains("s3://bucket/a: `http://127.0.0.1:9` does not answer: "), "{gone}");
}

/// A project whose state is behind a port.
fn project(port: u16, tools: &str) -> Project {
    project_of(
        port,
        &format!("AWS_ACCESS_KEY_ID={USER} AWS_SECRET_ACCESS_KEY={PASSWORD} AWS_EC2_METADATA_DISABLED=true"),
        tools,
    )
}

/// The same of somebody else.
fn project_of(port: u16, env: &str, tools: &str) -> Project {
    let state = format!(
        "s3 {{ bucket = \"bucket\", key = \"team/app\", region = \"us-east-1\", endpoint = \"http://127.0.0.1:{port}\", path_style = true }}"
    );
    Project::new(env!("CARGO_BIN_EXE_dtm-under-test"), &state, env, tools)
}

#[test]
fn a_web_identity_is_who_it_says_and_its_credentials_are_renewed() {
    let port = free_port();
    let identity = Identity::start(port);
    let Some(_server) = Minio::start_at(port, &identity.settings()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    let env = format!(
        "AWS_ROLE_ARN={ROLE} AWS_WEB_IDENTITY_TOKEN_FILE={} AWS_ENDPOINT_URL_STS=http://127.0.0.1:{} AWS_EC2_METADATA_DISABLED=true",
        token.display(),
        identity.port
    );
    let tools = "tool a: core.Value { value = 1 }\ntool b: core.Exec { create = [\"sleep\", \"13\"] }";
    let project = project_of(port, &env, tools);
    let refused = |words: &str| {
        let ran = project.run("plan");
        assert!(
            ran.code == 1 && ran.stderr.contains("E0809") && ran.stderr.contains(words),
            "{}",
            ran.transcript()
        );
    };
    refused("no credentials could be obtained: No such file or directory");
    refused(&format!("check whether the token in `{}`", token.display()));
    std::fs::write(&token, identity.token(-3600)).expect("written");
    refused("xpired");
    std::fs::write(&token, identity.token(3600)).expect("written");
    // Over when the command is done: the write that follows needs new ones. (The client renews them up to 10 s earlier, by
    // a random part of that time, so that nothing shorter is certain.)
    identity.credentials_for(12);
    let before = identity.asked();
    project.done("apply -y -q");
    assert!(identity.asked() > before + 1, "credentials that end in mid-run are asked for anew");
    assert_eq!(project.done("state list"), "a\nb\n");
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
fn a_state_of_format_2_is_upgraded() {
    let Some(server) = Minio::start() else { return };
    let objects = objects(place(server.port, "team/app"));
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/state-format-2/servers/s3/app");
    for file in std::fs::read_dir(data).expect("the data").map(|e| e.expect("a file")) {
        let bytes = std::fs::read(file.path()).expect("an object");
        objects.put(&file.file_name().to_string_lossy(), &bytes, &Condition::Absent).expect("written");
    }
    project(server.port, "").upgrade(|| {
        let head = objects.get("head").expect("read").expect("the head");
        serde_json::from_slice::<Value>(&head.bytes).expect("JSON")["format"].as_u64().expect("a format")
    });
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

#[test]
fn what_is_damaged_on_a_server_is_recovered_and_a_key_is_changed() {
    let Some(server) = Minio::start() else { return };
    let word = "tool word: core.Password { length = 16 }\n\noutput word = word.value";
    let project = project(server.port, word);
    let ran = project.run("apply -y -q --format short");
    assert!(ran.stderr.contains("E0805") && ran.code != 0, "a key is needed: {}", ran.stderr);
    let with = |key: &str, args: &str| project.sandbox.shell(&format!("{} {key} dtm {args}", project.env()));
    let done = |key: &str, args: &str| {
        let ran = with(key, args);
        assert_eq!(ran.code, 0, "{key} dtm {args}\n{}{}", ran.stdout, ran.stderr);
        format!("{}{}", ran.stdout, ran.stderr)
    };
    let old = "DTM_STATE_KEY=correct-horse-battery-staple";
    done(old, "apply -y -q");
    let told = done(old, "output word --reveal");
    let objects = objects(place(server.port, "team/app"));

    // A head that is cut.
    let head = objects.get("head").expect("read").expect("there");
    let half = &head.bytes[..head.bytes.len() / 2];
    objects.put("head", half, &Condition::Same(head.version)).expect("written");
    let ran = with(old, "plan --format short");
    assert!(ran.stderr.contains("E0802") && ran.code == 1, "{}", ran.stderr);
    assert!(done(old, "state recover").contains("Recovered the state"), "from its snapshot");
    assert!(done(old, "plan").contains("No changes"));
    assert_eq!(done(old, "output word --reveal"), told);

    // No head at all.
    objects.delete("head").expect("removed");
    assert!(with(old, "apply -y --format short").stderr.contains("E0803"));
    assert!(done(old, "state recover").contains("Recovered the state"), "from its snapshot");
    assert!(done(old, "plan").contains("No changes"));

    // Another key, and one that is lost.
    assert!(
        done(
            "DTM_STATE_KEY=correct-horse-battery-staple DTM_STATE_NEW_KEY=another-battery-of-horses-77",
            "state rekey"
        )
        .contains("Sealed with the key")
    );
    assert!(with(old, "plan --format short").stderr.contains("E0805"));
    assert_eq!(done("DTM_STATE_KEY=another-battery-of-horses-77", "output word --reveal"), told);
    assert!(
        done("DTM_STATE_KEY=a-third-pile-of-horse-staples-3", "state rekey --lost")
            .contains("dropped. The next apply")
    );
    done("DTM_STATE_KEY=a-third-pile-of-horse-staples-3", "apply -y -q");
    assert_ne!(
        done("DTM_STATE_KEY=a-third-pile-of-horse-staples-3", "output word --reveal"),
        told,
        "it was created again"
    );
    done("DTM_STATE_KEY=a-third-pile-of-horse-staples-3", "destroy -y -q");
}

/// A run is stopped while its command works on: the next one waits for the deadline, and does not make it twice.
#[test]
fn what_a_paused_run_still_makes_is_not_made_again() {
    let Some(server) = Minio::start() else { return };
    let project = project(
        server.port,
        "tool a: core.Exec {\n  create = [\"sh\", \"-c\", \"echo begun >> log; sleep 4; echo made >> log\"]\n  read = [\"grep\", \"-q\", \"made\", \"log\"]\n} with { timeout = 6s }",
    );
    let log = || std::fs::read_to_string(project.sandbox.path().join("log")).unwrap_or_default();
    let mut command = project.sandbox.dtm();
    for pair in project.env().split_whitespace() {
        let (name, value) = pair.split_once('=').expect("NAME=value");
        command.env(name, value);
    }
    let mut first = command.args(["apply", "-y", "-q"]).spawn().expect("dtm starts");
    dtm_tests::services::wait_until("the command", || log().contains("begun"));
    let pid = rustix::process::Pid::from_child(&first);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stopped");
    let told = project.run("state unlock -y");
    assert!(told.code == 0 && told.stderr.contains("may still be running"), "{}", told.transcript());
    let second = project.run("apply -y");
    assert!(
        second.code == 4 && second.stdout.contains("may still finish: waiting"),
        "{}",
        second.transcript()
    );
    assert!(second.stderr.contains("has created it in the meantime"), "{}", second.transcript());
    project.done("apply -y");
    assert_eq!(log(), "begun\nmade\n", "it is made once");
    assert!(project.done("plan").contains("No changes"));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("goes on");
    assert!(!first.wait().expect("ended").success(), "it writes nothing any more");
    assert!(project.done("plan").contains("No changes"));
}

#[test]
fn a_clock_that_is_an_hour_wrong_disturbs_nobody() {
    let Some(server) = Minio::start() else { return };
    project(server.port, "").skewed(Some("RequestTimeTooSkewed"));
}
