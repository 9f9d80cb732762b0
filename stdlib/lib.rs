//! What is embedded in dtm. [`EXAMPLES`] are tested like everything else and are what `dtm new` writes.

/// An example, which is also a starter.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// Its name.
    pub name: &'static str,
    /// What it shows, in one line: the first documentation comment of its `main.dts`.
    pub title: &'static str,
    /// Path and text of each file.
    pub files: &'static [(&'static str, &'static str)],
}

include!(concat!(env!("OUT_DIR"), "/examples.rs"));
