//! What a server answers that is no object, as a failure of an operation.

use crate::settings::chain;
use dtm_plugin::Failure;
use kube::Error;
use kube::core::Status;
use std::time::Duration;

/// Why a request gave no object.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The server says why.
    Status(Box<Status>),
    /// The server could not be reached, or its answer was lost.
    Unreachable(String),
    /// No request was sent: there are no credentials, or the request cannot be written.
    NotSent(String),
}

/// One reason in a [`Status`]: a field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its machine-readable name: `FieldValueInvalid`, `FieldManagerConflict`.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// The field, as `spec.selector`.
    pub field: String,
}

impl From<Error> for Fault {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are of what was sent")]
    fn from(error: Error) -> Fault {
        match error {
            Error::Api(status) => Fault::Status(status),
            Error::HyperError(e) => Fault::Unreachable(chain(&e)),
            Error::Service(e) => match e.downcast::<Error>() {
                Ok(inner) => Fault::from(*inner),
                Err(e) => Fault::Unreachable(chain(&*e)),
            },
            Error::ReadEvents(e) => Fault::Unreachable(chain(&e)),
            other => Fault::NotSent(chain(&other)),
        }
    }
}

impl Fault {
    /// The HTTP status; 0 where no answer came.
    pub fn code(&self) -> u16 {
        match self {
            Fault::Status(status) => status.code,
            Fault::Unreachable(_) | Fault::NotSent(_) => 0,
        }
    }
    /// What the server says.
    pub fn message(&self) -> &str {
        match self {
            Fault::Status(status) => &status.message,
            Fault::Unreachable(why) | Fault::NotSent(why) => why,
        }
    }
    /// The kind of thing that it is about: `namespaces` where the namespace of an object does not exist.
    pub fn about(&self) -> &str {
        match self {
            Fault::Status(status) => status.details.as_ref().map_or("", |details| &details.kind),
            Fault::Unreachable(_) | Fault::NotSent(_) => "",
        }
    }
    /// Its causes, field by field.
    pub fn causes(&self) -> Vec<Cause> {
        let Fault::Status(status) = self else { return vec![] };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes
            .map(|c| Cause { reason: c.reason.clone(), message: c.message.clone(), field: c.field.clone() })
            .collect()
    }
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            Fault::Status(status) => {
                matches!(status.code, 429 | 502 | 503 | 504) || status.reason == "ServerTimeout"
            }
            Fault::Unreachable(_) => true,
            Fault::NotSent(_) => false,
        }
    }
    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        let Fault::Status(status) = self else { return None };
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }
    /// As the failure of an operation that may be repeated, as server-side apply and deletes with a UID are.
    pub fn failure(&self, doing: &str) -> Failure {
        let message = format!("{doing}: {}", self.explained());
        match self.is_passing() {
            true => Failure::retryable(message, self.retry_after()),
            false => Failure::clean(message),
        }
    }
    /// What the server says, with what helps.
    pub fn explained(&self) -> String {
        let said = self.message().trim();
        match (self, self.code()) {
            (Fault::Unreachable(why), _) => {
                format!("the cluster cannot be reached: {}", dtm_plugin::in_words(why))
            }
            (Fault::NotSent(why), _) => dtm_plugin::in_words(why),
            (_, 401) => "the cluster refuses the credentials: they are wrong, or have expired".into(),
            (_, 403) => match can_i(said) {
                Some(command) => format!("{said}; check your rights with `{command}`"),
                None => said.to_string(),
            },
            (_, code) if said.is_empty() => format!("the cluster answers {code}"),
            _ => plain(said),
        }
    }
}

/// What the server says of a field that its kind does not have, without the names of its own types: `failed to create typed patch
/// object (dtm/p; /v1, Kind=Pod): .spec.contaners: field not declared in schema`.
fn plain(said: &str) -> String {
    let inner =
        said.strip_prefix("failed to create typed patch object (").and_then(|rest| rest.split_once("): "));
    let told = |line: &str| match line.trim().strip_suffix(": field not declared in schema") {
        Some(field) => format!("the kind has no field `{}`", field.trim_start_matches('.')),
        None => line.trim().to_string(),
    };
    let lines = inner.map_or(said, |(_, rest)| rest).lines().filter(|line| line.trim() != "errors:");
    lines.map(told).collect::<Vec<_>>().join("; ")
}

/// The command that checks the right that a refusal is about: `User "x" cannot list resource "pods" in API group "" in the
/// namespace "y"`.
fn can_i(refusal: &str) -> Option<String> {
    let (_, rest) = refusal.split_once(" cannot ")?;
    let (verb, rest) = rest.split_once(" resource \"")?;
    let (resource, rest) = rest.split_once('"')?;
    let group = rest
        .split_once("API group \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("", |(group, _)| group);
    let namespace = rest
        .split_once("in the namespace \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(name, _)| name);
    let resource = if group.is_empty() { resource.to_string() } else { format!("{resource}.{group}") };
    let namespace = namespace.map_or(String::new(), |name| format!(" -n {name}"));
    Some(format!("kubectl auth can-i {verb} {resource}{namespace}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_does_not_exist_is_named_in_plain_words() {
        let said = "failed to create typed patch object (dtm/p; /v1, Kind=Pod): .spec.contaners: field not declared in schema";
        assert_eq!(plain(said), "the kind has no field `spec.contaners`");
        let two = "failed to create typed patch object (a/b; /v1, Kind=Pod): errors:\n  .a: field not declared in schema\n  .b: field not declared in schema";
        assert_eq!(plain(two), "the kind has no field `a`; the kind has no field `b`");
        assert_eq!(
            plain("admission webhook \"w\" denied the request: no"),
            "admission webhook \"w\" denied the request: no"
        );
    }

    #[test]
    fn a_refusal_comes_with_the_command_that_checks_it() {
        let said = "deployments.apps is forbidden: User \"least\" cannot patch resource \"deployments\" in API group \"apps\" in the namespace \"shop\"";
        assert_eq!(can_i(said).as_deref(), Some("kubectl auth can-i patch deployments.apps -n shop"));
        let said = "namespaces is forbidden: User \"least\" cannot create resource \"namespaces\" in API group \"\" at the cluster scope";
        assert_eq!(can_i(said).as_deref(), Some("kubectl auth can-i create namespaces"));
        assert_eq!(can_i("a webhook says no"), None);
    }
}
