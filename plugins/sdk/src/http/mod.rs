//! A client for the HTTP interfaces of services: what every plugin that talks to one needs, decided once.
//!
//! | what happens | what the client does |
//! |---|---|
//! | the server is busy (429, 503) or fails (500, 502, 504), or the connection breaks | a request that changes nothing is sent again, with growing pauses, or after the pause that the server asks for |
//! | the same, but the request changes something | only what was certainly not carried out is sent again: 429, 503, and connections that were refused. Otherwise the outcome is unknown |
//! | 401, 403, any other 4xx | an error that changed nothing, with the message of the server |
//! | a redirect | followed on the same server; credentials are never sent to another one |
//! | a list in pages | followed by `Link: <...>; rel="next"` (RFC 8288), on the same server |
//! | a second GET of one address | conditional (`If-None-Match`): on many servers, a 304 does not count against the rate limit |
//!
//! Proxies come from `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, more certificate authorities from `SSL_CERT_FILE` and `SSL_CERT_DIR`: a
//! plugin gets them by naming them in the `@env` of its interface. Requests block their thread, and the host gives every
//! operation one.

mod address;
mod limit;
#[cfg(test)]
mod tests;

pub use address::{followed, resolved, without_userinfo};
pub use limit::Rate;

use crate::{Ctx, Failure, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use limit::Bucket;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// How large an answer may be, in bytes.
const LARGEST: u64 = 32 << 20;

/// How often a request is sent at most, and how many redirects and pages are followed.
const TRIES: u32 = 5;
const REDIRECTS: u32 = 5;
const PAGES: usize = 1_000;

/// How long one request may take, where the operation has no deadline.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a request says who sends it.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `Authorization: Bearer TOKEN`
    Bearer(Secret<String>),
    /// A name and a password or token.
    Basic(String, Secret<String>),
    /// A header of the service's own, such as `PRIVATE-TOKEN`.
    Header(&'static str, Secret<String>),
}

/// What a client is for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What paths are relative to: `https://api.github.com`.
    pub base: String,
    /// Credentials.
    pub auth: Option<Auth>,
    /// Headers of every request.
    pub headers: Vec<(&'static str, String)>,
    /// How fast requests are sent, at most.
    pub rate: Option<Rate>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates, or does something.
    Post,
    /// Puts in place.
    Put,
    /// Changes in part.
    Patch,
    /// Deletes.
    Delete,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Patch => "PATCH",
            Verb::Delete => "DELETE",
        }
    }
    /// Whether sending it twice does the same as sending it once.
    fn is_repeatable(self) -> bool {
        match self {
            Verb::Get => true,
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => false,
        }
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status: 200.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| &**value)
    }

    /// Whether it says that all is well.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON; an empty one is `null`.
    ///
    /// # Errors
    /// When it is not JSON, as the page of a proxy or of a login.
    pub fn json(&self) -> Result<Value, Failure> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            let kind = self.header("content-type").unwrap_or("without a type");
            Failure::clean(format!("the answer is not JSON but {kind}: is the address that of the API?"))
        })
    }

    /// What the server says of a failure: the usual fields of JSON, or the beginning of a text.
    fn message(&self) -> String {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(String::from);
        let named = ["message", "error_description", "error", "detail", "title"];
        let said = named.iter().find_map(|name| text(json.get(name)?));
        let html = self.header("content-type").is_some_and(|kind| kind.contains("html"));
        let said = said.unwrap_or_else(|| match html {
            true => String::new(),
            false => String::from_utf8_lossy(&self.body).chars().take(300).collect(),
        });
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// An answer that can be asked for again with its tag.
struct Tagged {
    tag: String,
    answer: Answer,
}

/// A client of one service.
pub struct Client {
    agent: ureq::Agent,
    options: Options,
    bucket: Option<Bucket>,
    tagged: Mutex<HashMap<String, Tagged>>,
}

/// Why a request has no answer.
enum Broken {
    /// It cannot be sent: another try would end the same.
    Never(String),
    /// It was not sent.
    Before(String),
    /// It may have been carried out.
    After(String),
}

impl Client {
    /// A client.
    ///
    /// # Errors
    /// When the address is not one of HTTP, or holds a name or password.
    pub fn new(options: Options) -> Result<Client, Failure> {
        let base = options.base.trim_end_matches('/').to_string();
        if !base.starts_with("http://") && !base.starts_with("https://") {
            let shown = without_userinfo(&base);
            return Err(Failure::clean(format!("`{shown}` is not an address of HTTP")));
        }
        if without_userinfo(&base) != base {
            return Err(Failure::clean(
                "the address holds a name or password, which would be shown: use the inputs for credentials",
            ));
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("dtm/", env!("CARGO_PKG_VERSION")))
            .build();
        let bucket = options.rate.map(Bucket::new);
        let options = Options { base, ..options };
        Ok(Client { agent: config.into(), options, bucket, tagged: Mutex::default() })
    }

    /// The whole address of a path; an address stays as it is.
    fn address(&self, path: &str) -> String {
        match path.contains("://") {
            true => path.to_string(),
            false => format!("{}/{}", self.options.base, path.trim_start_matches('/')),
        }
    }

    /// Reads; `None` when nothing is there (404, 410).
    ///
    /// # Errors
    /// Every other answer that is not a success.
    pub fn get(&self, ctx: &Ctx, path: &str) -> Result<Option<Answer>, Failure> {
        let answer = self.answer(ctx, Verb::Get, path, None)?;
        match answer.status {
            404 | 410 => Ok(None),
            _ => self.checked(Verb::Get, path, answer).map(Some),
        }
    }

    /// Sends a change.
    ///
    /// # Errors
    /// Every answer that is not a success, with what it left behind.
    pub fn send(&self, ctx: &Ctx, verb: Verb, path: &str, body: &Value) -> Result<Answer, Failure> {
        let answer = self.answer(ctx, verb, path, Some(body))?;
        self.checked(verb, path, answer)
    }

    /// Deletes; what is absent is deleted already.
    ///
    /// # Errors
    /// Every other answer that is not a success.
    pub fn delete(&self, ctx: &Ctx, path: &str) -> Result<(), Failure> {
        let answer = self.answer(ctx, Verb::Delete, path, None)?;
        match answer.status {
            404 | 410 => Ok(()),
            _ => self.checked(Verb::Delete, path, answer).map(|_| ()),
        }
    }

    /// The elements of a list in pages.
    ///
    /// # Errors
    /// As [`Client::get`]; a missing list is an error too.
    pub fn pages(&self, ctx: &Ctx, path: &str) -> Result<Vec<Value>, Failure> {
        let mut elements = vec![];
        let mut at = self.address(path);
        for _ in 0..PAGES {
            let answer = self.answer(ctx, Verb::Get, &at, None)?;
            let answer = self.checked(Verb::Get, &at, answer)?;
            if let Value::Array(page) = answer.json()? {
                elements.extend(page)
            } else {
                return Err(Failure::clean(format!("{} is not a list", self.shown(&at))));
            }
            let Some(next) = answer.header("link").and_then(next_page) else { return Ok(elements) };
            let next = resolved(&at, next).map_err(Failure::clean)?;
            if !address::is_same_server(&at, &next) {
                let why =
                    format!("{} continues on another server: {}", self.shown(&at), without_userinfo(&next));
                return Err(Failure::clean(why));
            }
            at = next;
        }
        Err(Failure::clean(format!("{} has more than {PAGES} pages", self.shown(path))))
    }

    /// The answer to a request, whatever its status. Repeated where that is harmless.
    ///
    /// # Errors
    /// When there is no answer, or the operation was cancelled.
    pub fn answer(&self, ctx: &Ctx, verb: Verb, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let mut tries = 1;
        loop {
            let pause = self.bucket.as_ref().map_or(Duration::ZERO, |bucket| bucket.take(Instant::now()));
            if !limit::wait(ctx, pause) {
                return Err(Failure::retryable("it was stopped while it waited for its turn", Some(pause)));
            }
            let (why, asked) = match self.redirected(ctx, verb, path, body) {
                Ok(answer) => {
                    let header = |name: &str| answer.header(name).map(String::from);
                    let asked = limit::asked(header, SystemTime::now());
                    // A used-up rate limit is told by 403 too.
                    let busy = matches!(answer.status, 429 | 503) || answer.status == 403 && asked.is_some();
                    let fails = matches!(answer.status, 500 | 502 | 504) && verb.is_repeatable();
                    if !busy && !fails {
                        return Ok(answer);
                    }
                    (format!("it answers {}{}", answer.status, self.said(&answer)), asked)
                }
                Err(Broken::Never(why)) => {
                    return Err(Failure::clean(format!("{}: {why}", self.shown(path))));
                }
                Err(Broken::Before(why)) => (why, None),
                Err(Broken::After(why)) if verb.is_repeatable() => (why, None),
                Err(Broken::After(why)) => {
                    return Err(Failure::unknown(format!("{}: {why}", self.shown(path))));
                }
            };
            let pause = asked.unwrap_or(Duration::from_millis(200 << tries.min(6)));
            if tries >= TRIES || !limit::wait(ctx, pause) {
                return Err(Failure::retryable(format!("{}: {why}", self.shown(path)), asked));
            }
            ctx.progress(format!("{why}; again"));
            tries += 1;
        }
    }

    /// The answer of where redirects lead, on the same server.
    fn redirected(&self, ctx: &Ctx, verb: Verb, path: &str, body: Option<&Value>) -> Result<Answer, Broken> {
        let mut at = self.address(path);
        for _ in 0..REDIRECTS {
            let answer = self.once(ctx, verb, &at, body)?;
            let Some(to) = answer.header("location") else { return Ok(answer) };
            // 303, and by custom 301 and 302, would make a GET of a change.
            let leads =
                matches!(answer.status, 307 | 308) || verb == Verb::Get && matches!(answer.status, 301..=303);
            if !leads {
                return Ok(answer);
            }
            let to = resolved(&at, to).map_err(Broken::Never)?;
            if !address::is_same_server(&at, &to) {
                return Err(Broken::Never(format!(
                    "it redirects to {}, where credentials are not sent",
                    without_userinfo(&to)
                )));
            }
            at = to;
        }
        Err(Broken::Never(format!("it redirects more than {REDIRECTS} times")))
    }

    /// One request and its answer.
    fn once(&self, ctx: &Ctx, verb: Verb, at: &str, body: Option<&Value>) -> Result<Answer, Broken> {
        let left = ctx.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = left.map_or(PATIENCE, |left| left.min(PATIENCE));
        let tag = match verb {
            Verb::Get => self.lock().get(at).map(|known| known.tag.clone()),
            Verb::Post | Verb::Put | Verb::Patch | Verb::Delete => None,
        };
        let mut request = ureq::http::Request::builder().method(verb.name()).uri(at);
        for (name, value) in &self.options.headers {
            request = request.header(*name, value);
        }
        if let Some((name, value)) = self.options.auth.as_ref().map(header) {
            request = request.header(name, value);
        }
        if let Some(tag) = &tag {
            request = request.header("If-None-Match", tag);
        }
        let bytes = match body {
            Some(body) => {
                request = request.header("Content-Type", "application/json");
                serde_json::to_vec(body).map_err(|e| Broken::Never(e.to_string()))?
            }
            None => vec![],
        };
        let request = request.body(bytes).map_err(|e| Broken::Never(e.to_string()))?;
        let request = self.agent.configure_request(request).timeout_global(Some(limit)).build();
        let answer = self.agent.run(request).map_err(|e| broken(&e))?;
        let (parts, mut body) = answer.into_parts();
        let headers = parts.headers.iter();
        let headers =
            headers.filter_map(|(n, v)| Some((n.as_str().to_string(), v.to_str().ok()?.to_string())));
        let headers: Vec<(String, String)> = headers.collect();
        let body = body.with_config().limit(LARGEST).read_to_vec().map_err(|e| broken(&e))?;
        let answer = Answer { status: parts.status.as_u16(), body, headers };
        let mut known = self.lock();
        match (verb, answer.status) {
            (Verb::Get, 304) => Ok(known.get(at).map_or(answer, |known| known.answer.clone())),
            (Verb::Get, 200) => {
                match answer.header("etag").map(String::from) {
                    Some(tag) => _ = known.insert(at.to_string(), Tagged { tag, answer: answer.clone() }),
                    None => _ = known.remove(at),
                }
                Ok(answer)
            }
            _ => Ok(answer),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Tagged>> {
        self.tagged.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A success, or what the failure left behind.
    fn checked(&self, verb: Verb, path: &str, answer: Answer) -> Result<Answer, Failure> {
        if answer.is_success() {
            return Ok(answer);
        }
        let status = answer.status;
        let what = match status {
            401 => "the credentials are refused".to_string(),
            403 => "the credentials do not permit this".to_string(),
            _ => format!("it answers {status}"),
        };
        let text = format!("{}: {what}{}", self.shown(path), self.said(&answer));
        Err(match status {
            500..=599 if !verb.is_repeatable() => Failure::unknown(text),
            500..=599 => Failure::retryable(text, None),
            _ => Failure::clean(text),
        })
    }

    /// What the server says, without our credentials: some servers repeat what they are sent.
    fn said(&self, answer: &Answer) -> String {
        let mut said = answer.message();
        for secret in self.options.auth.iter().flat_map(secrets).filter(|secret| !secret.is_empty()) {
            said = said.replace(&secret, "(secret)");
        }
        if said.is_empty() { said } else { format!(": {said}") }
    }

    fn shown(&self, path: &str) -> String {
        format!("`{}`", without_userinfo(&self.address(path)))
    }
}

/// The header of credentials.
fn header(auth: &Auth) -> (&'static str, String) {
    match auth {
        Auth::Bearer(token) => ("Authorization", format!("Bearer {}", token.0)),
        Auth::Basic(name, password) => {
            let pair = BASE64.encode(format!("{name}:{}", password.0));
            ("Authorization", format!("Basic {pair}"))
        }
        Auth::Header(name, value) => (name, value.0.clone()),
    }
}

/// The texts that must not be shown.
fn secrets(auth: &Auth) -> Vec<String> {
    match auth {
        Auth::Bearer(secret) | Auth::Header(_, secret) => vec![secret.0.clone()],
        Auth::Basic(_, password) => {
            let (_, pair) = header(auth);
            vec![pair.trim_start_matches("Basic ").to_string(), password.0.clone()]
        }
    }
}

/// The address after `rel="next"` in a `Link` header.
fn next_page(link: &str) -> Option<&str> {
    let part = link.split(',').find(|part| {
        part.split(';').skip(1).any(|field| matches!(field.trim(), "rel=\"next\"" | "rel=next"))
    })?;
    part.trim().strip_prefix('<')?.split_once('>').map(|(address, _)| address)
}

/// Whether a request that has no answer may have been carried out.
#[expect(clippy::wildcard_enum_match_arm, reason = "ureq may add variants at any time")]
fn broken(error: &ureq::Error) -> Broken {
    use ureq::{Error, Timeout};
    let why = reason(error);
    match error {
        Error::BadUri(_) | Error::InvalidProxyUrl => Broken::Never(why),
        Error::HostNotFound | Error::ConnectionFailed => Broken::Before(why),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => Broken::Before(why),
        Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => Broken::Before(why),
        _ => Broken::After(why),
    }
}

/// Why a request has no answer, in words.
#[expect(clippy::wildcard_enum_match_arm, reason = "ureq may add variants at any time")]
pub fn reason(error: &ureq::Error) -> String {
    use ureq::{Error, Timeout};
    match error {
        Error::HostNotFound => "no such host".into(),
        Error::ConnectionFailed => "no connection".into(),
        Error::BadUri(what) => format!("the address is not valid: {what}"),
        Error::InvalidProxyUrl => "the address of the proxy is not valid".into(),
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => "no connection before the deadline".into(),
        Error::Timeout(_) => "no answer before the deadline".into(),
        Error::BodyExceedsLimit(limit) => format!("the answer is larger than {} MiB", limit >> 20),
        Error::Io(e) => crate::reason(e),
        other => crate::in_words(&other.to_string()),
    }
}
