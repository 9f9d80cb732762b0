//! Files written here in the format of sops, whole and damaged. What sops itself has written is in the suite
//! `lang/stored-secrets`.

use super::age::{self, Identity};
use super::*;
use dtm_lang::sealed::Recipient;

// Test keys: their bytes read `dtm test key, not a secret 00001` and `...2`.
const KEY: &str = "AGE-SECRET-KEY-1V36X6GR5V4EHGGRTV4UJCGRWDA6ZQCFQWDJKXUN9WSSRQVPSXQCS2HZYZS";
const OTHER: &str = "AGE-SECRET-KEY-1V36X6GR5V4EHGGRTV4UJCGRWDA6ZQCFQWDJKXUN9WSSRQVPSXQEQST9XU9";
const DATA_KEY: [u8; 32] = [5; 32];
const MODIFIED: &str = "2030-01-02T03:04:05Z";

fn identity(text: &str) -> Identity {
    Identity::all(text).expect("a key").pop().expect("one key")
}

fn encrypted(plain: &str, kind: &str, bound: &str) -> String {
    let cipher = Cipher::new(&DATA_KEY).expect("32 bytes");
    let iv = [4; 32];
    let nonce = <&Nonce<U32>>::try_from(&iv[..]).expect("32 bytes");
    let sealed =
        cipher.0.encrypt(nonce, Payload { msg: plain.as_bytes(), aad: bound.as_bytes() }).expect("it fits");
    let (data, tag) = sealed.split_at(sealed.len() - 16);
    let text = |bytes: &[u8]| STANDARD.encode(bytes);
    format!("ENC[AES256_GCM,data:{},iv:{},tag:{},type:{kind}]", text(data), text(&iv), text(tag))
}

fn leaf(path: &[&str], plain: &str, kind: &str) -> Leaf {
    let bound: String = path.iter().map(|p| format!("{p}:")).collect();
    Leaf::Encrypted {
        path: path.iter().map(|p| (*p).into()).collect(),
        text: encrypted(plain, kind, &bound).into(),
    }
}

/// A file of these values, whose MAC is made of `covering`.
fn file(leaves: Vec<Leaf>, covering: &[&[u8]]) -> Sealed {
    let mut mac = Sha512::new();
    covering.iter().for_each(|part| mac.update(part));
    let mac: String = mac.finalize().iter().map(|b| format!("{b:02X}")).collect();
    Sealed {
        recipients: vec![Recipient {
            name: "age1test".into(),
            key: age::write::encrypt(&DATA_KEY, &identity(KEY)),
        }],
        last_modified: MODIFIED.into(),
        mac: encrypted(&mac, "str", MODIFIED),
        covered: Covered::All,
        leaves,
    }
}

fn good() -> Sealed {
    let leaves = vec![
        leaf(&["a", "text"], "ü", "str"),
        leaf(&["a", "int"], "-5", "int"),
        leaf(&["float"], "0.25", "float"),
        leaf(&["whole"], "3", "float"),
        leaf(&["yes"], "True", "bool"),
        Leaf::Clear(Plain::Text("clear".into())),
        Leaf::Clear(Plain::Bool(false)),
        Leaf::Clear(Plain::Float(1.0)),
    ];
    file(leaves, &["ü".as_bytes(), b"-5", b"0.25", b"3", b"True", b"clear", b"False", b"1"])
}

