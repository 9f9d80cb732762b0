//! The one limit of depth for values: in the program, in data files, on the wire, in a plugin's answers and in the state.
//! Source text may nest deeper, because parentheses and branches are not part of a value.

#![expect(clippy::wildcard_enum_match_arm, reason = "what else JSON has is of one kind here")]

use dtm_wire::{tag, unescape};
use serde_json::Value as Json;

/// How many lists and maps a value may have one inside the other. A scalar has none, `[[1]]` has two.
pub const MAX_DEPTH: usize = 64;

/// How many lists and maps a wire value has one inside the other; tags such as that of a secret do not
/// count. It stops counting one above [`MAX_DEPTH`], so that it is safe for a value of any depth.
pub fn depth(json: &Json) -> usize {
    measure(json, MAX_DEPTH + 1)
}

fn measure(json: &Json, most: usize) -> usize {
    let inside = |part: &Json| match most {
        0 => 0,
        _ => measure(part, most - 1),
    };
    match json {
        Json::Array(items) if most > 0 => 1 + items.iter().map(inside).max().unwrap_or(0),
        Json::Object(map) if tag(map).is_some() && !map.get("v").is_some_and(is_tagged) => {
            map.get("v").map_or(0, |v| measure(v, most))
        }
        Json::Object(map) if most > 0 => 1 + map.values().map(inside).max().unwrap_or(0),
        _ => 0,
    }
}

fn is_tagged(json: &Json) -> bool {
    json.as_object().and_then(tag).is_some()
}

/// Where a wire value is deeper than [`MAX_DEPTH`]: the path of the first list or map that is too deep, such as `.a[0].b`,
/// shortened to its first steps.
pub fn too_deep(json: &Json) -> Option<String> {
    if depth(json) <= MAX_DEPTH {
        return None;
    }
    let mut path = String::new();
    let mut at = json;
    for _ in 0..4 {
        let (step, next) = match at {
            Json::Object(map) if tag(map).is_some() => (String::new(), map.get("v")?),
            Json::Object(map) => {
                let (key, value) = map.iter().max_by_key(|(_, v)| depth(v))?;
                (format!(".{}", unescape(key)), value)
            }
            Json::Array(items) => {
                let (i, value) = items.iter().enumerate().max_by_key(|(_, v)| depth(v))?;
                (format!("[{i}]"), value)
            }
            _ => break,
        };
        path += &step;
        at = next;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, depth, too_deep};
    use dtm_wire::{TAG, secret};
    use serde_json::{Value as Json, json};

    fn nested(levels: usize) -> Json {
        (0..levels).fold(json!(1), |inner, i| if i % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
    }

    #[test]
    fn lists_and_maps_count_and_envelopes_do_not() {
        assert_eq!(depth(&json!(1)), 0);
        assert_eq!(depth(&json!([])), 1);
        assert_eq!(depth(&json!([[1], { "a": [2] }])), 3);
        assert_eq!(depth(&json!({ "a": secret(json!([1])) })), 2);
        assert_eq!(depth(&json!({ TAG: "sealed", "v": "x" })), 0);
    }

    #[test]
    fn what_is_one_level_too_deep_is_found_with_its_path() {
        assert_eq!(depth(&nested(MAX_DEPTH)), MAX_DEPTH);
        assert_eq!(too_deep(&nested(MAX_DEPTH)), None);
        assert_eq!(depth(&nested(500)), MAX_DEPTH + 1);
        assert_eq!(too_deep(&nested(MAX_DEPTH + 1)).as_deref(), Some("[0].a[0].a"));
        let deep = secret(nested(MAX_DEPTH));
        assert_eq!(too_deep(&deep), None);
        // An envelope in an envelope: nothing that dtm writes, and counted as a map.
        let twice = (0..200).fold(json!(1), |inner, _| secret(inner));
        assert_eq!(depth(&twice), MAX_DEPTH + 1);
    }
}
