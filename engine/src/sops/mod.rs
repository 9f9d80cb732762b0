//! Opens files that `sops` encrypted for an age key: the loader's side of `dtm_lang::sealed`. Values live in memory only; the
//! caller marks them as secret.
//!
//! A file has one data key, which is encrypted for each recipient as a small age file (`age`). Each value is encrypted with
//! it by AES-256-GCM, bound to the path of its keys, so that values cannot change places. A MAC over all values, itself
//! encrypted and bound to the time of the change, finds values that were taken out or put in.

mod age;

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, KeyInit, Nonce};
use age::Identity;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dtm_lang::sealed::{Covered, Leaf, Plain, Sealed, Unopened};
use sha2::{Digest, Sha512};
use std::path::{Path, PathBuf};

/// What the MAC begins with when it covers the encrypted values only: the SHA-256 of `sops`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b,
    0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The values of a file that are encrypted, in order, with the keys that the environment names: `SOPS_AGE_KEY`, the file
/// `SOPS_AGE_KEY_FILE`, and `sops/age/keys.txt` among the user's configuration.
///
/// # Errors
/// When there is no key that fits, or when the file is not what was encrypted.
pub fn open(file: &Sealed, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Plain>, Unopened> {
    let (identities, places) = identities(env)?;
    let mut key = None;
    for recipient in &file.recipients {
        for identity in &identities {
            match age::decrypt(&recipient.key, identity) {
                Ok(Some(found)) => key = key.or(Some(found)),
                Ok(None) => {}
                Err(why) => {
                    return Err(Unopened::Refused(format!(
                        "its key for `{}` is damaged: {why}",
                        recipient.name
                    )));
                }
            }
        }
    }
    let Some(key) = key else { return Err(Unopened::NoKey(places)) };
    let cipher = Cipher::new(&key).ok_or_else(|| refused("its data key has another length than 32 bytes"))?;
    values(file, &cipher)
}

fn refused(why: &str) -> Unopened {
    Unopened::Refused(why.into())
}

fn values(file: &Sealed, cipher: &Cipher) -> Result<Vec<Plain>, Unopened> {
    let mut mac = Sha512::new();
    if file.covered == Covered::Encrypted {
        mac.update(ONLY_ENCRYPTED);
    }
    let mut opened = vec![];
    for leaf in &file.leaves {
        match leaf {
            Leaf::Clear(plain) => {
                if file.covered == Covered::All {
                    mac.update(bytes(plain));
                }
            }
            Leaf::Encrypted { path, text } => {
                let bound: String = path.iter().map(|key| format!("{key}:")).collect();
                let plain = cipher.value(text, &bound).ok_or_else(|| {
                    let path = bound.trim_end_matches(':').replace(':', ".");
                    Unopened::Refused(format!("the value of `{path}` is not what was encrypted there"))
                })?;
                mac.update(bytes(&plain));
                opened.push(plain);
            }
        }
    }
    let computed: String = mac.finalize().iter().map(|b| format!("{b:02X}")).collect();
    match cipher.value(&file.mac, &file.last_modified) {
        Some(Plain::Text(recorded)) if recorded == computed => Ok(opened),
        _ => Err(refused(
            "its MAC does not match: values were changed, added or removed after it was encrypted",
        )),
    }
}

/// A value as it goes into the MAC.
fn bytes(plain: &Plain) -> Vec<u8> {
    match plain {
        Plain::Text(text) => text.clone().into_bytes(),
        Plain::Int(i) => i.to_string().into_bytes(),
        Plain::Float(f) => f.to_string().into_bytes(),
        Plain::Bool(true) => b"True".to_vec(),
        Plain::Bool(false) => b"False".to_vec(),
    }
}

/// The cipher of the values, whose nonces have 32 bytes.
struct Cipher(AesGcm<Aes256, U32>);

impl Cipher {
    fn new(key: &[u8]) -> Option<Cipher> {
        AesGcm::new_from_slice(key).ok().map(Cipher)
    }

    /// The value of `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`, if that is what was encrypted at this place.
    fn value(&self, text: &str, bound: &str) -> Option<Plain> {
        let inside = text.strip_prefix("ENC[AES256_GCM,")?.strip_suffix(']')?;
        let mut parts = inside.split(',');
        let mut part = |name: &str| parts.next()?.strip_prefix(name);
        let (data, iv, tag) = (part("data:")?, part("iv:")?, part("tag:")?);
        let kind = part("type:")?;
        let mut sealed = STANDARD.decode(data).ok()?;
        sealed.extend(STANDARD.decode(tag).ok()?);
        let iv = STANDARD.decode(iv).ok()?;
        let nonce = <&Nonce<U32>>::try_from(&*iv).ok()?;
        let plain = self.0.decrypt(nonce, Payload { msg: &sealed, aad: bound.as_bytes() }).ok()?;
        let plain = String::from_utf8(plain).ok()?;
        Some(match kind {
            "str" | "bytes" => Plain::Text(plain),
            "int" => Plain::Int(plain.parse().ok()?),
            "float" => match plain.parse() {
                Ok(whole) => Plain::Int(whole),
                Err(_) => Plain::Float(plain.parse().ok().filter(|f: &f64| f.is_finite())?),
            },
            "bool" => match &*plain.to_lowercase() {
                "true" => Plain::Bool(true),
                "false" => Plain::Bool(false),
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// The keys of the user, and where they were found.
fn identities(env: &dyn Fn(&str) -> Option<String>) -> Result<(Vec<Identity>, Vec<String>), Unopened> {
    let given = |name: &str| env(name).filter(|value| !value.is_empty());
    let (mut all, mut places) = (vec![], vec![]);
    let mut add = |text: &str, place: String| -> Result<(), Unopened> {
        let found = Identity::all(text).map_err(|why| Unopened::Refused(format!("{place} {why}")))?;
        all.extend(found);
        places.push(place);
        Ok(())
    };
    if let Some(text) = given("SOPS_AGE_KEY") {
        add(&text, "`SOPS_AGE_KEY`".into())?;
    }
    if let Some(path) = given("SOPS_AGE_KEY_FILE") {
        let text = std::fs::read_to_string(&path).map_err(|e| {
            Unopened::Refused(format!("`SOPS_AGE_KEY_FILE` names `{path}`, which cannot be read: {e}"))
        })?;
        add(&text, format!("`{path}`"))?;
    }
    if let Some(path) = user_file(&given) {
        match std::fs::read_to_string(&path) {
            Ok(text) => add(&text, shown(&path))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Unopened::Refused(format!("{} cannot be read: {e}", shown(&path)))),
        }
    }
    Ok((all, places))
}

fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}

/// Where sops keeps the keys of a user.
fn user_file(given: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = match given("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None if cfg!(target_os = "macos") => {
            PathBuf::from(given("HOME")?).join("Library/Application Support")
        }
        None => PathBuf::from(given("HOME")?).join(".config"),
    };
    Some(folder.join("sops/age/keys.txt"))
}

#[cfg(test)]
mod tests;
