//! Bytes on their way to a server: packed, because records of tools of one kind are much alike.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::io::Read;

/// Packs bytes.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    // Reading from memory into memory does not fail.
    let _ = ZlibEncoder::new(bytes, Compression::fast()).read_to_end(&mut out);
    out
}

/// Unpacks what was `length` bytes; `None` when it is anything else.
pub(super) fn unpack(bytes: &[u8], length: u64) -> Option<Vec<u8>> {
    let mut out = vec![];
    ZlibDecoder::new(bytes).take(length.saturating_add(1)).read_to_end(&mut out).ok()?;
    (out.len() as u64 == length).then_some(out)
}

/// Unpacks as much as can be: of what is damaged, the beginning.
pub(super) fn unpack_all(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    let _ = ZlibDecoder::new(bytes).take(LARGEST).read_to_end(&mut out);
    out
}

/// No object is larger.
const LARGEST: u64 = 1 << 30;

/// The end of a journal, as it is in memory and as it is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tail {
    frames: Vec<u8>,
    packed: Vec<u8>,
}

impl Tail {
    pub(super) fn new(frames: Vec<u8>) -> Tail {
        let packed = if frames.is_empty() { vec![] } else { pack(&frames) };
        Tail { frames, packed }
    }
    /// With a frame more.
    pub(super) fn with(&self, frame: &[u8]) -> Tail {
        Tail::new([&*self.frames, frame].concat())
    }
    /// The frames.
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames
    }
    /// How long it is where it is written.
    pub(super) fn written(&self) -> usize {
        self.packed.len()
    }
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
struct Form {
    bytes: u64,
    packed: String,
}

impl Serialize for Tail {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Form { bytes: self.frames.len() as u64, packed: STANDARD.encode(&self.packed) }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Tail {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let form = Form::deserialize(from)?;
        let packed = STANDARD.decode(&form.packed).map_err(serde::de::Error::custom)?;
        let frames = unpack(&packed, form.bytes);
        let frames =
            frames.ok_or_else(|| serde::de::Error::custom("its newest records cannot be unpacked"))?;
        Ok(Tail { frames, packed })
    }
}
