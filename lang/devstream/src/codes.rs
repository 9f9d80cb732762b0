//! The codes of what is wrong with a configuration of DevStream.

use dtm_lang::Code;

macro_rules! codes {
    ($($name:ident)*) => {
        $(pub(crate) const $name: Code =
            Code::new(stringify!($name), include_str!(concat!("codes/", stringify!($name), ".md")));)*

        /// All of them, in order.
        pub(crate) const ALL: &[Code] = &[$($name),*];
    };
}

codes! { E0140 E0141 W0140 }
