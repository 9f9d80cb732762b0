//! What the kit found out.

use serde::Serialize;

/// What every plugin keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// It says what it is.
    Hello,
    /// It refuses versions of the protocol that it does not speak.
    Version,
    /// Each of its kinds has a case, and each that can be changed a change.
    Coverage,
    /// What it does not know is an error.
    Unknown,
    /// Garbage does not end it.
    Garbage,
    /// Calls at the same time are all answered.
    Parallel,
    /// Secrets are tagged, and in no log.
    Secrets,
    /// `validate` takes what is right, unknown values too, and touches nothing.
    Validate,
    /// Inputs that do not fit make nothing.
    Misfit,
    /// A cancelled operation ends.
    Cancel,
    /// An operation whose deadline passed ends.
    Deadline,
    /// `create` gives an id and the outputs of the interface.
    Create,
    /// `create` with the same operation key returns the object that the first call created.
    SameOp,
    /// `find` gives what was made, and nothing else.
    Find,
    /// `find_many` answers as `find` does.
    FindMany,
    /// `place` gives one identity.
    Place,
    /// `preview` touches nothing.
    Preview,
    /// `list` names what is there, and nothing that is gone.
    List,
    /// After an apply, a plan is empty.
    SecondPlan,
    /// `read_many` answers as `read` does.
    ReadMany,
    /// `plan` touches nothing and is right.
    Plan,
    /// `update` gives the outputs of the interface.
    Update,
    /// Outputs that an update does not change.
    Stable,
    /// An `update` can be done again.
    UpdateAgain,
    /// `delete` removes.
    Delete,
    /// What was deleted is absent.
    Absent,
    /// What is absent is deleted already.
    DeleteAgain,
}

impl Rule {
    /// What an author has to do.
    pub fn advice(self) -> &'static str {
        match self {
            Rule::Hello => "the name, kinds and interface of `hello` are those of the interface file",
            Rule::Version => {
                "`hello` with versions that the plugin does not speak is an error, so that a later engine can tell"
            }
            Rule::Coverage => {
                "write a case for each kind, and a `change` of each that has an input that can change"
            }
            Rule::Unknown => "an unknown method, kind or configuration is an error, and changes nothing",
            Rule::Garbage => {
                "a line that is not a message is answered with an error or not at all, and the process keeps running"
            }
            Rule::Parallel => "requests run at the same time, and every one is answered under its own id",
            Rule::Secrets => {
                "a secret leaves the plugin only tagged: never in an id, a log, an error, progress or a plain output"
            }
            Rule::Validate => {
                "`validate` is offline and without side effects, and an unknown value may become a right one"
            }
            Rule::Misfit => {
                "an input that is missing or of another type is an error, before anything is touched"
            }
            Rule::Cancel => {
                "a cancelled operation ends within 5 seconds with its own answer, and says what it left behind"
            }
            Rule::Deadline => {
                "an operation that is cancelled at its deadline ends within 5 seconds, and says what it left behind"
            }
            Rule::Create => "`create` gives an id, and each output with the type that the interface says",
            Rule::SameOp => {
                "`create` with an operation key that was used already returns the object that the first call created"
            }
            Rule::Find => "`find` gives the ids of the objects with this natural key: none, one or many",
            Rule::FindMany => "`find_many` answers each call as `find` does, in the order of the calls",
            Rule::Place => "`place` gives the same identity every time",
            Rule::Preview => "`preview` changes nothing, and accepts what `create` accepts",
            Rule::List => {
                "`list` gives each object with its id and the key by which `find` finds it; where to look, if it must be told, is the output `within` of the cases, by tool"
            }
            Rule::SecondPlan => {
                "what `create` and `update` return and what `read` returns come from the same code, so that a second plan is empty"
            }
            Rule::ReadMany => "`read_many` answers each call as `read` does, in the order of the calls",
            Rule::Plan => "`plan` is pure, takes unknown values, and what it says of outputs comes true",
            Rule::Update => "`update` gives each output with the type that the interface says",
            Rule::Stable => "an output that is `@stable` is the same after an update",
            Rule::UpdateAgain => "an interrupted `update` is repeated, and must be repeatable",
            Rule::Delete => "`delete` removes what `read` and `find` then do not see any more",
            Rule::Absent => {
                "`read` answers `absent` where the target says that there is nothing, not an error"
            }
            Rule::DeleteAgain => "deleting what is absent succeeds",
        }
    }

    /// Its name: `second-plan`.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|v| v.as_str().map(String::from)).unwrap_or_default()
    }
}

/// How it was with one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome", content = "why")]
pub enum Outcome {
    /// The plugin keeps it.
    Held,
    /// The plugin breaks it, and how.
    Broken(String),
    /// It could not be tried, and why.
    NotTried(String),
}

/// One rule on one subject.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The plugin's name, or the address of a case and its kind: `cart: Repo`.
    pub subject: String,
    /// The rule.
    pub rule: Rule,
    /// How it was.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All that was found out, in the order in which it was tried.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The plugin's name and version, as it says itself.
    pub plugin: String,
    /// Each rule on each subject, once.
    pub verdicts: Vec<Verdict>,
}

impl Report {
    /// Notes how it was. A rule that was broken once stays broken, with its first reason.
    pub(super) fn note(&mut self, subject: &str, rule: Rule, outcome: Outcome) {
        match self.verdicts.iter_mut().find(|v| v.subject == subject && v.rule == rule) {
            Some(v) if matches!(outcome, Outcome::Broken(_)) && !matches!(v.outcome, Outcome::Broken(_)) => {
                v.outcome = outcome;
            }
            Some(v) if matches!(v.outcome, Outcome::NotTried(_)) => v.outcome = outcome,
            Some(_) => {}
            None => self.verdicts.push(Verdict { subject: subject.into(), rule, outcome }),
        }
    }

    /// Notes whether a rule was kept; gives back what was found out on the way.
    pub(super) fn hold<T>(&mut self, subject: &str, rule: Rule, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => {
                self.note(subject, rule, Outcome::Held);
                Some(value)
            }
            Err(why) => {
                self.note(subject, rule, Outcome::Broken(why));
                None
            }
        }
    }

    /// The rules that are broken.
    pub fn broken(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|v| matches!(v.outcome, Outcome::Broken(_)))
    }

    /// Whether nothing is broken.
    pub fn passed(&self) -> bool {
        self.broken().next().is_none()
    }
}
