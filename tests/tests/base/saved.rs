//! Saved plans: damage is always found, and a plan is the same after it was written and read.

use dtm_engine::plan::saved::Saved;
use dtm_tests::sandbox::Sandbox;
use std::path::Path;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(Path::new(env!("CARGO_BIN_EXE_dtm-under-test")));
    let program = "dts 1\n\ntool a[n in 0..20 by \"${n}\"]: core.Value { value = n }\n\ntool b: core.Value { value = [a[\"${n}\"].result for n in 0..20] }\n\noutput all = b.result\n";
    sandbox.write("main.dts", program);
    sandbox
}

#[test]
fn every_flipped_bit_and_every_cut_is_found() {
    let sandbox = sandbox();
    assert_eq!(sandbox.run(&["plan", "-o", "the.plan"]).code, 0);
    let path = sandbox.path().join("the.plan");
    let whole = std::fs::read(&path).expect("a plan");
    let damaged = sandbox.path().join("damaged.plan");
    let read = |bytes: &[u8]| {
        std::fs::write(&damaged, bytes).expect("written");
        Saved::read(&damaged)
    };
    assert!(read(&whole).is_ok());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(read(&bytes).is_err(), "byte {at} of {}", whole.len());
    }
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "{length} bytes of {}", whole.len());
    }
}

#[test]
fn a_plan_says_the_same_after_it_was_saved() {
    let sandbox = sandbox();
    let now = sandbox.run(&["plan", "--json", "-o", "the.plan"]);
    let then = sandbox.run(&["plan", "--json", "the.plan"]);
    assert_eq!((now.stdout, now.code), (then.stdout, then.code));
    assert_eq!(sandbox.run(&["apply", "-y", "-q", "the.plan"]).code, 0);
    assert!(sandbox.run(&["plan"]).stdout.contains("No changes"));
}