fn with(vars: &[(&str, &str)], file: &Sealed) -> Result<Vec<Plain>, Unopened> {
    let vars: Vec<(String, String)> = vars.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    open(file, &|name| vars.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
}

fn why(file: &Sealed) -> String {
    match with(&[("SOPS_AGE_KEY", KEY)], file) {
        Err(Unopened::Refused(why)) => why,
        other => panic!("it is not refused: {other:?}"),
    }
}

#[test]
fn every_type_is_opened() {
    let values = with(&[("SOPS_AGE_KEY", KEY)], &good()).expect("it is opened");
    let text = Plain::Text("ü".into());
    let wanted = vec![text, Plain::Int(-5), Plain::Float(0.25), Plain::Int(3), Plain::Bool(true)];
    assert_eq!(values, wanted);
}

#[test]
fn keys_are_found_in_every_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sops/age/keys.txt");
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    std::fs::write(&path, format!("# created: 2030\n\n{OTHER}\n{KEY}\n")).expect("a file");
    let (home, file) = (folder.path().display().to_string(), path.display().to_string());
    assert!(with(&[("XDG_CONFIG_HOME", &home)], &good()).is_ok());
    assert!(with(&[("SOPS_AGE_KEY_FILE", &file)], &good()).is_ok());
    assert!(with(&[("SOPS_AGE_KEY", &format!("{OTHER}\n{KEY}"))], &good()).is_ok());
    // One key that does not fit hides none that does.
    assert!(with(&[("SOPS_AGE_KEY", OTHER), ("XDG_CONFIG_HOME", &home)], &good()).is_ok());
    let config = folder.path().join(".config");
    std::fs::create_dir(&config).expect("a folder");
    std::fs::rename(folder.path().join("sops"), config.join("sops")).expect("moved");
    assert!(with(&[("HOME", &home)], &good()).is_ok());
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(with(&[], &good()), Err(Unopened::NoKey(vec![])));
    assert_eq!(with(&[("SOPS_AGE_KEY", "")], &good()), Err(Unopened::NoKey(vec![])));
    assert_eq!(
        with(&[("SOPS_AGE_KEY", OTHER)], &good()),
        Err(Unopened::NoKey(vec!["`SOPS_AGE_KEY`".into()]))
    );
    let refused = |key: &str| match with(&[("SOPS_AGE_KEY", key)], &good()) {
        Err(Unopened::Refused(why)) => why,
        other => panic!("it is not refused: {other:?}"),
    };
    assert!(refused("# a comment\nage1abc").contains("a public key, which cannot decrypt, in line 2"));
    assert!(refused("AGE-PLUGIN-YUBIKEY-1XX").contains("a kind that dtm does not support"));
    // A key with one letter changed; the message shows none of it.
    let broken = KEY.replace("V36X6", "V36X7");
    assert_eq!(refused(&broken), "`SOPS_AGE_KEY` holds a line that is not an age key in line 1");
    assert!(matches!(with(&[("SOPS_AGE_KEY_FILE", "/nowhere")], &good()), Err(Unopened::Refused(_))));
}

#[test]
fn every_change_is_found() {
    let mut moved = good();
    moved.leaves.swap(0, 1);
    assert!(why(&moved).contains("its MAC does not match"), "two values changed places with their keys");

    let mut renamed = good();
    renamed.leaves[0] = match renamed.leaves[0].clone() {
        Leaf::Encrypted { text, .. } => Leaf::Encrypted { path: vec!["b".into()], text },
        clear => clear,
    };
    assert_eq!(why(&renamed), "the value of `b` is not what was encrypted there");

    let mut fewer = good();
    fewer.leaves.remove(2);
    assert!(why(&fewer).contains("its MAC does not match"));

    let mut clear = good();
    clear.leaves[5] = Leaf::Clear(Plain::Text("changed".into()));
    assert!(why(&clear).contains("its MAC does not match"));

    // In the place of an encrypted value one in clear.
    let mut replaced = good();
    replaced.leaves[0] = Leaf::Clear(Plain::Text("mine".into()));
    assert!(why(&replaced).contains("its MAC does not match"));

    let later = Sealed { last_modified: "2031-01-01T00:00:00Z".into(), ..good() };
    assert!(why(&later).contains("its MAC does not match"));
    let none = Sealed { mac: String::new(), ..good() };
    assert!(why(&none).contains("its MAC does not match"));
    let other = Sealed { covered: Covered::Encrypted, ..good() };
    assert!(why(&other).contains("its MAC does not match"));
}

#[test]
fn a_mac_of_encrypted_values_covers_those_only() {
    let leaves = || vec![leaf(&["a"], "x", "str"), Leaf::Clear(Plain::Text("free".into()))];
    let only = |leaves| Sealed { covered: Covered::Encrypted, ..file(leaves, &[&ONLY_ENCRYPTED, b"x"]) };
    assert_eq!(with(&[("SOPS_AGE_KEY", KEY)], &only(leaves())), Ok(vec![Plain::Text("x".into())]));
    let mut replaced = leaves();
    replaced[0] = Leaf::Clear(Plain::Text("mine".into()));
    assert!(why(&only(replaced)).contains("its MAC does not match"));
}

#[test]
fn a_damaged_age_file_is_refused() {
    let sound = age::write::encrypt(&DATA_KEY, &identity(KEY));
    let decoded =
        |text: &str| STANDARD.decode(text.lines().filter(|l| !l.starts_with('-')).collect::<String>());
    let file = decoded(&sound).expect("base64");
    let armored = |bytes: &[u8]| {
        format!(
            "-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----",
            STANDARD.encode(bytes)
        )
    };
    assert_eq!(age::decrypt(&sound, &identity(KEY)), Ok(Some(DATA_KEY.to_vec())));
    assert_eq!(age::decrypt(&sound, &identity(OTHER)), Ok(None));
    // Whatever byte is changed or cut away, the key never comes out.
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(!matches!(age::decrypt(&armored(&changed), &identity(KEY)), Ok(Some(_))), "byte {at}");
        assert!(!matches!(age::decrypt(&armored(&file[..at]), &identity(KEY)), Ok(Some(_))), "cut at {at}");
    }
    assert!(age::decrypt("", &identity(KEY)).is_err());
    assert!(age::decrypt(&sound.replace("-----END", "----END"), &identity(KEY)).is_err());
}
