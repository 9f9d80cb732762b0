//! Frames of the journal: one for each batch of records.
//!
//! ```text
//! magic "DTMJ" | sequence u64 | length u32 | previous CRC u32 | header CRC u32 | payload | payload CRC u32
//! ```
//!
//! All numbers little-endian. A bad frame is *torn* only if no valid frame follows anywhere after it; else it is
//! corruption.

use crate::state::Serial;

const MAGIC: &[u8; 4] = b"DTMJ";
const HEADER: usize = 24;

/// A frame as it was read.
pub struct Frame<'a> {
    /// Its number.
    pub sequence: Serial,
    /// What it holds.
    pub payload: &'a [u8],
    /// The CRC of its payload, which the next one repeats.
    pub crc: u32,
    /// How many bytes it takes.
    pub length: usize,
}

/// Writes a frame.
pub fn encode(sequence: Serial, previous: u32, payload: &[u8]) -> (Vec<u8>, u32) {
    let mut out = Vec::with_capacity(HEADER + payload.len() + 4);
    out.extend_from_slice(payload);
    enclose(sequence, previous, out)
}

/// Makes a frame of its payload, in the memory of the payload: that of a snapshot is as large as the state.
pub fn enclose(sequence: Serial, previous: u32, payload: Vec<u8>) -> (Vec<u8>, u32) {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&sequence.0.to_le_bytes());
    header.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    header.extend_from_slice(&previous.to_le_bytes());
    header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
    let crc = crc32fast::hash(&payload);
    let mut out = payload;
    out.reserve_exact(HEADER + 4);
    drop(out.splice(0..0, header));
    out.extend_from_slice(&crc.to_le_bytes());
    (out, crc)
}

/// Reads the frame at the start of the bytes; `None` when there is no valid one.
pub fn decode(bytes: &[u8]) -> Option<(Frame<'_>, u32)> {
    let number = |at: usize| bytes.get(at..at + 4).and_then(|b| Some(u32::from_le_bytes(b.try_into().ok()?)));
    if bytes.get(..4)? != MAGIC || crc32fast::hash(bytes.get(..20)?) != number(20)? {
        return None;
    }
    let sequence = Serial(u64::from_le_bytes(bytes.get(4..12)?.try_into().ok()?));
    let length = number(12)? as usize;
    let previous = number(16)?;
    let payload = bytes.get(HEADER..HEADER.checked_add(length)?)?;
    let crc = number(HEADER + length)?;
    (crc32fast::hash(payload) == crc)
        .then_some((Frame { sequence, payload, crc, length: HEADER + length + 4 }, previous))
}

/// How a journal ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With a whole frame.
    Clean,
    /// With bytes from this offset on that are no frame: a write that was cut.
    Torn(usize),
    /// At this offset is no frame, and valid ones follow.
    Corrupt(usize),
}

/// All frames in order, and how they end.
pub fn read_all(bytes: &[u8]) -> (Vec<Frame<'_>>, End) {
    let mut frames: Vec<Frame<'_>> = vec![];
    let mut at = 0;
    while at < bytes.len() {
        let expected = frames.last().map(|f| (f.sequence.next(), f.crc));
        match decode(&bytes[at..]) {
            Some((frame, previous)) if expected.is_none_or(|(s, c)| s == frame.sequence && c == previous) => {
                at += frame.length;
                frames.push(frame);
            }
            _ => {
                let later = (at + 1..bytes.len())
                    .any(|i| bytes[i..].starts_with(MAGIC) && decode(&bytes[i..]).is_some());
                // A whole frame that does not fit the one before it is no torn write either.
                let whole = decode(&bytes[at..]).is_some();
                return (frames, if later || whole { End::Corrupt(at) } else { End::Torn(at) });
            }
        }
    }
    (frames, End::Clean)
}

/// How many whole frames there are from a damaged place on.
pub fn whole_after(bytes: &[u8], damaged: usize) -> usize {
    let (mut at, mut found) = (damaged, 0);
    while at < bytes.len() {
        match Some(&bytes[at..]).filter(|rest| rest.starts_with(MAGIC)).and_then(decode) {
            Some((frame, _)) => {
                found += 1;
                at += frame.length;
            }
            None => at += 1,
        }
    }
    found
}
