//! The decoding builtins: text in a program, read like an imported file. Positions are lines and columns of
//! the text, which is not a file of the program.

use super::{Format, UNREADABLE, typed, yaml};
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::source::Sources;
use crate::types::Type;
use crate::value::Value;

/// How many problems of one text are reported.
const TOLD: usize = 5;

/// Why a text cannot be decoded.
#[derive(Debug)]
pub(crate) struct Undecodable {
    /// What is wrong, with the line and column of each problem.
    pub(crate) why: String,
    /// The position of the first, which is shown even for a secret.
    pub(crate) place: String,
}

/// The value of a text, as one of `ty`, with warnings.
pub(crate) fn decode(format: Format, text: &str, ty: &Type) -> Result<(Value, Vec<String>), Undecodable> {
    let mut sources = Sources::default();
    let file = sources.add("text", text);
    let place = |d: &Diagnostic| {
        let start = d.primary.as_ref().map_or(0, |label| label.span.start);
        let (line, column) = sources.file(file).line_column(start);
        format!("line {line}, column {column}")
    };
    let mut diags = Diagnostics::default();
    let value = match format.nodes(file, text).and_then(yaml::merged) {
        Ok(node) => typed(&node, ty, None, &mut diags),
        Err(d) => {
            diags.push(*d);
            Value::error()
        }
    };
    let shown = |d: &Diagnostic| {
        let headline = d.headline.strip_prefix(UNREADABLE).unwrap_or(&d.headline);
        format!("{}: {headline}", place(d))
    };
    let errors: Vec<&Diagnostic> = diags.iter().filter(|d| d.severity() == Severity::Error).collect();
    match errors.first() {
        None => Ok((value, diags.iter().map(shown).collect())),
        Some(first) => {
            let mut why: Vec<String> = errors.iter().take(TOLD).map(|d| shown(d)).collect();
            if errors.len() > TOLD {
                why.push(format!("and {} more", errors.len() - TOLD));
            }
            Err(Undecodable { why: why.join("; "), place: place(first) })
        }
    }
}
