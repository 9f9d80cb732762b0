//! `core.Wait` against a small server of our own: statuses, bodies, greetings, an answer that becomes right later.

use dtm_tests::sandbox::Sandbox;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gives to the first `wrong` questions one answer and to all later ones another; counts them.
fn server(wrong: usize, first: &'static str, then: &'static str) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let answer = if count.fetch_add(1, Ordering::SeqCst) < wrong { first } else { then };
            if answer.starts_with("HTTP") {
                let _ = stream.read(&mut [0; 4096]);
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (port, asked)
}

const DOWN: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
const UP: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nready";
const TEAPOT: &str = "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

#[track_caller]
fn apply(inputs: &str, timeout: &str) -> (Sandbox, String, i32) {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let program = format!(
        "dts 1\n\ntool a: core.Wait {{ {inputs} }} with {{ timeout = {timeout} }}\noutput waited = a.waited > 0s\n"
    );
    sandbox.write("main.dts", &program);
    let ran = sandbox.run(&["apply", "-y", "--format", "short"]);
    let (text, code) = (ran.stdout + &ran.stderr, ran.code);
    (sandbox, text, code)
}

#[test]
fn it_asks_until_the_status_is_right_and_not_again() {
    let (port, asked) = server(3, DOWN, UP);
    let (sandbox, text, code) = apply(&format!("url = \"http://127.0.0.1:{port}/health\""), "20s");
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("waited = true"), "{text}");
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    let again = sandbox.run(&["plan"]);
    assert!(again.stdout.starts_with("No changes"), "{}", again.stdout);
    assert_eq!(asked.load(Ordering::SeqCst), 4, "what was waited for is not waited for again");
}

#[test]
fn the_expected_status_may_be_any() {
    for expect in ["418", "4xx"] {
        let (port, _) = server(0, TEAPOT, TEAPOT);
        let inputs = format!("url = \"http://127.0.0.1:{port}\", expect = \"{expect}\"");
        let (_, text, code) = apply(&inputs, "20s");
        assert_eq!(code, 0, "{text}");
    }
    let (port, _) = server(0, TEAPOT, TEAPOT);
    let (_, text, code) = apply(&format!("url = \"http://127.0.0.1:{port}\""), "300ms");
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("answers 418"), "{text}");
}

#[test]
fn the_body_may_be_asked_for() {
    let (port, _) = server(2, DOWN, UP);
    let inputs = format!("url = \"http://127.0.0.1:{port}\", expect = \"ready\"");
    let (_, text, code) = apply(&inputs, "20s");
    assert_eq!(code, 0, "{text}");
    let (port, _) = server(0, UP, UP);
    let inputs = format!("url = \"http://127.0.0.1:{port}\", expect = \"never\"");
    let (_, text, code) = apply(&inputs, "300ms");
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("answers 200, without the text that is expected"), "{text}");
}

#[test]
fn a_connection_and_what_the_other_side_says() {
    let (port, _) = server(1, "", "220 mail ready\r\n");
    let inputs = format!("tcp = \"127.0.0.1:{port}\", expect = \"220 \"");
    let (_, text, code) = apply(&inputs, "20s");
    assert_eq!(code, 0, "{text}");
    let (port, _) = server(0, "hello", "hello");
    let (_, text, code) = apply(&format!("tcp = \"127.0.0.1:{port}\""), "20s");
    assert_eq!(code, 0, "{text}");
    let inputs = format!("tcp = \"127.0.0.1:{port}\", expect = \"bye\"");
    let (_, text, code) = apply(&inputs, "300ms");
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("does not send the expected text"), "{text}");
}
