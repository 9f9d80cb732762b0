//! The part of age (age-encryption.org/v1) that `sops` uses: an armored file of one chunk, whose key is wrapped for X25519
//! recipients. The `age` crate reads more of it, and brings sixty crates with it, translations and post-quantum keys
//! among them; the primitives here are those of aws-lc, which TLS brings already.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const VERSION: &str = "age-encryption.org/v1";
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";

/// A private key.
pub(super) struct Identity {
    key: PrivateKey,
    public: Vec<u8>,
}

impl Identity {
    /// The keys of a text, one a line; empty lines and those that begin with `#` are comments.
    ///
    /// # Errors
    /// The problem with the text, without any of its content.
    pub(super) fn all(text: &str) -> Result<Vec<Identity>, String> {
        let lines =
            text.lines().map(str::trim).enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
        lines
            .map(|(i, line)| {
                let line_is = |what: &str| format!("holds {what} in line {}", i + 1);
                if line.starts_with("age1") {
                    return Err(line_is("a public key, which cannot decrypt,"));
                }
                if line.starts_with("AGE-PLUGIN-") || line.starts_with("AGE-SECRET-KEY-PQ-") {
                    return Err(line_is("a key of a kind that dtm does not support"));
                }
                Identity::read(line).ok_or_else(|| line_is("a line that is not an age key"))
            })
            .collect()
    }

    fn read(text: &str) -> Option<Identity> {
        let (prefix, bytes) = bech32::decode(text).ok()?;
        if !prefix.as_str().eq_ignore_ascii_case("age-secret-key-") {
            return None;
        }
        let key = PrivateKey::from_private_key(&X25519, &bytes).ok()?;
        let public = key.compute_public_key().ok()?.as_ref().to_vec();
        Some(Identity { key, public })
    }

    /// The key of a file that is wrapped in one stanza, if it was wrapped for this identity.
    fn unwrap(&self, share: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
        let salt = [share, &self.public].concat();
        let theirs = UnparsedPublicKey::new(&X25519, share);
        let key = agree(&self.key, theirs, (), |shared| {
            // A share of low order would make a key that everybody knows.
            if shared.iter().all(|b| *b == 0) {
                Err(())
            } else {
                derive(&salt, shared, "age-encryption.org/v1/X25519")
            }
        });
        open(&key.ok()?, [0; 12], wrapped)
    }
}

/// What an armored file holds; `None` if it was not encrypted for this identity.
///
/// # Errors
/// When it is no age file, or was changed.
pub(super) fn decrypt(armored: &str, identity: &Identity) -> Result<Option<Vec<u8>>, String> {
    let file = dearmor(armored).ok_or("it has no age armor")?;
    let file = read(&file).ok_or("it is not an age v1 file")?;
    let mut key = None;
    for (share, body) in &file.stanzas {
        key = key.or_else(|| identity.unwrap(share, body).filter(|key| key.len() == 16));
    }
    let Some(key) = key else { return Ok(None) };
    let header = derive(&[], &key, "header").map_err(|()| "it has no header key")?;
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&header).map_err(|e| e.to_string())?;
    mac.update(&file.header);
    mac.verify_slice(&file.mac).map_err(|_| "its header was changed")?;
    let (nonce, chunk) = file.payload.split_at_checked(16).ok_or("its payload is cut")?;
    let key = derive(nonce, &key, "payload").map_err(|()| "it has no payload key")?;
    // One chunk, which is the last.
    let mut counter = [0; 12];
    counter[11] = 1;
    open(&key, counter, chunk).map(Some).ok_or_else(|| "its payload was changed".into())
}

fn derive(salt: &[u8], secret: &[u8], info: &str) -> Result<[u8; 32], ()> {
    let mut out = [0; 32];
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    prk.expand(&[info.as_bytes()], HKDF_SHA256).and_then(|okm| okm.fill(&mut out)).map_err(|_| ())?;
    Ok(out)
}

fn open(key: &[u8; 32], nonce: [u8; 12], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = ChaCha20Poly1305::new(&Key::from(*key));
    cipher.decrypt(&Nonce::from(nonce), sealed).ok()
}

fn dearmor(text: &str) -> Option<Vec<u8>> {
    let inside = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    STANDARD.decode(inside.split_whitespace().collect::<String>()).ok()
}

struct File {
    /// The share and body of each X25519 stanza.
    stanzas: Vec<(Vec<u8>, Vec<u8>)>,
    /// All up to and including the `---` before the MAC.
    header: Vec<u8>,
    mac: Vec<u8>,
    payload: Vec<u8>,
}

fn read(bytes: &[u8]) -> Option<File> {
    let mut at = 0;
    let mut line = || {
        let length = bytes.get(at..)?.iter().position(|b| *b == b'\n')?;
        let line = std::str::from_utf8(&bytes[at..at + length]).ok()?;
        let start = at;
        at += length + 1;
        Some((start, line, at))
    };
    if line()?.1 != VERSION {
        return None;
    }
    let mut stanzas = vec![];
    loop {
        let (start, text, end) = line()?;
        if let Some(mac) = text.strip_prefix("--- ") {
            return Some(File {
                stanzas,
                header: bytes[..start + 3].to_vec(),
                mac: STANDARD_NO_PAD.decode(mac).ok()?,
                payload: bytes[end..].to_vec(),
            });
        }
        let mut words = text.strip_prefix("-> ")?.split(' ');
        let (kind, share) = (words.next()?, words.next());
        // A line of less than 64 characters ends the body.
        let mut body = String::new();
        loop {
            let (_, part, _) = line()?;
            body.push_str(part);
            if part.len() < 64 {
                break;
            }
        }
        if kind == "X25519" {
            let share = STANDARD_NO_PAD.decode(share?).ok()?;
            stanzas.push((share, STANDARD_NO_PAD.decode(body).ok()?));
        }
    }
}

#[cfg(test)]
pub(super) mod write;
