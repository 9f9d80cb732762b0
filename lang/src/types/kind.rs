//! The kind of a tool: what a plugin's interface, or a component, declares of it. It is part of the types, because an
//! instance of a tool is of its kind, and a kind's inputs may take such instances.

use super::{FieldType, RecordType, Type};
use crate::maps::IndexMap;
use crate::source::{Span, Symbol};

/// A kind of tool.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    /// The plugin's name in its interface; empty for the kind that a component is.
    pub plugin: Symbol,
    /// The kind's name.
    pub name: Symbol,
    /// Its documentation.
    pub doc: Option<Symbol>,
    /// `@object("file")`: the kind of object that it manages. Kinds of one plugin that share it share identities.
    pub object: Option<Symbol>,
    /// `@keep(changed)`: deleting an object leaves in place what was changed outside of dtm.
    pub keeps_changed: bool,
    /// How an interrupted operation on it is resolved.
    pub recover: Recover,
    /// `@recover(ask, rerun = repeatable)`: other ways, for an object whose input is given and not `false`.
    pub recover_when: IndexMap<Symbol, Recover>,
    /// `@timeout(create = 10m)`: nanoseconds by verb.
    pub timeouts: IndexMap<Symbol, i64>,
    /// Its inputs.
    pub inputs: IndexMap<Symbol, Input>,
    /// Its outputs.
    pub outputs: IndexMap<Symbol, Output>,
    /// Where it is declared.
    pub span: Span,
}

impl Kind {
    /// `plugin.Kind`, or the name of a component.
    pub fn path(&self) -> String {
        match self.plugin.is_empty() {
            true => self.name.to_string(),
            false => format!("{}.{}", self.plugin, self.name),
        }
    }
    /// Whether it is the same kind; components of one name are not, when they are declared twice.
    pub fn is(&self, other: &Kind) -> bool {
        std::ptr::eq(self, other)
            || self.path() == other.path() && (!self.plugin.is_empty() || self.span == other.span)
    }
    /// The inputs as a record type.
    pub fn input_record(&self) -> RecordType {
        let fields = self.inputs.iter().map(|(n, i)| (n.clone(), i.field.clone())).collect();
        RecordType::new(fields, false)
    }
    /// The names of the natural key, in order.
    pub fn key_inputs(&self) -> impl Iterator<Item = &Symbol> {
        self.inputs.iter().filter(|(_, i)| i.key).map(|(n, _)| n)
    }
    /// How an interrupted creation is resolved for an object of which `given` tells the inputs that are there and not
    /// `false`.
    pub fn recovery(&self, given: impl Fn(&str) -> bool) -> Recover {
        let other = self.recover_when.iter().find(|(input, _)| given(input));
        other.map_or(self.recover, |(_, way)| *way)
    }
    /// Whether one of its inputs is of type `any`, so that a secret may hide in it and come back in an `any` output.
    pub fn any_outputs(&self) -> bool {
        self.outputs.values().any(|o| matches!(o.ty, Type::Any))
    }
}

/// An input of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Its type, default, documentation.
    pub field: FieldType,
    /// Part of the natural key.
    pub key: bool,
    /// A change replaces the object.
    pub immutable: bool,
    /// Never read back; kept only as a salted hash.
    pub write_only: bool,
    /// Which differences do not matter.
    pub same: Option<Same>,
    /// It names something that is read: a path is one from the module that writes it.
    pub source: Option<Source>,
}

/// An output of a kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its type.
    pub ty: Type,
    /// An update does not change it.
    pub stable: bool,
    /// Given at creation only.
    pub once: bool,
    /// It depends on where the project is, as an absolute path does: another value is no change of the object.
    pub local: bool,
    /// Its documentation.
    pub doc: Option<Symbol>,
    /// Where it is declared.
    pub span: Span,
}

/// `@recover(...)`: how an interrupted operation is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recover {
    /// The target knows our operation key.
    Op,
    /// By natural key.
    Key,
    /// Creating again does no harm.
    Rerun,
    /// By reading: the operation key is its id.
    Read,
    /// A person must say.
    Ask,
}

/// `@source`: which of the strings in an input are paths of what is read. An absolute path and an address never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `@source`: every other string.
    Any,
    /// `@source(dotted)`: one that begins with `./` or `../`; `repository/chart` is a name.
    Dotted,
}

/// `@same(...)`: differences that do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Same {
    /// The order of a list.
    Set,
    /// Upper and lower case.
    Case,
    /// How a JSON text is spaced and ordered.
    Json,
    /// Blanks at both ends.
    Trim,
    /// What the server fills in where nothing was asked for.
    Default,
}
