//! Writes what [`super::decrypt`] reads, for tests.

use super::{BEGIN, END, Identity, VERSION, derive};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;

fn seal(key: &[u8; 32], nonce: [u8; 12], plain: &[u8]) -> Vec<u8> {
    ChaCha20Poly1305::new(&Key::from(*key)).encrypt(&Nonce::from(nonce), plain).expect("it fits")
}

/// An armored file for one identity, after stanzas of other kinds.
pub(in crate::sops) fn encrypt(plain: &[u8], identity: &Identity) -> String {
    let file_key = [7; 16];
    let ours = PrivateKey::from_private_key(&X25519, &[9; 32]).expect("32 bytes");
    let share = ours.compute_public_key().expect("a public key").as_ref().to_vec();
    let salt = [&*share, &*identity.public].concat();
    let theirs = UnparsedPublicKey::new(&X25519, &*identity.public);
    let wrap = agree(&ours, theirs, (), |shared| derive(&salt, shared, "age-encryption.org/v1/X25519"));
    let body = seal(&wrap.expect("they agree"), [0; 12], &file_key);
    let other = STANDARD_NO_PAD.encode([1; 48]);
    let header = format!(
        "{VERSION}\n-> other word\n{other}\n\n-> X25519 {}\n{}\n---",
        STANDARD_NO_PAD.encode(&share),
        STANDARD_NO_PAD.encode(body)
    );
    let key = derive(&[], &file_key, "header").expect("a key");
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).expect("any length");
    mac.update(header.as_bytes());
    let mac = STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
    let (nonce, mut last) = ([3; 16], [0; 12]);
    last[11] = 1;
    let payload = seal(&derive(&nonce, &file_key, "payload").expect("a key"), last, plain);
    let file = [format!("{header} {mac}\n").as_bytes(), &nonce, &payload].concat();
    let text = STANDARD.encode(file);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("ASCII")).collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
}
