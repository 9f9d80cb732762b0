//! The registry of codes of `.dts`: one line each. A code is never reused; its page is what `dtm explain` shows.

use super::Severity;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A diagnostic's code: its id, and the page that explains it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    id: &'static str,
    page: &'static str,
}

impl Code {
    /// A code, `E` for an error or `W` for a warning and four digits, with its page in Markdown.
    pub const fn new(id: &'static str, page: &'static str) -> Code {
        Code { id, page }
    }
    /// As it is written: `E0301`.
    pub fn id(self) -> &'static str {
        self.id
    }
    /// The page that explains it, in Markdown.
    pub fn page(self) -> &'static str {
        self.page
    }
    /// Codes that begin with `W` are warnings.
    pub fn severity(self) -> Severity {
        if self.id.starts_with('W') { Severity::Warning } else { Severity::Error }
    }
    /// What it is about: the codes of a topic share their first two digits.
    pub fn topic(self) -> &'static str {
        match self.id.get(1..3) {
            Some("00") => "Text and tokens",
            Some("01") => "Grammar",
            Some("02") => "Names, modules and plugins",
            Some("03") => "Types",
            Some("04") => "Values",
            Some("05") => "Order",
            Some("06") => "Planning and applying",
            Some("07") => "Plugins",
            Some("08") => "State",
            _ => "The command line",
        }
    }
}

impl Hash for Code {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

macro_rules! codes {
    ($($name:ident)*) => {
        #[allow(missing_docs)]
        impl Code {
            $(pub const $name: Code =
                Code::new(stringify!($name), include_str!(concat!("codes/", stringify!($name), ".md")));)*
        }

        /// The codes of `.dts`, in order.
        pub const CODES: &[Code] = &[$(Code::$name),*];
    };
}

// Withdrawn, and not used again: E0114.
codes! {
    E0001 E0002 E0003 E0004 E0006 E0007 E0008 E0009
    E0101 E0102 E0103 E0104 E0105 E0108 E0109 E0110 E0111 E0112 E0113 E0115 E0116 E0117 E0118 E0119 E0120 E0121
    E0122 E0123 E0124 E0125 E0126 E0127 E0128 E0129 E0130 E0131 E0132 E0133 E0134 E0135 E0136 E0137
    E0201 E0202 E0203 E0204 E0205 E0206 E0207 E0208 E0210 E0211 E0212 E0213 E0214 E0215 E0216 E0217 E0218 E0219 E0220
    E0301 E0302 E0303 E0304 E0305 E0306 E0307 E0308 E0309 E0310 E0311 E0312 E0313 E0314 E0315 E0316 E0317 E0318 E0319
    E0320 E0321
    E0401 E0402 E0403 E0404 E0405 E0406 E0407 E0409 E0410 E0411 E0412 E0413 E0415 E0416 E0417 E0418 E0419
    E0501
    E0601 E0602 E0603 E0604 E0605 E0606 E0607 E0608 E0609 E0610 E0611 E0612 E0613 E0614 E0615 E0616 E0617
    E0701 E0702 E0703 E0704 E0705 E0707 E0708
    E0801 E0802 E0803 E0804 E0805 E0806 E0807 E0808 E0809 E0810 E0811 E0812
    E0901 E0902 E0903 E0904
    W0101 W0102
    W0301 W0302 W0303
    W0401 W0402
    W0501
}
