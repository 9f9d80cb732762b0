//! Names that cross the borders of modules, each of a type of its own.

/// A type of text whose copies share one allocation; written, it is that text.
macro_rules! shared_text {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        /// Copies share one text; written, it is that text.
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                self
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&**self, f)
            }
        }

        impl From<std::sync::Arc<str>> for $name {
            fn from(text: std::sync::Arc<str>) -> $name {
                $name(text)
            }
        }

        impl From<&std::sync::Arc<str>> for $name {
            fn from(text: &std::sync::Arc<str>) -> $name {
                $name(text.clone())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                $name(text.into())
            }
        }

        impl From<&String> for $name {
            fn from(text: &String) -> $name {
                $name(text.as_str().into())
            }
        }

        impl From<$name> for std::sync::Arc<str> {
            fn from(name: $name) -> std::sync::Arc<str> {
                name.0
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }

        impl From<&$name> for String {
            fn from(name: &$name) -> String {
                name.to_string()
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                **self == *other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                **self == **other
            }
        }

        impl PartialEq<String> for $name {
            fn eq(&self, other: &String) -> bool {
                **self == **other
            }
        }
    };
}
pub(crate) use shared_text;

shared_text! {
    /// The name of a plugin in a program and a state: `core`.
    PluginName
}

shared_text! {
    /// The name of a kind in its plugin: `File` of `core.File`.
    KindName
}
