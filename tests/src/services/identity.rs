//! Who says who somebody is: an issuer of tokens (OpenID Connect), and an STS that gives credentials for them. It hands each
//! request on to the one of MinIO, which checks the token and makes the credentials; but where MinIO leaves the ARN of the
//! role empty, which clients of AWS refuse, it says one, and credentials end as soon as a test wants.

use super::free_port;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex_lite::Regex;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The client of the issuer that MinIO takes tokens of.
pub const CLIENT: &str = "dtm";

/// The role that MinIO gives whoever has a token for [`CLIENT`]: it ends in a hash of that name.
pub const ROLE: &str = "arn:minio:iam:::role/Lg8yF-VPHsVY0QBiiiJmZEzcTB8";

/// An issuer and an STS on one port of loopback.
pub struct Identity {
    /// Where it listens.
    pub port: u16,
    key: EcdsaKeyPair,
    shared: Arc<Shared>,
}

struct Shared {
    base: String,
    keys: Value,
    /// Where MinIO listens.
    minio: u16,
    /// For how many seconds credentials are good.
    good_for: AtomicU64,
    /// How often somebody asked for credentials.
    asked: AtomicUsize,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Identity {
    /// Starts both, for a MinIO that will listen on this port.
    ///
    /// # Panics
    /// When no key can be made, or no port is free.
    pub fn start(minio: u16) -> Identity {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        // An uncompressed point: 4, x, y.
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "one", "x": text(x), "y": text(y) });
        let port = free_port();
        let shared = Arc::new(Shared {
            base: format!("http://127.0.0.1:{port}"),
            keys: json!({ "keys": [jwk] }),
            minio,
            good_for: AtomicU64::new(3600),
            asked: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port");
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || _ = shared.serve(stream));
            }
        });
        Identity { port, key, shared }
    }

    /// What MinIO has to be told of it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "MINIO_IDENTITY_OPENID_CONFIG_URL",
                format!("{}/.well-known/openid-configuration", self.shared.base),
            ),
            ("MINIO_IDENTITY_OPENID_CLIENT_ID", CLIENT.into()),
            ("MINIO_IDENTITY_OPENID_ROLE_POLICY", "readwrite".into()),
        ]
    }

    /// A token for somebody, good for so many seconds from now on; fewer than none is one that is over.
    ///
    /// # Panics
    /// When it cannot be signed.
    pub fn token(&self, seconds: i64) -> String {
        let iat = jiff::Timestamp::now().as_second();
        let head = json!({ "alg": "ES256", "typ": "JWT", "kid": "one" }).to_string();
        let claims = json!({ "iss": self.shared.base, "sub": "ci", "aud": CLIENT, "azp": CLIENT, "iat": iat, "exp": iat + seconds });
        let signed = format!("{}.{}", text(head.as_bytes()), text(claims.to_string().as_bytes()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
        format!("{signed}.{}", text(signature.as_ref()))
    }

    /// From here on credentials are good for so many seconds, as their receiver is told.
    pub fn credentials_for(&self, seconds: u64) {
        self.shared.good_for.store(seconds, Ordering::Relaxed);
    }

    /// How often somebody asked for credentials.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut from = BufReader::new(stream.try_clone()?);
        let (mut first, mut length) = (String::new(), 0);
        from.read_line(&mut first)?;
        loop {
            let mut line = String::new();
            from.read_line(&mut line)?;
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        let (status, answer) = match first.split(' ').nth(1) {
            Some("/keys") => ("200 OK".to_string(), self.keys.to_string()),
            Some(path) if path.starts_with("/.well-known/") => {
                ("200 OK".to_string(), self.about().to_string())
            }
            _ => self.credentials(&body)?,
        };
        let kind = if answer.starts_with('{') { "application/json" } else { "text/xml" };
        let mut to = stream;
        write!(
            to,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
            answer.len()
        )
    }

    fn about(&self) -> Value {
        let base = &self.base;
        json!({
            "issuer": base, "jwks_uri": format!("{base}/keys"), "authorization_endpoint": format!("{base}/auth"),
            "token_endpoint": format!("{base}/token"), "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn credentials(&self, asked: &[u8]) -> std::io::Result<(String, String)> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut minio = TcpStream::connect((Ipv4Addr::LOCALHOST, self.minio))?;
        write!(
            minio,
            "POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            asked.len()
        )?;
        minio.write_all(asked)?;
        let mut answer = String::new();
        minio.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status =
            head.lines().next().and_then(|l| l.split_once(' ')).map_or("502 Bad Gateway", |(_, s)| s);
        let ends = jiff::Timestamp::now() + Duration::from_secs(self.good_for.load(Ordering::Relaxed));
        let set = |body: &str, what: &str, value: &str| match Regex::new(&format!(
            "<{what}>[^<]*</{what}>|<{what}/>"
        )) {
            Ok(pattern) => pattern.replace_all(body, format!("<{what}>{value}</{what}>")).into_owned(),
            Err(_) => body.to_string(),
        };
        let body = set(body, "Arn", "arn:aws:sts::000000000000:assumed-role/role/ci");
        Ok((status.to_string(), set(&body, "Expiration", &ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())))
    }
}
