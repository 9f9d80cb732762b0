//! Secrets at rest and in text: tagged values are sealed before they are written, and every text that leaves
//! the engine passes [`Redactor::mask`].

mod forms;
mod strength;

pub use forms::without_headers;
pub use strength::{SHORTEST_KEY, weakness};

use crate::Fields;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use dtm_lang::interface::Kind;
use dtm_lang::wire::{TAG, has_unknown, reveal, tag};
use forms::Haystack;
use serde_json::{Value, json};
use sha2::Digest;
use std::sync::{Arc, RwLock};

/// What a secret looks like to a person.
pub const MASK: &str = "(secret)";

/// The key of a state.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; 32],
    /// Why it is a weak key.
    weak: Option<Arc<str>>,
}

impl Key {
    /// A key of any text: what is in a file that dtm made.
    pub fn from_text(text: &str) -> Key {
        Key { bytes: sha2::Sha256::digest(text.as_bytes()).into(), weak: None }
    }
    /// A key that a person chose: what `DTM_STATE_KEY` holds.
    pub fn given(text: &str) -> Key {
        Key { weak: weakness(text).map(Arc::from), ..Key::from_text(text) }
    }
    /// Why it is a weak key; `None` if it is strong.
    pub fn weakness(&self) -> Option<&str> {
        self.weak.as_deref()
    }
    /// Makes sure that something may be sealed with it: a weak key opens what it has sealed before, and goes on sealing
    /// that; it seals nothing new. `named` is the id of the key that what is sealed has by now.
    ///
    /// # Errors
    /// When it is weak.
    pub fn seals(self, named: Option<&str>) -> Result<Key, WeakKey> {
        match &self.weak {
            Some(why) if named != Some(&*self.id()) => {
                Err(WeakKey { variable: "DTM_STATE_KEY", why: why.to_string() })
            }
            _ => Ok(self),
        }
    }
    /// The warning about a key that has sealed a state.
    pub fn warning(&self) -> Option<String> {
        let why = self.weakness()?;
        Some(format!(
            "the state is sealed with a weak `DTM_STATE_KEY`: {why}; make another one with `openssl rand -base64 32`, \
             and seal the state with it: `DTM_STATE_NEW_KEY=... dtm state rekey`"
        ))
    }
    /// 32 random bytes, as text for a file.
    ///
    /// # Errors
    /// When the operating system gives no random numbers.
    pub fn random_text() -> Result<String, String> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|e| e.to_string())?;
        Ok(BASE64.encode(bytes))
    }
    /// Names the key without telling it.
    pub fn id(&self) -> String {
        let hash = sha2::Sha256::digest([b"dtm key id".as_slice(), &self.bytes].concat());
        hash.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }
    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&self.bytes.into())
    }
    /// Seals a value. `plain` says that it was no tagged secret, and is to come back as it was.
    fn seal_value(&self, value: &Value, plain: bool) -> Option<Value> {
        let mut nonce = [0u8; 24];
        getrandom::fill(&mut nonce).ok()?;
        let text = serde_json::to_vec(value).ok()?;
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), text.as_slice()).ok()?;
        let mut out = json!({ TAG: "sealed", "v": BASE64.encode([nonce.as_slice(), &sealed].concat()) });
        if plain {
            out["plain"] = true.into();
        }
        Some(out)
    }
    fn open_value(&self, text: &str) -> Option<Value> {
        let bytes = BASE64.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(24)?;
        let nonce: [u8; 24] = nonce.try_into().ok()?;
        let plain = self.cipher().decrypt(&XNonce::from(nonce), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// A key that is too easy to guess seals nothing new.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{variable}` is too weak: {why}")]
pub struct WeakKey {
    /// The variable that gives it.
    pub variable: &'static str,
    /// What is weak about it.
    pub why: String,
}

impl WeakKey {
    /// As what is wrong with the key that is to replace another one.
    pub fn of_new(self) -> WeakKey {
        WeakKey { variable: "DTM_STATE_NEW_KEY", ..self }
    }
}

/// A value could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret could not be sealed or opened")]
pub struct SealError;

/// Opens every sealed value.
///
/// # Errors
/// When one does not open with this key.
pub fn open(value: &mut Value, key: &Key) -> Result<(), SealError> {
    match value {
        Value::Object(m) if tag(m) == Some("sealed") => {
            let text = m.get("v").and_then(Value::as_str).unwrap_or("");
            let opened = key.open_value(text).ok_or(SealError)?;
            *value = if m.contains_key("plain") { opened } else { json!({ TAG: "secret", "v": opened }) };
            Ok(())
        }
        Value::Object(m) => m.values_mut().try_for_each(|v| open(v, key)),
        Value::Array(a) => a.iter_mut().try_for_each(|v| open(v, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Marks a write-only input: when it is written, only a salted hash of it is.
pub fn write_only(kind: &str, name: &str, value: &Value) -> Value {
    json!({ TAG: "write-only", "of": format!("{kind}.{name}"), "v": reveal(value) })
}

/// Fields without what is kept only as a hash: what a plugin may be sent of what was recorded.
pub fn sendable(fields: &Fields) -> Fields {
    let kept = |v: &Value| v.as_object().and_then(tag).is_none_or(|t| t != "write-only" && t != "hash");
    fields.iter().filter(|(_, v)| kept(v)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Puts in the place of each hash the wanted value, where the hash is of that value.
pub fn settle_write_only(kind: &Kind, recorded: &mut Fields, wanted: &Fields, redactor: &Redactor) {
    for (name, _) in kind.inputs.iter().filter(|(_, i)| i.write_only) {
        let (Some(hash), Some(value)) = (recorded.get(&**name), wanted.get(&**name)) else { continue };
        if redactor.is_hash_of(hash, value) {
            recorded.insert(name.to_string(), value.clone());
        }
    }
}

fn mac(key: &Key, salt: &str, of: &str, value: &Value) -> Option<String> {
    let derived = sha2::Sha256::digest([b"dtm write-only".as_slice(), &key.bytes].concat());
    let mut mac = <hmac::Hmac<sha2::Sha256> as KeyInit>::new_from_slice(&derived).ok()?;
    for part in [salt, of, &value.to_string()] {
        hmac::Mac::update(&mut mac, &(part.len() as u64).to_le_bytes());
        hmac::Mac::update(&mut mac, part.as_bytes());
    }
    Some(BASE64.encode(hmac::Mac::finalize(mac).into_bytes()))
}

/// A value without the secrets inside: what an object is never depends on them, so that a token can be changed
/// without making anew what it opens.
pub fn public(value: &Value) -> Value {
    match value {
        Value::Object(m) if tag(m) == Some("secret") => Value::Null,
        Value::Object(m) => m.iter().map(|(k, v)| (k.clone(), public(v))).collect::<Fields>().into(),
        Value::Array(a) => a.iter().map(public).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other.clone(),
    }
}

/// Recorded inputs with the secrets that are configured now, where nothing else differs: what they open is asked with
/// those of today.
pub fn with_secrets_of(recorded: &Fields, configured: &Fields) -> Fields {
    let now = |name: &String, value: &Value| {
        let other = configured.get(name).filter(|c| public(c) == public(value) && !has_unknown(c));
        (name.clone(), other.unwrap_or(value).clone())
    };
    recorded.iter().map(|(name, value)| now(name, value)).collect()
}

/// Whether a recorded value is a secret that was dropped, because the key that sealed it is gone.
pub fn is_lost(value: &Value) -> bool {
    value.get("lost").is_some() && value.as_object().and_then(tag) == Some("secret")
}

/// Puts an empty text in the place of each sealed value, and counts them.
pub(crate) fn drop_sealed(value: &mut Value, count: &mut usize) {
    match value {
        Value::Object(m) if tag(m) == Some("sealed") => {
            *count += 1;
            let plain = m.contains_key("plain");
            *value = if plain { json!("") } else { json!({ TAG: "secret", "v": "", "lost": true }) };
        }
        Value::Object(m) => m.values_mut().for_each(|v| drop_sealed(v, count)),
        Value::Array(a) => a.iter_mut().for_each(|v| drop_sealed(v, count)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether anything inside is sealed.
pub(crate) fn holds_sealed(value: &Value) -> bool {
    match value {
        Value::Object(m) => tag(m) == Some("sealed") || m.values().any(holds_sealed),
        Value::Array(items) => items.iter().any(holds_sealed),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The secrets of a run: masks texts, and seals what is written.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Arc<RwLock<Haystack>>,
    key: Arc<RwLock<Option<Key>>>,
}

impl Redactor {
    /// Tells the key of the state, with which write-only inputs are compared.
    pub fn set_key(&self, key: &Key) {
        *self.key.write().unwrap_or_else(|e| e.into_inner()) = Some(key.clone());
    }
    /// Learns one secret, in every form in which it is met: as it is, line by line, as JSON, addresses, shells and Base64
    /// write it.
    pub fn learn_text(&self, text: &str) {
        self.secrets.write().unwrap_or_else(|e| e.into_inner()).learn(text);
    }
    /// Learns every tagged string inside.
    pub fn learn(&self, value: &Value) {
        match value {
            Value::Object(m) if tag(m) == Some("secret") => match m.get("v") {
                Some(Value::String(s)) => self.learn_text(s),
                Some(other) => self.learn(other),
                None => {}
            },
            Value::Object(m) => m.values().for_each(|v| self.learn(v)),
            Value::Array(a) => a.iter().for_each(|v| self.learn(v)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    /// Whether a recorded hash is of this value.
    pub fn is_hash_of(&self, hash: &Value, value: &Value) -> bool {
        let Some(m) = hash.as_object().filter(|m| tag(m) == Some("hash")) else { return false };
        let text = |name: &str| m.get(name).and_then(Value::as_str).unwrap_or("");
        let key = self.key.read().unwrap_or_else(|e| e.into_inner());
        key.as_ref()
            .and_then(|k| mac(k, text("salt"), text("of"), &reveal(value)))
            .is_some_and(|found| found == text("mac"))
    }
    /// A text with every known secret masked, and whatever a server repeats of credentials.
    pub fn mask(&self, text: &str) -> String {
        let secrets = self.secrets.read().unwrap_or_else(|e| e.into_inner());
        let text = forms::masked(text, &secrets.parts(text));
        let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c };
        without_headers(&text.chars().map(plain).collect::<String>())
    }
    /// Fields in which every text that holds a known secret is a secret itself.
    pub fn tagged(&self, fields: Fields) -> Fields {
        fields.into_iter().map(|(name, value)| (name, self.tag(value))).collect()
    }
    /// A value in which every text that holds a known secret is a secret itself.
    pub fn tag(&self, value: Value) -> Value {
        match value {
            Value::Object(m) if tag(&m).is_some() => Value::Object(m),
            Value::Object(m) => Value::Object(self.tagged(m)),
            Value::Array(a) => a.into_iter().map(|v| self.tag(v)).collect(),
            Value::String(s) if self.holds_secret(&s) => json!({ TAG: "secret", "v": s }),
            other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
        }
    }
    /// Whether [`Redactor::tag`] would change a value.
    pub fn tags(&self, value: &Value) -> bool {
        match value {
            Value::Object(m) => tag(m).is_none() && m.values().any(|v| self.tags(v)),
            Value::Array(items) => items.iter().any(|v| self.tags(v)),
            Value::String(s) => self.holds_secret(s),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    /// Whether a text holds a known secret.
    pub fn holds_secret(&self, text: &str) -> bool {
        self.secrets.read().unwrap_or_else(|e| e.into_inner()).is_in(text)
    }
    /// Whether anything inside must be sealed.
    pub fn needs_key(&self, value: &Value) -> bool {
        match value {
            Value::Object(m) if matches!(tag(m), Some("secret" | "write-only")) => !m.contains_key("lost"),
            Value::Object(m) => m.values().any(|v| self.needs_key(v)),
            Value::Array(a) => a.iter().any(|v| self.needs_key(v)),
            Value::String(s) => self.holds_secret(s),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    /// Seals tagged values, and untagged strings that hold a known secret.
    ///
    /// # Errors
    /// When sealing fails: nothing may be written then.
    pub fn seal(&self, value: &mut Value, key: &Key) -> Result<(), SealError> {
        match value {
            Value::Object(m) if tag(m) == Some("secret") && m.contains_key("lost") => Ok(()),
            Value::Object(m) if tag(m) == Some("secret") => {
                let inner = m.get("v").cloned().unwrap_or(Value::Null);
                *value = key.seal_value(&inner, false).ok_or(SealError)?;
                Ok(())
            }
            Value::Object(m) if tag(m) == Some("write-only") => {
                let mut salt = [0u8; 16];
                getrandom::fill(&mut salt).map_err(|_| SealError)?;
                let salt = BASE64.encode(salt);
                let of = m.get("of").and_then(Value::as_str).unwrap_or("").to_string();
                let found = mac(key, &salt, &of, m.get("v").unwrap_or(&Value::Null)).ok_or(SealError)?;
                *value = json!({ TAG: "hash", "salt": salt, "of": of, "mac": found });
                Ok(())
            }
            Value::Object(m) => m.values_mut().try_for_each(|v| self.seal(v, key)),
            Value::Array(a) => a.iter_mut().try_for_each(|v| self.seal(v, key)),
            Value::String(s) if self.holds_secret(s) => {
                *value = key.seal_value(&Value::String(std::mem::take(s)), true).ok_or(SealError)?;
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }
}
