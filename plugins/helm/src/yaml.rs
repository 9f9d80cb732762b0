//! YAML that Helm reads and writes, as JSON values.

use dtm_plugin::serde_json::Value;
use serde::de::DeserializeOwned;

/// A document. The parser's limits are for configuration that people write; the index of a repository is larger.
///
/// # Errors
/// In words for a person, with the line.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|e| first_line(&e.to_string()))
}

/// All documents of a text, without the empty ones.
///
/// # Errors
/// In words for a person, with the line.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let all: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options()).map_err(|e| first_line(&e.to_string()))?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: None,
        with_snippet: false,
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtm_plugin::serde_json::json;

    #[test]
    fn documents_are_read_and_empty_ones_are_not() {
        let text = "---\n# Source: a\nkind: A\n---\n---\nkind: B\nports: [80, 1.5, \"x\", true]\n";
        let all = documents(text).expect("YAML");
        assert_eq!(all, [json!({ "kind": "A" }), json!({ "kind": "B", "ports": [80, 1.5, "x", true] })]);
        assert_eq!(documents(""), Ok(vec![]));
        assert!(read::<Value>("a: [").is_err());
    }
}
