//! Values that JSON has not: secrets, sizes and durations, as the wire writes them.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A secret: tagged on the wire, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret<T>(pub T);

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = serde_json::to_value(&self.0).map_err(serde::ser::Error::custom)?;
        dtm_wire::secret(inner).serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if dtm_wire::is_secret(&value) {
            value = value.get_mut("v").map(Value::take).unwrap_or(Value::Null);
        }
        serde_json::from_value(value).map(Secret).map_err(D::Error::custom)
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Size(pub i64);

/// A duration in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Nanoseconds(pub i64);

const SIZES: [(&str, i64); 11] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("B", 1),
];

const DURATIONS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("w", 604_800_000_000_000),
];

/// Adds up `1h30m`; units are told apart by the letters up to the next digit.
fn units(text: &str, table: &[(&str, i64)]) -> Option<i64> {
    let (mut rest, sign) = text.strip_prefix('-').map_or((text, 1), |r| (r, -1));
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|i| *i > 0)?;
        let letters = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |i| i + digits);
        let factor = table.iter().find(|(u, _)| *u == &rest[digits..letters])?.1;
        total = total.checked_add(rest[..digits].parse::<i64>().ok()?.checked_mul(factor)?)?;
        rest = &rest[letters..];
    }
    Some(total * sign)
}

macro_rules! text_form {
    ($name:ident, $table:ident, $unit:literal) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let shortest = $table
                    .iter()
                    .filter(|(_, f)| self.0 != 0 && self.0 % f == 0)
                    .map(|(u, f)| format!("{}{u}", self.0 / f))
                    .min_by_key(String::len);
                shortest.unwrap_or_else(|| concat!("0", $unit).to_string()).serialize(serializer)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                units(&text, &$table)
                    .map($name)
                    .ok_or_else(|| D::Error::custom(format!("`{text}` has no known unit")))
            }
        }
    };
}

text_form!(Size, SIZES, "B");
text_form!(Nanoseconds, DURATIONS, "s");
