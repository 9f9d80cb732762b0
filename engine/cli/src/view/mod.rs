//! What a person sees: values, plans, progress, summaries. Pure text; the commands write it.

mod change;
pub mod conformance;
pub mod drift;
mod families;
pub mod json;
mod live;
pub mod page;
pub mod paper;
pub mod plan;
pub mod progress;
pub mod summary;
pub mod value;

/// `1 tool`, `2 tools`
pub fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
