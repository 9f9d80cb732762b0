//! Addresses: of a tool as the engine knows it, and of tools, families and components as people type them.

use crate::names::shared_text;
use std::collections::{BTreeMap, BTreeSet};

shared_text! {
    /// The address of a tool: `ci`, `svc["cart"]`, `shop/db`.
    ToolAddr
}

/// Whether an address is `outer`, a member of the family `outer`, or inside of the component `outer`.
pub fn within(addr: &str, outer: &str) -> bool {
    addr.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
}

/// Converts what a user typed to an address: a shell removes the quotes of `site["eu"]` and leaves
/// `site[eu]`.
pub fn typed(text: &str) -> String {
    if dtm_lang::syntax::is_address(text) {
        return text.to_string();
    }
    let mut out = String::with_capacity(text.len() + 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        let Some((key, more)) = after.split_once(']') else { break };
        let key = key.strip_prefix('\'').and_then(|k| k.strip_suffix('\'')).unwrap_or(key);
        let quoted = if key.starts_with('"') { key.to_string() } else { dtm_lang::value::quote(key) };
        out.push_str(&format!("{before}[{quoted}]"));
        rest = more;
    }
    out.push_str(rest);
    if dtm_lang::syntax::is_address(&out) { out } else { text.to_string() }
}

/// The valid names for these tools: their addresses, and the families and components that they are in.
pub fn names<'a>(addrs: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let ends = |addr: &'a str| addr.match_indices(['[', '/']).map(|(end, _)| end).chain([addr.len()]);
    // A key may hold these characters too; what is cut inside of one is not an address.
    let is_name = |name: &&str| dtm_lang::syntax::is_address(name);
    addrs.into_iter().flat_map(|addr| ends(addr).map(|end| &addr[..end]).filter(is_name)).collect()
}

/// The entries that an address names: the tool of that address, the members of a family, what is inside a component.
pub fn named<'m, T>(all: &'m BTreeMap<ToolAddr, T>, outer: &str) -> Vec<(&'m ToolAddr, &'m T)> {
    all.range(ToolAddr::from(outer)..)
        .take_while(|(addr, _)| addr.starts_with(outer))
        .filter(|(addr, _)| within(addr, outer))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_without_quotes_get_them() {
        for (text, meant) in [
            ("repo", "repo"),
            ("repo[a]", "repo[\"a\"]"),
            ("repo['a b']", "repo[\"a b\"]"),
            ("repo[\"a\"]/db", "repo[\"a\"]/db"),
            ("shop[eu]/db[1]", "shop[\"eu\"]/db[\"1\"]"),
            ("no such [tool", "no such [tool"),
        ] {
            assert_eq!(typed(text), meant);
        }
    }

    #[test]
    fn families_and_components_are_named_too() {
        let all = names(["site[\"a/b\"]/db", "site[\"c\"]", "shop/db", "one"]);
        let all: Vec<&str> = all.into_iter().collect();
        assert_eq!(
            all,
            ["one", "shop", "shop/db", "site", "site[\"a/b\"]", "site[\"a/b\"]/db", "site[\"c\"]"]
        );
    }

    #[test]
    fn a_name_stands_for_its_members_and_not_for_longer_names() {
        let all: BTreeMap<ToolAddr, ()> = ["repo[\"a\"]", "repo[\"b\"]/db", "repo_2", "shop", "shop/db"]
            .map(|a| (ToolAddr::from(a), ()))
            .into();
        let names = |outer: &str| named(&all, outer).into_iter().map(|(a, ())| a.clone()).collect::<Vec<_>>();
        assert_eq!(names("repo"), ["repo[\"a\"]", "repo[\"b\"]/db"]);
        assert_eq!(names("repo[\"b\"]"), ["repo[\"b\"]/db"]);
        assert_eq!(names("shop"), ["shop", "shop/db"]);
        assert!(names("rep").is_empty());
    }
}
