//! The client against a server on this machine that answers as it is told.

use super::*;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: String,
    body: String,
}

/// A server that gives these answers, one for each request; an empty one closes the connection without an answer.
struct Server {
    base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    fn new(answers: Vec<String>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        std::thread::spawn(move || {
            let mut answers = answers.into_iter();
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(answer) = answers.next() else { return };
                let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
                let (mut line, mut headers, mut length) = (String::new(), String::new(), 0);
                reader.read_line(&mut line).expect("a request");
                loop {
                    let mut header = String::new();
                    reader.read_line(&mut header).expect("a header");
                    if header.trim().is_empty() {
                        break;
                    }
                    if let Some(text) = header.to_lowercase().strip_prefix("content-length:") {
                        length = text.trim().parse().expect("a length");
                    }
                    headers += &header.to_lowercase();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("a body");
                let body = String::from_utf8(body).expect("text");
                log.lock().expect("not poisoned").push(Seen { line: line.trim().into(), headers, body });
                stream.write_all(answer.as_bytes()).expect("written");
            }
        });
        Server { base, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }

    fn client(&self) -> Client {
        let auth = Some(Auth::Bearer(Secret("t0ken-of-the-test".into())));
        Client::new(Options { base: self.base.clone(), auth, ..Options::default() }).expect("a client")
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn text(failure: &Failure) -> String {
    format!("{failure:?}")
}

#[test]
fn a_read_is_repeated_and_absence_is_no_error() {
    let server = Server::new(vec![
        answer(503, "Retry-After: 0\r\n", ""),
        answer(502, "", ""),
        String::new(),
        answer(200, "", r#"{"a":1}"#),
        answer(404, "", ""),
    ]);
    let (client, ctx) = (server.client(), Ctx::for_tests());
    let found = client.get(&ctx, "/things/1").expect("an answer").expect("it is there");
    assert_eq!(found.json().expect("JSON"), json!({ "a": 1 }));
    assert!(client.get(&ctx, "things/2").expect("an answer").is_none());
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[4].line, "GET /things/2 HTTP/1.1");
    assert!(seen[0].headers.contains("authorization: bearer t0ken-of-the-test"), "{}", seen[0].headers);
}

#[test]
fn a_change_is_repeated_only_if_it_was_certainly_not_made() {
    let server = Server::new(vec![
        answer(429, "Retry-After: 0\r\n", ""),
        answer(201, "", "{}"),
        String::new(),
        answer(502, "", "bad gateway"),
    ]);
    let (client, ctx) = (server.client(), Ctx::for_tests());
    let made = client.send(&ctx, Verb::Post, "/things", &json!({ "name": "a" })).expect("made");
    assert_eq!(made.status, 201);
    assert_eq!(server.seen()[1].body, r#"{"name":"a"}"#);
    for _ in 0..2 {
        let lost = client.send(&ctx, Verb::Post, "/things", &json!({})).expect_err("unknown");
        assert!(text(&lost).contains("FailedPartial"), "{lost:?}");
    }
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn a_refusal_changed_nothing_and_shows_no_credentials() {
    let said = r#"{"message":"bad t0ken-of-the-test,\n  sorry"}"#;
    let server = Server::new(vec![
        answer(422, "Content-Type: application/json\r\n", said),
        answer(401, "Content-Type: text/html\r\n", "<html>log in</html>"),
    ]);
    let (client, ctx) = (server.client(), Ctx::for_tests());
    let refused = client.send(&ctx, Verb::Put, "/x", &json!({})).expect_err("refused");
    assert!(text(&refused).contains("answers 422: bad (secret), sorry"), "{refused:?}");
    assert!(text(&refused).contains("FailedClean"), "{refused:?}");
    let refused = client.delete(&ctx, "/x").expect_err("refused");
    assert!(text(&refused).contains("the credentials are refused\""), "{refused:?}");
}

#[test]
fn a_redirect_stays_on_the_server() {
    let other = Server::new(vec![answer(200, "", "stolen")]);
    let away = format!("Location: {}/x\r\n", other.base);
    let server = Server::new(vec![
        answer(302, "Location: /there\r\n", ""),
        answer(200, "", "1"),
        answer(301, &away, ""),
        answer(302, "Location: /there\r\n", ""),
    ]);
    let (client, ctx) = (server.client(), Ctx::for_tests());
    let found = client.get(&ctx, "/here").expect("an answer").expect("it is there");
    assert_eq!(found.body, b"1");
    assert_eq!(server.seen()[1].line, "GET /there HTTP/1.1");
    let refused = client.get(&ctx, "/here").expect_err("another server");
    assert!(text(&refused).contains("credentials are not sent"), "{refused:?}");
    assert!(other.seen().is_empty());
    // A change is not made into a GET.
    let refused = client.send(&ctx, Verb::Post, "/here", &json!({})).expect_err("not followed");
    assert!(text(&refused).contains("answers 302"), "{refused:?}");
}

#[test]
fn pages_are_followed_and_a_page_that_leads_away_is_not() {
    let server = Server::new(vec![
        answer(200, "Link: </list?page=2>; rel=\"next\", </list?page=9>; rel=\"last\"\r\n", "[1,2]"),
        answer(200, "Link: </list?page=1>; rel=\"prev\"\r\n", "[3]"),
        answer(200, "Link: <http://127.0.0.1:1/list>; rel=\"next\"\r\n", "[]"),
        answer(200, "", "{}"),
    ]);
    let (client, ctx) = (server.client(), Ctx::for_tests());
    assert_eq!(client.pages(&ctx, "/list").expect("a list"), [json!(1), json!(2), json!(3)]);
    assert_eq!(server.seen()[1].line, "GET /list?page=2 HTTP/1.1");
    let away = client.pages(&ctx, "/list").expect_err("another server");
    assert!(text(&away).contains("continues on another server"), "{away:?}");
    let none = client.pages(&ctx, "/list").expect_err("no list");
    assert!(text(&none).contains("is not a list"), "{none:?}");
}

#[test]
fn a_second_read_is_conditional() {
    let server = Server::new(vec![
        answer(200, "ETag: \"v1\"\r\n", "one"),
        answer(304, "", ""),
        answer(200, "ETag: \"v2\"\r\n", "two"),
    ]);
    let (client, ctx) = (server.client(), Ctx::for_tests());
    let bodies: Vec<Vec<u8>> =
        (0..3).map(|_| client.get(&ctx, "/x").expect("an answer").expect("there").body).collect();
    assert_eq!(bodies, [b"one".to_vec(), b"one".to_vec(), b"two".to_vec()]);
    assert!(server.seen()[1].headers.contains("if-none-match: \"v1\""));
}

#[test]
fn what_cannot_be_reached_changed_nothing() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let base = format!("http://127.0.0.1:{port}");
    let client = Client::new(Options { base, ..Options::default() }).expect("a client");
    let mut ctx = Ctx::for_tests();
    ctx.deadline = Some(Instant::now() + Duration::from_millis(700));
    let refused = client.send(&ctx, Verb::Post, "/x", &json!({})).expect_err("refused");
    assert!(text(&refused).contains("Retryable"), "{refused:?}");
    assert!(text(&refused).contains("connection refused"), "{refused:?}");
}

#[test]
fn an_address_is_one_of_http_without_credentials() {
    for base in ["ftp://x", "x", "https://u:p@x"] {
        let refused = Client::new(Options { base: base.into(), ..Options::default() });
        assert!(refused.is_err_and(|e| !text(&e).contains("u:p")), "{base}");
    }
}
