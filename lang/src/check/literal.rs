//! Records, maps and lists as they are written.

use super::facts::{CURSOR, Cursor};
use super::{Checker, node};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Expr, ExprKind as H, MapEntry};
use crate::index::ModuleId;
use crate::maps::{HashMap, IndexMap};
use crate::source::{Span, Symbol};
use crate::syntax::ast::{self, Element, Entry, ExprKind as A};
use crate::types::{FieldType, RecordType, Type, fits};
use crate::value::Value;
use std::borrow::Cow;
use std::sync::Arc;

impl Checker<'_> {
    /// The value of a field, the short form included.
    pub(super) fn entry_value<'e>(name: &ast::Name, value: &'e Option<ast::Expr>) -> Cow<'e, ast::Expr> {
        match value {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(ast::Expr { span: name.span, kind: Box::new(A::Name(name.text.clone())) }),
        }
    }

    /// Whether a literal has only named fields and spreads of records, so that its fields are known.
    fn is_static(entries: &[Entry]) -> bool {
        entries.iter().all(|e| !matches!(e, Entry::Computed(..)))
    }

    pub(super) fn infer_record(&mut self, module: ModuleId, span: Span, entries: &[Entry]) -> (Expr, Type) {
        if !Self::is_static(entries) {
            return self.infer_map(module, span, entries);
        }
        // A field that a spread gives has no place of its own.
        let mut fields: IndexMap<Symbol, FieldType> =
            IndexMap::with_capacity_and_hasher(entries.len(), Default::default());
        let mut parts: Vec<(Symbol, Expr)> = Vec::with_capacity(entries.len());
        let put =
            |parts: &mut Vec<(Symbol, Expr)>, at: usize, name: &Symbol, expr: Expr| match parts.get_mut(at) {
                Some(part) => part.1 = expr,
                None => parts.push((name.clone(), expr)),
            };
        for entry in entries {
            match entry {
                Entry::Field { name, value, .. } => {
                    let (expr, ty) = self.infer(module, &Self::entry_value(name, value));
                    let field = FieldType { ty, default: None, span: Some(name.span), doc: None };
                    let (at, before) = fields.insert_full(name.text.clone(), field);
                    if let Some(first) = before.and_then(|f| f.span) {
                        self.twice(name, first);
                    }
                    put(&mut parts, at, &name.text, expr);
                }
                Entry::Spread(base) => {
                    let (expr, ty) = self.infer(module, base);
                    match &ty {
                        Type::Record(r) if !r.open => {
                            for (name, field) in &r.fields {
                                let part = H::Field { base: expr.clone(), name: name.clone(), safe: false };
                                let span = fields.get(name).and_then(|f| f.span);
                                let field =
                                    FieldType { ty: field.ty.clone(), default: None, span, doc: None };
                                let (at, _) = fields.insert_full(name.clone(), field);
                                put(&mut parts, at, name, node(base.span, part));
                            }
                        }
                        Type::Error => {}
                        Type::Any
                        | Type::Null
                        | Type::Bool
                        | Type::Int
                        | Type::Float
                        | Type::String
                        | Type::Duration
                        | Type::Size
                        | Type::Lit(_)
                        | Type::List(_)
                        | Type::Map(_)
                        | Type::Record(_)
                        | Type::Union(_)
                        | Type::Secret(_)
                        | Type::Refined(_)
                        | Type::Tool(_)
                        | Type::Var(_) => return self.infer_map(module, span, entries),
                    }
                }
                Entry::Computed(..) | Entry::Error(_) => {}
            }
        }
        (node(span, H::Record(parts)), Type::record(fields))
    }

    /// A field is written once; spreads may give it besides.
    fn once(&mut self, name: &ast::Name, written: &mut HashMap<Symbol, Span>) {
        if let Some(first) = written.insert(name.text.clone(), name.span) {
            self.twice(name, first);
        }
    }

    fn twice(&mut self, name: &ast::Name, first: Span) {
        let d = Diagnostic::new(Code::E0312, format!("the field `{}` is written twice", name.text));
        self.diags.push(d.at(name.span, "again here").also(first, "first here"));
    }

    /// A literal with computed keys, or a spread of a map: its type is a map.
    fn infer_map(&mut self, module: ModuleId, span: Span, entries: &[Entry]) -> (Expr, Type) {
        let mut of: Option<Type> = None;
        let mut written: HashMap<Symbol, Span> = HashMap::default();
        let mut join = |c: &mut Self, ty: Type| {
            let ty = ty.widen();
            of = Some(match of.take() {
                None => ty,
                Some(old) => c.join_types(old, ty),
            });
        };
        let mut parts = vec![];
        for entry in entries {
            match entry {
                Entry::Field { name, value, .. } => {
                    self.once(name, &mut written);
                    let (expr, ty) = self.infer(module, &Self::entry_value(name, value));
                    join(self, ty);
                    parts.push(MapEntry::Entry(
                        node(name.span, H::Const(Value::string(name.text.clone()))),
                        expr,
                    ));
                }
                Entry::Computed(key, value) => {
                    let key = self.key(module, key);
                    let (expr, ty) = self.infer(module, value);
                    join(self, ty);
                    parts.push(MapEntry::Entry(key, expr));
                }
                Entry::Spread(base) => {
                    let (expr, ty) = self.infer(module, base);
                    match self.element_types(&ty, 1, base.span).pop() {
                        Some(Type::Error) | None => {}
                        Some(t) => join(self, t),
                    }
                    parts.push(MapEntry::Spread(expr));
                }
                Entry::Error(_) => {}
            }
        }
        (node(span, H::Map(parts)), Type::map(of.unwrap_or(Type::Any)))
    }

    fn key(&mut self, module: ModuleId, key: &ast::Expr) -> Expr {
        let (expr, ty) = self.infer(module, key);
        if ty.has_secret() {
            self.error(Code::E0304, key.span, "a secret cannot be a key", "keys are shown");
        } else if !fits(&ty, &Type::String) {
            self.error(
                Code::E0301,
                key.span,
                format!("expected `string`, found `{ty}`"),
                format!("this is `{ty}`"),
            );
        }
        expr
    }

    pub(super) fn infer_list(&mut self, module: ModuleId, span: Span, elements: &[Element]) -> (Expr, Type) {
        let mut of: Option<Type> = None;
        let mut parts = vec![];
        for element in elements {
            let (expr, ty, spread) = match element {
                Element::One(e) => {
                    let (expr, ty) = self.infer(module, e);
                    (expr, ty.widen(), false)
                }
                Element::Spread(e) => {
                    let (expr, ty) = self.infer(module, e);
                    (expr, self.element_types(&ty, 1, e.span).pop().unwrap_or(Type::Error), true)
                }
            };
            of = Some(match of.take() {
                None => ty,
                Some(old) => self.join_types(old, ty),
            });
            parts.push((expr, spread));
        }
        if of.as_ref().is_some_and(Type::is_mixed_number) {
            let ty = Type::list(Type::Float);
            let expr = node(span, H::Convert(node(span, H::List(parts)), Arc::new(ty.clone())));
            return (expr, ty);
        }
        // An empty list fits every list.
        (node(span, H::List(parts)), Type::list(of.unwrap_or(Type::Error)))
    }

    /// A literal in a place that expects a collection; `None` when the place expects something else.
    pub(super) fn check_collection(
        &mut self,
        module: ModuleId,
        expr: &ast::Expr,
        ty: &Type,
        why: Option<Span>,
    ) -> Option<Expr> {
        let span = expr.span;
        match (&*expr.kind, ty) {
            (A::Record(entries), Type::Record(r)) if Self::is_static(entries) => {
                let fields = self.check_fields(module, span, entries, r, why, "field");
                let extra = fields.into_iter().collect::<Vec<_>>();
                Some(node(span, H::Record(extra)))
            }
            (A::Record(entries), Type::Map(of)) => {
                let mut parts = vec![];
                let mut written: HashMap<Symbol, Span> = HashMap::default();
                for entry in entries {
                    match entry {
                        Entry::Field { name, value, .. } => {
                            self.once(name, &mut written);
                            let key = node(name.span, H::Const(Value::string(name.text.clone())));
                            let value = self.check_expr(module, &Self::entry_value(name, value), of, why);
                            parts.push(MapEntry::Entry(key, value));
                        }
                        Entry::Computed(key, value) => {
                            let key = self.key(module, key);
                            parts.push(MapEntry::Entry(key, self.check_expr(module, value, of, why)));
                        }
                        Entry::Spread(base) => {
                            parts.push(MapEntry::Spread(self.check_expr(module, base, ty, why)))
                        }
                        Entry::Error(_) => {}
                    }
                }
                Some(node(span, H::Map(parts)))
            }
            (A::MapComp { key, value, clause }, Type::Map(of)) => {
                let (depth, facts) = (self.body.scope.len(), self.body.narrowed.len());
                let clause = self.clause(module, clause);
                let key = self.key(module, key);
                let value = self.check_expr(module, value, of, why);
                self.body.scope.truncate(depth);
                self.body.narrowed.truncate(facts);
                Some(node(span, H::MapComp { key, value, clause: clause.into() }))
            }
            (A::List(elements), Type::List(of)) => {
                let parts = elements.iter().map(|element| match element {
                    Element::One(expr) => (self.check_expr(module, expr, of, why), false),
                    Element::Spread(expr) => (self.check_expr(module, expr, ty, why), true),
                });
                let parts = parts.collect();
                Some(node(span, H::List(parts)))
            }
            (A::ListComp { body, clause }, Type::List(of)) => {
                let (depth, facts) = (self.body.scope.len(), self.body.narrowed.len());
                let clause = self.clause(module, clause);
                let body = self.check_expr(module, body, of, why);
                self.body.scope.truncate(depth);
                self.body.narrowed.truncate(facts);
                Some(node(span, H::ListComp { body, clause: clause.into() }))
            }
            (A::Record(entries), Type::Union(members)) => {
                let fit = self.choose_member(entries, members);
                fit.and_then(|member| self.check_collection(module, expr, &member, why))
            }
            (A::List(_) | A::ListComp { .. }, Type::Union(members)) => {
                let mut lists = members.iter().filter(|t| matches!(t, Type::List(_)));
                let (first, more) = (lists.next()?.clone(), lists.next().is_some());
                if more { None } else { self.check_collection(module, expr, &first, why) }
            }
            (A::MapComp { .. }, Type::Union(members)) => {
                let map = members.iter().find(|t| matches!(t, Type::Map(_)))?.clone();
                self.check_collection(module, expr, &map, why)
            }
            _ => None,
        }
    }

    /// The one record or map of a union that a literal is meant for: by its literal fields, then by its names.
    fn choose_member(&self, entries: &[Entry], members: &[Type]) -> Option<Type> {
        let fields: Vec<(&Symbol, Option<Type>)> = entries
            .iter()
            .filter_map(|e| match e {
                Entry::Field { name, value, .. } => {
                    Some((&name.text, value.as_ref().and_then(super::ty::literal)))
                }
                Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => None,
            })
            .collect();
        let candidates: Vec<&Type> =
            members.iter().filter(|t| matches!(t, Type::Record(_) | Type::Map(_))).collect();
        if candidates.len() <= 1 {
            return candidates.first().map(|t| (*t).clone());
        }
        let tags_fit = |r: &RecordType| {
            fields.iter().all(|(name, given)| match (r.fields.get(*name), given) {
                (Some(f), Some(given)) if is_tag(&f.ty) => fits(given, &f.ty),
                _ => true,
            })
        };
        let knows = |r: &RecordType| fields.iter().all(|(n, _)| r.open || r.fields.contains_key(*n));
        let whole = |r: &RecordType| {
            r.fields.iter().all(|(n, f)| f.may_be_absent() || fields.iter().any(|(given, _)| *given == n))
        };
        let by_tag: Vec<&&Type> = candidates
            .iter()
            .filter(|t| matches!(t, Type::Record(r) if tags_fit(r)) || matches!(t, Type::Map(_)))
            .collect();
        let find = |test: &dyn Fn(&RecordType) -> bool| {
            by_tag.iter().find(|t| matches!(t, Type::Record(r) if test(r)))
        };
        let by_name = find(&|r| knows(r) && whole(r)).or_else(|| find(&knows));
        by_name.or(by_tag.first()).map(|t| (**t).clone())
    }

    /// The fields of a literal against a record type: unknown, missing and repeated ones are found here; absent
    /// ones get their default.
    pub(super) fn check_fields(
        &mut self,
        module: ModuleId,
        span: Span,
        entries: &[Entry],
        record: &Arc<RecordType>,
        why: Option<Span>,
        what: &'static str,
    ) -> IndexMap<Symbol, Expr> {
        let mut given: IndexMap<Symbol, Expr> = IndexMap::default();
        let mut written: HashMap<Symbol, Span> = HashMap::default();
        let mut broken = false;
        let mut misspelt: Vec<Symbol> = vec![];
        for entry in entries {
            match entry {
                Entry::Field { name, value, .. } => {
                    self.once(name, &mut written);
                    if &*name.text == CURSOR {
                        let names = names_of(entries).filter(|name| &***name != CURSOR).cloned();
                        self.note_cursor(|_| Cursor::Field {
                            record: record.clone(),
                            given: names.collect(),
                            what,
                        });
                        continue;
                    }
                    if let Some(field) = record.fields.get(&name.text) {
                        self.note_use(
                            name.span,
                            field.span,
                            what,
                            || field.ty.to_string(),
                            || field.doc.clone(),
                        );
                    }
                    let value = Self::entry_value(name, value);
                    let expr = match record.fields.get(&name.text) {
                        Some(field) => {
                            // A defaulted or optional field takes null only where its type does.
                            self.check_expr(module, &value, &field.ty, field.span.or(why))
                        }
                        None if record.open => self.infer(module, &value).0,
                        None => {
                            // A misspelt field is not missing as well.
                            let near = crate::diag::nearest(&name.text, free(record, entries));
                            misspelt.extend(near.map(Symbol::from));
                            self.unknown_field(name, (record, entries), why, what);
                            self.infer(module, &value);
                            continue;
                        }
                    };
                    given.insert(name.text.clone(), expr);
                }
                Entry::Spread(base) => {
                    let (expr, ty) = self.infer(module, base);
                    let Type::Record(from) = &ty else {
                        broken = true;
                        if !matches!(ty, Type::Error) {
                            let d = Diagnostic::new(Code::E0301, format!("expected a record, found `{ty}`"));
                            self.diags.push(d.at(base.span, format!("this is `{ty}`")));
                        }
                        continue;
                    };
                    for (name, field) in &from.fields {
                        let part =
                            node(base.span, H::Field { base: expr.clone(), name: name.clone(), safe: false });
                        let part = match record.fields.get(name) {
                            Some(to) if fits(&field.ty, &to.ty) => self.convert(part, &field.ty, &to.ty),
                            Some(to) => {
                                let headline = format!(
                                    "the {what} `{name}` of this spread is `{}`, expected `{}`",
                                    field.ty, to.ty
                                );
                                self.error(Code::E0301, base.span, headline, "spread here");
                                Expr::error(base.span)
                            }
                            None if record.open => part,
                            None => {
                                let headline = format!(
                                    "this spread brings the {what} `{name}`, which is not known here"
                                );
                                self.error(Code::E0303, base.span, headline, "spread here");
                                continue;
                            }
                        };
                        given.insert(name.clone(), part);
                    }
                }
                Entry::Computed(key, _) => {
                    self.error(
                        Code::E0303,
                        key.span,
                        format!(
                            "the name of {} cannot be computed here",
                            if what == "input" { "an input" } else { "a field" }
                        ),
                        "names are written out here",
                    );
                    broken = true;
                }
                Entry::Error(_) => broken = true,
            }
        }
        let missing: Vec<&Symbol> = record
            .fields
            .iter()
            .filter(|(n, f)| !f.may_be_absent() && !given.contains_key(*n) && !misspelt.contains(n))
            .map(|(n, _)| n)
            .collect();
        if !missing.is_empty() && !broken {
            self.missing_fields(span, &missing, record, why, what);
        }
        let mut out: IndexMap<Symbol, Expr> = IndexMap::default();
        for (name, field) in &record.fields {
            let expr = match (given.shift_remove(name), field.default) {
                (Some(expr), _) => expr,
                (None, Some(default)) => node(span, H::Default(default)),
                (None, None) if field.ty.is_nullable() => node(span, H::Const(Value::null())),
                (None, None) => Expr::error(span),
            };
            out.insert(name.clone(), expr);
        }
        out.extend(given);
        out
    }
    fn unknown_field(
        &mut self,
        name: &ast::Name,
        (record, entries): (&RecordType, &[Entry]),
        why: Option<Span>,
        what: &str,
    ) {
        let code = match &*name.text {
            "depends_on"
            | "dependsOn"
            | "count"
            | "for_each"
            | "lifecycle"
            | "provisioner"
            | "provider"
            | "create_before_destroy"
            | "prevent_destroy"
            | "ignore_changes"
                if what == "input" =>
            {
                Code::E0317
            }
            "after" | "protect" | "ignore" | "replace" | "retries" | "timeout" | "using"
                if what == "input" =>
            {
                Code::E0318
            }
            _ => Code::E0303,
        };
        let diagnostic = Diagnostic::new(code, format!("unknown {what} `{}`", name.text))
            .at(name.span, format!("unknown {what}"));
        let diagnostic = match &*name.text {
            "depends_on" | "dependsOn" if what == "input" => diagnostic.help(
                "dtm infers the order from references; to order tools without one, write `with { after = [...] }`",
            ),
            option @ ("after" | "protect" | "ignore" | "replace" | "retries" | "timeout" | "using")
                if what == "input" =>
            {
                diagnostic.help(format!("an option of a tool follows its inputs: `with {{ {option} = ... }}`"))
            }
            "timeouts" if what == "input" => {
                diagnostic.help("an option of a tool follows its inputs: `with { timeout = 10m }`")
            }
            "lifecycle" if what == "input" => diagnostic.help(
                "the options of a tool follow its inputs: `with { protect = true, ignore = [NAME], replace = \"create-first\" }`",
            ),
            "create_before_destroy" if what == "input" => diagnostic.help(
                "an option of a tool follows its inputs: `with { replace = \"create-first\" }`",
            ),
            "prevent_destroy" if what == "input" => {
                diagnostic.help("an option of a tool follows its inputs: `with { protect = true }`")
            }
            "ignore_changes" if what == "input" => {
                diagnostic.help("an option of a tool follows its inputs: `with { ignore = [NAME] }`")
            }
            "provisioner" if what == "input" => {
                diagnostic.help("a command is a tool of its own: `tool NAME: core.Exec { create = [\"sh\", \"-c\", \"...\"] }`")
            }
            "provider" if what == "input" => {
                diagnostic.help("a configuration is chosen after the inputs: `with { using = NAME }`")
            }
            "count" | "for_each" if what == "input" => {
                diagnostic.help("write `tool name[x in xs by key]: ...` for one tool per element")
            }
            _ => diagnostic.nearest(&name.text, free(record, entries)),
        };
        let diagnostic = match (why, diagnostic.help.is_empty()) {
            (_, true) if !record.fields.is_empty() => {
                let all: Vec<String> = record.fields.keys().map(|k| format!("`{k}`")).collect();
                diagnostic.note(format!("known here: {}", all.join(", ")))
            }
            _ => diagnostic,
        };
        self.diags.push(match why {
            Some(span) => diagnostic.also(span, "expected because of this"),
            None => diagnostic,
        });
    }

    fn missing_fields(
        &mut self,
        span: Span,
        missing: &[&Symbol],
        record: &RecordType,
        why: Option<Span>,
        what: &str,
    ) {
        let list: Vec<String> = missing.iter().map(|n| format!("`{n}`")).collect();
        let plural = if missing.len() == 1 { "" } else { "s" };
        let open = Span { end: (span.start + 1).min(span.end), ..span };
        let mut diagnostic =
            Diagnostic::new(Code::E0302, format!("missing {what}{plural} {}", list.join(", ")))
                .at(open, "in this record");
        for name in missing.iter().take(3) {
            if let Some(at) = record.fields[*name].span {
                diagnostic = diagnostic.also(at, format!("`{name}` is declared here, without a default"));
            }
        }
        if let (Some(at), true) = (why, diagnostic.secondary.is_empty()) {
            diagnostic = diagnostic.also(at, "required by this");
        }
        let text: Vec<String> =
            missing.iter().map(|n| format!(" {n} = {},", sample(&record.fields[*n].ty))).collect();
        self.diags.push(diagnostic.fix("add what is missing", open.after(), text.concat()));
    }
}

