//! An encrypted file between the language, which reads its structure, and the loader, which has the keys.

use crate::source::Symbol;

/// An encrypted file, as the loader needs it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The key of the values, encrypted for each of these recipients.
    pub recipients: Vec<Recipient>,
    /// When it was encrypted, as it is written: the MAC is bound to it.
    pub last_modified: String,
    /// The encrypted MAC.
    pub mac: String,
    /// What the MAC is made of.
    pub covered: Covered,
    /// The values, in order.
    pub leaves: Vec<Leaf>,
}

/// One that may open the file.
#[derive(Clone, Debug)]
pub struct Recipient {
    /// Its public name: `age1...`
    pub name: String,
    /// The key of the values, encrypted for it: an armored age file.
    pub key: String,
}

/// The values that go into the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    /// All.
    All,
    /// Those that are encrypted.
    Encrypted,
}

/// A value of the file.
#[derive(Clone, Debug)]
pub enum Leaf {
    /// In clear.
    Clear(Plain),
    /// Encrypted: the path of its keys, to which it is bound, and its text, `ENC[...]`.
    Encrypted {
        /// The keys around it.
        path: Vec<Symbol>,
        /// Its text.
        text: Symbol,
    },
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// A boolean.
    Bool(bool),
}

/// Why a file is not opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Unopened {
    /// No key fits; where keys were found.
    NoKey(Vec<String>),
    /// The file is damaged, was changed, or needs what is not there.
    Refused(String),
}
