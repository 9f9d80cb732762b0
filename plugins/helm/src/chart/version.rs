//! Versions of charts: exact ones, and ranges as Helm writes them.

use dtm_plugin::Failure;
use semver::{Version, VersionReq};

/// A version without the `v` that it may begin with: to Helm they are the same.
pub(crate) fn plain(version: &str) -> &str {
    version.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(version)
}

/// Which version is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// This one.
    Exact(Version),
    /// The newest that fits one of these.
    Range(Vec<VersionReq>),
}

impl Wanted {
    /// Of the input `version`: without it, the newest.
    ///
    /// # Errors
    /// When it is neither a version nor a range.
    pub(crate) fn of(version: Option<&str>) -> Result<Wanted, Failure> {
        let text = version.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("*");
        if let Ok(exact) = plain(text).parse() {
            return Ok(Wanted::Exact(exact));
        }
        let ranges: Option<Vec<VersionReq>> = text.split("||").map(range).collect();
        ranges.map(Wanted::Range).ok_or_else(|| {
            Failure::clean(format!(
                "`{text}` is neither a version nor a range of versions, such as `1.2.3` or `^1.2`"
            ))
            .input("version")
        })
    }

    /// The version that is wanted, where it is one.
    pub(crate) fn exact(&self) -> Option<String> {
        match self {
            Wanted::Exact(version) => Some(version.to_string()),
            Wanted::Range(_) => None,
        }
    }

    /// Whether a version is wanted.
    pub(crate) fn fits(&self, version: &str) -> bool {
        let Ok(version) = plain(version).parse::<Version>() else { return false };
        match self {
            Wanted::Exact(wanted) => *wanted == version,
            Wanted::Range(ranges) => ranges.iter().any(|range| range.matches(&version)),
        }
    }

    /// The newest of these that is wanted, without its `v`.
    pub(crate) fn newest(&self, versions: &[String]) -> Option<String> {
        let fitting = versions.iter().map(|text| plain(text)).filter(|text| self.fits(text));
        let newest = fitting.filter_map(|text| text.parse::<Version>().ok()).max()?;
        Some(newest.to_string())
    }
}

/// Parses a version range in Helm's syntax: comparators are separated by spaces or commas, and a partial version without an
/// operator matches every version with that prefix, so `1.2` matches `1.2.9`.
fn range(text: &str) -> Option<VersionReq> {
    let text = text.trim();
    if let Some((from, to)) = text.split_once(" - ") {
        return VersionReq::parse(&format!(">={}, <={}", plain(from.trim()), plain(to.trim()))).ok();
    }
    let mut parts: Vec<String> = vec![];
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        match parts.last_mut().filter(|last| last.ends_with(['=', '<', '>', '~', '^'])) {
            Some(last) => *last += plain(word),
            None => {
                let operator: String = word.chars().take_while(|c| "=<>~^!".contains(*c)).collect();
                let version = plain(&word[operator.len()..]);
                let numbers = version.split('.').count();
                parts.push(match (&*operator, numbers) {
                    ("", 1 | 2) if !version.contains(['*', 'x', 'X']) => format!("~{version}"),
                    ("", 3) if version.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                        format!("={version}")
                    }
                    ("", _) if version.contains(['x', 'X']) => version.to_lowercase().replace('x', "*"),
                    _ => format!("{operator}{version}"),
                });
            }
        }
    }
    VersionReq::parse(&parts.join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(wanted: &str) -> Option<String> {
        let versions = ["v0.9.0", "1.0.0", "1.2.0", "v1.2.9", "1.3.1", "2.0.0", "2.1.0-rc.1", "nightly"];
        Wanted::of(Some(wanted)).expect(wanted).newest(&versions.map(String::from))
    }

    #[test]
    fn ranges_are_those_of_helm() {
        for (wanted, found) in [
            ("", "2.0.0"),
            ("*", "2.0.0"),
            ("1.2.0", "1.2.0"),
            ("v1.2.0", "1.2.0"),
            ("1.2", "1.2.9"),
            ("1", "1.3.1"),
            ("1.2.x", "1.2.9"),
            ("^1.0", "1.3.1"),
            ("~1.2", "1.2.9"),
            (">=1.0 <1.3", "1.2.9"),
            (">= 1.0, < 1.3", "1.2.9"),
            ("1.0.0 - 1.2.0", "1.2.0"),
            ("^0.9 || ^1.2", "1.3.1"),
            ("2.1.0-rc.1", "2.1.0-rc.1"),
        ] {
            assert_eq!(newest(wanted).as_deref(), Some(found), "{wanted}");
        }
        assert_eq!(newest("^3"), None);
        assert!(Wanted::of(Some("latest")).is_err());
    }

    #[test]
    fn a_v_makes_no_other_version() {
        let wanted = Wanted::of(Some("v1.2.3")).expect("a version");
        assert!(wanted.fits("1.2.3") && wanted.fits("v1.2.3") && !wanted.fits("1.2.4"));
        assert_eq!((plain("v1"), plain("vault"), plain("1")), ("1", "vault", "1"));
    }
}
