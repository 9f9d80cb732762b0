//! What a check finds out on the way, kept for editors: types of expressions, what names stand for, and what could
//! stand at the cursor.
//!
//! For completion the word under the cursor is replaced by [`CURSOR`]; where the checker meets it, it notes what is known
//! there. So what is offered is what the checker itself would take.

use super::{Checker, Def};
use crate::index::ModuleId;
use crate::source::{Span, Symbol};
use crate::types::{RecordType, Type};
use std::sync::Arc;

/// The word that stands for the cursor.
pub const CURSOR: &str = "dtm__cursor";

/// What a check found out.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The types of expressions.
    pub types: Vec<(Span, Type)>,
    /// What names stand for.
    pub uses: Vec<Use>,
    /// What is declared.
    pub definitions: Vec<Definition>,
    /// Expressions that are known only after apply, and those that are known before.
    pub deferred: Vec<(Span, bool)>,
    /// What could stand at the cursor.
    pub cursor: Option<Cursor>,
}

/// A name, and what it stands for.
#[derive(Clone, Debug)]
pub struct Use {
    /// Where it stands.
    pub at: Span,
    /// Where that is declared; none for what is built in.
    pub definition: Option<Span>,
    /// What it is, in a word: `let`, `param`, `input`, `builtin`.
    pub what: &'static str,
    /// Its type, or the signature of a function.
    pub ty: String,
    /// Its documentation.
    pub doc: Option<Symbol>,
}

/// A declaration.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name, where it is declared.
    pub at: Span,
    /// What it is.
    pub what: &'static str,
    /// Its type.
    pub ty: String,
    /// Its documentation.
    pub doc: Option<Symbol>,
}

/// A name that could be written.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name.
    pub name: Symbol,
    /// What it is.
    pub what: &'static str,
    /// Its type.
    pub ty: Type,
}

/// What could stand at the cursor.
#[derive(Clone, Debug)]
pub enum Cursor {
    /// A value: the names in scope, and the type that the place expects.
    Value {
        /// The names.
        names: Vec<Named>,
        /// The expected type.
        expected: Option<Type>,
    },
    /// A member of a value of this type.
    Member(Type),
    /// A name of a module.
    Module(Vec<Named>),
    /// A field of a record, an input of a tool.
    Field {
        /// The record.
        record: Arc<RecordType>,
        /// The fields that are written already.
        given: Vec<Symbol>,
        /// `field` or `input`.
        what: &'static str,
    },
    /// The text of a string.
    Text(Type),
    /// A type.
    Type(Vec<Symbol>),
    /// An option of `with`.
    Option(Vec<Symbol>),
}

impl Checker<'_> {
    pub(super) fn note_type(&mut self, span: Span, ty: &Type) {
        if let Some(facts) = &mut self.facts {
            facts.types.push((span, ty.clone()));
        }
    }

    /// Whether somebody wants to know where a name is used.
    pub(super) fn wants_uses(&self) -> bool {
        self.facts.is_some() || !self.deprecated.is_empty()
    }

    /// `ty` and `doc` are made only where somebody wants them: an ordinary check runs through here as well.
    pub(super) fn note_use(
        &mut self,
        at: Span,
        definition: Option<Span>,
        what: &'static str,
        ty: impl FnOnce() -> String,
        doc: impl FnOnce() -> Option<Symbol>,
    ) {
        if let Some(definition) = definition.filter(|_| !self.deprecated.is_empty()) {
            self.warn_deprecated(at, definition);
        }
        if let Some(facts) = &mut self.facts {
            facts.uses.push(Use { at, definition, what, ty: ty(), doc: doc() });
        }
    }

    pub(super) fn note_definition(
        &mut self,
        at: Span,
        what: &'static str,
        ty: impl FnOnce() -> String,
        doc: Option<Symbol>,
    ) {
        if let Some(facts) = &mut self.facts {
            facts.definitions.push(Definition { at, what, ty: ty(), doc });
        }
    }

    pub(super) fn note_cursor(&mut self, cursor: impl FnOnce(&Self) -> Cursor) {
        if self.facts.as_ref().is_some_and(|f| f.cursor.is_none()) {
            let found = cursor(self);
            if let Some(facts) = &mut self.facts {
                facts.cursor = Some(found);
            }
        }
    }

    /// Where something is declared, and what it is.
    pub(super) fn declared(&self, def: &Def, named: Span) -> (Option<Span>, &'static str) {
        match def {
            Def::Let(id) => (Some(self.lets[*id].name.span), "let"),
            Def::Param(id) => (Some(self.hir.params[*id].span), "param"),
            Def::Tool(id) => (Some(self.hir.tools[*id].span), "tool"),
            Def::Fn(id) => (Some(self.fns[*id].name.span), "fn"),
            Def::In(..) => (Some(named), "in"),
            Def::Module(id) => (Some(Span::new(self.modules[*id].file, 0, 0)), "module"),
            Def::Data(_) => (Some(named), "data"),
            Def::Error => (None, "unknown"),
        }
    }

    /// The names that a value could be, those of a module alone or with what is in scope.
    pub(super) fn values_of(&self, module: ModuleId) -> Vec<Named> {
        let mut all: Vec<Named> = self.modules[module]
            .values
            .iter()
            .filter(|(name, _)| &***name != CURSOR)
            .map(|(name, (def, _))| {
                let (what, ty) = match def {
                    Def::Let(id) => match &self.lets[*id].state {
                        super::Lazy::Done(ty) => ("let", ty.clone()),
                        super::Lazy::Todo | super::Lazy::Busy => ("let", Type::Error),
                    },
                    Def::Param(id) => ("param", self.hir.params[*id].ty.clone()),
                    Def::Tool(id) => ("tool", self.tool_type(*id)),
                    Def::Fn(_) => ("fn", Type::Error),
                    Def::In(component, at) => ("in", self.in_type(*component, *at)),
                    Def::Module(_) => ("module", Type::Error),
                    Def::Data(id) => ("data", self.data_types[*id].clone()),
                    Def::Error => ("unknown", Type::Error),
                };
                Named { name: name.clone(), what, ty }
            })
            .collect();
        if let Some(outer) = self.modules[module].inside {
            let (inner, closed) = (all.len(), self.modules[module].component.is_some());
            all.extend(self.values_of(outer));
            let own: Vec<Symbol> = all[..inner].iter().map(|n| n.name.clone()).collect();
            let mut at = 0;
            all.retain(|n| {
                at += 1;
                at <= inner || !own.contains(&n.name) && (!closed || !matches!(n.what, "param" | "tool"))
            });
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    pub(super) fn values_in_scope(&self, module: ModuleId) -> Vec<Named> {
        let locals = self.body.scope.iter().rev();
        let mut all: Vec<Named> =
            locals.map(|l| Named { name: l.name.clone(), what: "variable", ty: l.ty.clone() }).collect();
        all.extend(self.values_of(module));
        all
    }
}
