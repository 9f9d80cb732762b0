//! A journal of any payloads is read back as it was written; damage anywhere costs nothing that stands before it; records
//! that can be read can be applied, and what comes of them can be kept.
#![no_main]

use dtm_engine::state::frame::{End, encode, read_all};
use dtm_engine::state::{Record, Serial, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (frames, end) = read_all(bytes);
    let whole: usize = frames.iter().map(|f| f.length).sum();
    match end {
        End::Clean => assert_eq!(whole, bytes.len()),
        End::Torn(at) | End::Corrupt(at) => assert_eq!(whole, at),
    }
    // The first two bytes say where it is damaged, the lines after them are payloads.
    let Some((place, payloads)) = bytes.split_first_chunk::<2>() else { return };
    let (mut journal, mut crc, mut ends) = (vec![], 0, vec![]);
    let payloads: Vec<&[u8]> = payloads.split(|b| *b == b'\n').collect();
    for (i, payload) in payloads.iter().enumerate() {
        let (frame, next) = encode(Serial(i as u64 + 1), crc, payload);
        journal.extend_from_slice(&frame);
        crc = next;
        ends.push(journal.len());
    }
    let (frames, end) = read_all(&journal);
    assert!(end == End::Clean && frames.iter().map(|f| f.payload).eq(payloads.iter().copied()));
    let mut state = State::default();
    for frame in &frames {
        let records: Vec<Record> = serde_json::from_slice(frame.payload).unwrap_or_default();
        records.into_iter().for_each(|r| state.apply(r));
    }
    let kept: State = serde_json::from_value(state.to_json()).expect("what was applied can be kept");
    assert_eq!(kept, state);
    let at = usize::from(u16::from_le_bytes(*place)) % journal.len();
    journal[at] ^= 1;
    let before = ends.iter().filter(|end| **end <= at).count();
    let (frames, _) = read_all(&journal);
    assert_eq!(frames.len(), before, "exactly what stands before the damage is there");
});
