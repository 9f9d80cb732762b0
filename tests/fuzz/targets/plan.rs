//! Whatever stands in a saved plan, it is carried out as a plan of its program or refused.
#![no_main]

use dtm_engine::plan::saved::Saved;
use dtm_engine::secret::Redactor;
use dtm_engine::state::Serial;
use dtm_engine::state::frame::encode;
use flate2::Compression;
use flate2::bufread::ZlibEncoder;
use libfuzzer_sys::fuzz_target;
use std::io::Read;

fuzz_target!(|bytes: &[u8]| {
    let _ = Saved::from_bytes(bytes);
    // Past the checksum and the packing, as if dtm had written it.
    let mut packed = vec![];
    ZlibEncoder::new(bytes, Compression::none()).read_to_end(&mut packed).expect("packed");
    let mut file = b"DTMP".to_vec();
    file.extend_from_slice(&encode(Serial(1), 0, &packed).0);
    let Ok(saved) = Saved::from_bytes(&file) else { return };
    let _ = saved.open(None, &Redactor::default()).map(|saved| dtm_fuzz::plan_of(&saved));
});