/// Whether a field of this type tells records apart: all its values are literals.
pub(super) fn is_tag(ty: &Type) -> bool {
    ty.members().iter().all(|t| matches!(t, Type::Lit(_)))
}

/// A value to begin with.
fn sample(ty: &Type) -> String {
    match ty {
        Type::Bool => "false".into(),
        Type::Int => "0".into(),
        Type::Float => "0.0".into(),
        Type::Duration => "10s".into(),
        Type::Size => "1MiB".into(),
        Type::List(_) => "[]".into(),
        Type::Map(_) | Type::Record(_) => "{}".into(),
        Type::Lit(l) => l.to_string(),
        Type::Union(m) => sample(&m[0]),
        Type::Secret(t) => sample(t),
        Type::Any
        | Type::Null
        | Type::String
        | Type::Refined(_)
        | Type::Tool(_)
        | Type::Var(_)
        | Type::Error => "\"\"".into(),
    }
}

/// The names of the fields that a record literal gives.
fn names_of(entries: &[Entry]) -> impl Iterator<Item = &Symbol> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Field { name, .. } => Some(&name.text),
        Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => None,
    })
}

/// The fields that are still to be given: what a misspelt name can stand for.
fn free<'r>(record: &'r RecordType, entries: &'r [Entry]) -> impl Iterator<Item = &'r str> {
    record
        .fields
        .keys()
        .filter(move |field| names_of(entries).all(|name| name != *field))
        .map(|field| &**field)
}
