//! `core.Wait`: asks again and again, more seldom each time, until the answer is right or the time is over.

use crate::interface::wait::{Inputs, Outputs};
use dtm_plugin::http::{followed, without_userinfo};
use dtm_plugin::protocol::{Fields, Method};
use dtm_plugin::serde_json::Value;
use dtm_plugin::{Change, Ctx, Failure, Kind, Nanoseconds, Object, Observed, reason};
use std::io::Read;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

pub(crate) struct Wait;

/// The longest time between two questions.
const SELDOM: Duration = Duration::from_secs(5);
/// How long one question may take.
const ONE: Duration = Duration::from_secs(10);

impl Kind for Wait {
    const NAME: &'static str = "Wait";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[Method::Validate];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        let given = |name: &str| inputs.get(name).filter(|v| !v.is_null());
        match (given("url"), given("tcp")) {
            (None, None) => Err(Failure::clean("nothing to wait for: give `url` or `tcp`").input("url")),
            (Some(_), Some(_)) => Err(Failure::clean("give `url` or `tcp`, not both").input("tcp")),
            (Some(Value::String(url)), None)
                if !url.starts_with("http://") && !url.starts_with("https://") =>
            {
                Err(Failure::clean(format!("`{url}` begins with neither `http://` nor `https://`"))
                    .input("url"))
            }
            (Some(Value::String(url)), None)
                if url.contains(|c: char| c.is_whitespace() || c.is_control()) =>
            {
                let shown = without_userinfo(url);
                Err(Failure::clean(format!("`{shown}` is not a valid address: it contains whitespace"))
                    .input("url"))
            }
            (None, Some(Value::String(tcp))) => {
                checked_address(tcp).map_err(|why| Failure::clean(why).input("tcp"))
            }
            _ => Ok(()),
        }
    }

    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let waited = Nanoseconds(object.outputs.get("waited").and_then(nanoseconds).unwrap_or(0));
        Ok(Some(Observed {
            outputs: Outputs { waited },
            inputs: Fields::new(),
            drift: vec![],
            private: object.private,
        }))
    }
    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let waited = wait(ctx, &inputs)?;
        Ok(Change { id: ctx.op.clone(), outputs: Outputs { waited }, private: Value::Null })
    }
    async fn update(ctx: &Ctx, object: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        let waited = wait(ctx, &inputs)?;
        Ok(Change { id: object.id, outputs: Outputs { waited }, private: object.private })
    }
    async fn delete(_: &Ctx, _: Object<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// Refuses what is not a host and a port.
fn checked_address(text: &str) -> Result<(), String> {
    match text.rsplit_once(':') {
        Some(("", _)) => Err(format!("`{text}` names no host: write `host:5432`")),
        Some((_, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => Ok(()),
        Some((_, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            Err(format!("`{port}` is not a port: ports are numbers from 1 to 65535"))
        }
        Some(_) | None => Err(format!("`{text}` names no port: write `host:5432`")),
    }
}

fn nanoseconds(value: &Value) -> Option<i64> {
    dtm_plugin::serde_json::from_value::<Nanoseconds>(value.clone()).ok().map(|s| s.0)
}

fn wait(ctx: &Ctx, inputs: &Inputs) -> Result<Nanoseconds, Failure> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(50);
    // Told by the plugin a little before the engine would: with what the last answer was.
    let end =
        ctx.deadline.map(|d| d - (d.saturating_duration_since(start) / 20).min(Duration::from_millis(500)));
    let mut said = String::new();
    loop {
        let left = end.map_or(ONE, |end| end.saturating_duration_since(Instant::now()).min(ONE));
        let why = match question(inputs, left.max(Duration::from_millis(10))) {
            Ok(()) => return Ok(Nanoseconds(i64::try_from(start.elapsed().as_nanos()).unwrap_or(i64::MAX))),
            Err(why) => why,
        };
        if why != said {
            ctx.progress(&*why);
            said = why;
        }
        let until = Instant::now() + pause;
        while Instant::now() < until {
            // Before the question whether it is cancelled: at its deadline it is both.
            if end.is_some_and(|end| Instant::now() >= end) {
                let waited = start.elapsed().as_secs_f32();
                return Err(Failure::clean(format!("waited {waited:.1} s: {said}")));
            }
            if ctx.is_cancelled() {
                return Err(Failure::clean(format!("stopped waiting: {said}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        pause = (pause * 3 / 2).min(SELDOM);
    }
}

fn question(inputs: &Inputs, limit: Duration) -> Result<(), String> {
    let expect = inputs.expect.as_deref();
    match (&inputs.url, &inputs.tcp) {
        (Some(url), _) => http(url, expect, limit),
        (None, Some(tcp)) => connect(tcp, expect, limit),
        (None, None) => Err("nothing to wait for".into()),
    }
}

fn http(url: &str, expect: Option<&str>, limit: Duration) -> Result<(), String> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        .build();
    let agent = ureq::Agent::from(config);
    // Credentials in the address are never shown.
    let shown = without_userinfo(url);
    let (mut at, mut left) = (url.to_string(), REDIRECTS);
    let mut answer = loop {
        let answer = agent.get(&*at).call().map_err(|e| no_answer(&shown, &e))?;
        let leads = answer.headers().get("location").and_then(|to| to.to_str().ok()).map(String::from);
        let (Some(to), true) = (leads, matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308))
        else {
            break answer;
        };
        // One that is expected is an answer as any other.
        if expect.is_some_and(|e| e.starts_with('3') && e.len() == 3) {
            break answer;
        }
        at = followed(&at, &to)
            .map_err(|why| format!("`{shown}` answers {}: {why}", answer.status().as_u16()))?;
        left -= 1;
        if left == 0 {
            return Err(format!("`{shown}` leads on more than {REDIRECTS} times"));
        }
    };
    let status = answer.status().as_u16();
    let url = &*shown;
    let fits = match expect {
        None => (200..300).contains(&status),
        Some(class) if class.len() == 3 && class.ends_with("xx") => {
            class.starts_with(&(status / 100).to_string())
        }
        Some(code) if code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit()) => {
            code == status.to_string()
        }
        Some(text) => {
            let body = answer.body_mut().with_config().limit(1 << 20).read_to_string();
            let body = body.map_err(|e| format!("the answer of `{url}` cannot be read: {e}"))?;
            if !body.contains(text) {
                return Err(format!("`{url}` answers {status}, without the text that is expected"));
            }
            true
        }
    };
    if fits { Ok(()) } else { Err(format!("`{url}` answers {status}")) }
}

/// Why there is no answer, in plain words.
fn no_answer(url: &str, error: &ureq::Error) -> String {
    if let ureq::Error::Http(_) | ureq::Error::BadUri(_) = error {
        return format!("`{url}` is not a valid address");
    }
    let why = dtm_plugin::http::reason(error);
    format!("`{url}` does not answer: {why}")
}

/// So many redirects are followed.
const REDIRECTS: usize = 10;

fn connect(address: &str, expect: Option<&str>, limit: Duration) -> Result<(), String> {
    let found = address.to_socket_addrs().map_err(|e| format!("`{address}` cannot be resolved: {e}"))?;
    let mut why = format!("`{address}` resolves to no address");
    for at in found {
        match TcpStream::connect_timeout(&at, limit) {
            Ok(stream) => return expect.map_or(Ok(()), |text| greeting(stream, address, text, limit)),
            Err(e) => why = format!("`{address}` accepts no connection: {}", reason(&e)),
        }
    }
    Err(why)
}

/// Reads what the other side says first, until the text is in it.
fn greeting(mut stream: TcpStream, address: &str, text: &str, limit: Duration) -> Result<(), String> {
    let (mut said, mut buffer) = (vec![], [0; 1024]);
    let end = Instant::now() + limit;
    while said.len() < 64 << 10 && Instant::now() < end {
        let _ = stream.set_read_timeout(Some(limit));
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => said.extend_from_slice(&buffer[..n]),
            _ => break,
        }
        if String::from_utf8_lossy(&said).contains(text) {
            return Ok(());
        }
    }
    Err(format!("`{address}` does not send the expected text"))
}
