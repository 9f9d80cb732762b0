//! Tokens one after the other are the text.
#![no_main]

use dtm_lang::{Diagnostics, FileId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(text) = dtm_fuzz::text(bytes) else { return };
    let tokens = dtm_lang::syntax::lexer::lex(FileId(0), text, &mut Diagnostics::default());
    let mut at = 0;
    for token in tokens {
        assert_eq!(token.span.start, at, "a gap");
        assert!(text.is_char_boundary(token.span.end as usize), "half a character");
        at = token.span.end;
    }
    assert_eq!(at as usize, text.len(), "the end is missing");
});
