//! Tools: header, inputs and `with` options.

use super::facts::{CURSOR, Cursor};
use super::interface::FoundKind;
use super::{Checker, Def};
use crate::diag::{Code, Diagnostic};
use crate::hir::{Each, Expr, Tool, With};
use crate::index::ModuleId;
use crate::maps::IndexMap;
use crate::syntax::ast::{self, Entry, ExprKind as A};
use crate::types::{Type, fits};
use std::sync::Arc;

const OPTIONS: [&str; 8] = ["after", "protect", "ignore", "replace", "timeout", "retries", "read", "using"];

/// What holds for every tool inside.
const COMPONENT_OPTIONS: [&str; 3] = ["after", "protect", "using"];

/// What can be the key of an element: a text of it, or the element as a text.
fn key_of(name: &str, of: &Type) -> String {
    let Type::List(element) = of else { return format!("{name}.name") };
    match &**element {
        Type::Record(record) => {
            let is_text = |field: &str| record.fields.get(field).is_some_and(|f| fits(&f.ty, &Type::String));
            let named = ["name", "id", "key"].into_iter().find(|field| is_text(field));
            let first = || record.fields.keys().map(|field| &**field).find(|field| is_text(field));
            format!("{name}.{}", named.or_else(first).unwrap_or("name"))
        }
        Type::Int
        | Type::Float
        | Type::Bool
        | Type::Lit(_)
        | Type::Duration
        | Type::Size
        | Type::Refined(_) => {
            format!("\"${{{name}}}\"")
        }
        Type::Any
        | Type::Null
        | Type::String
        | Type::List(_)
        | Type::Map(_)
        | Type::Union(_)
        | Type::Secret(_)
        | Type::Tool(_)
        | Type::Var(_)
        | Type::Error => format!("{name}.name"),
    }
}

impl Checker<'_> {
    /// Makes the name known, so that other tools can refer to it.
    pub(super) fn declare_tool(&mut self, module: ModuleId, tool: &ast::Tool, existing: bool) {
        let home = self.home(module);
        if !self.define_unique_in(home, "tool", &tool.name) {
            return;
        }
        let Some(FoundKind { plugin, kind, component }) = self.kind(module, &tool.kind) else {
            return self.define_broken(module, &tool.name);
        };
        if existing && kind.key_inputs().next().is_none() {
            let headline = format!("`{}` has no natural key, by which an object could be found", kind.path());
            let d = Diagnostic::new(Code::E0216, headline).at(tool.kind.span, "without a key");
            self.diags.push(match component {
                Some(_) => d.note("a component is made of tools: take in what exists as `tool<...>`"),
                None => d.also(kind.span, "declared here"),
            });
            return self.define_broken(module, &tool.name);
        }
        if let (Some(inner), Some(outer)) = (component, home) {
            self.components[outer].uses.push((inner, tool.kind.span));
        }
        let span = tool.name.span;
        let each =
            tool.each.as_ref().map(|e| Each { iter: Expr::error(e.iter.span), vars: vec![], by: None });
        let cond = tool.cond.as_ref().map(|c| Expr::error(c.span));
        let id = self.hir.tools.push(Tool {
            name: tool.name.text.clone(),
            span,
            home,
            existing,
            component,
            plugin,
            kind,
            each,
            cond,
            inputs: IndexMap::default(),
            with: None,
        });
        if let Some(home) = home {
            self.hir.components[home].tools.push(id);
        }
        self.define(module, &tool.name, Def::Tool(id));
    }

    pub(super) fn check_tool(&mut self, module: ModuleId, tool: &ast::Tool) {
        let Some((Def::Tool(id), at)) = self.modules[module].values.get(&tool.name.text).cloned() else {
            return;
        };
        if at != tool.name.span {
            return;
        }
        let kind = self.hir.tools[id].kind.clone();
        let each = tool.each.as_ref().map(|each| self.each(module, each));
        let cond = tool.cond.as_ref().map(|c| {
            let (expr, secret) = self.condition(module, c);
            if secret {
                self.error(
                    Code::E0304,
                    c.span,
                    "a secret cannot decide whether a tool exists",
                    "this is secret",
                );
            }
            self.assume(module, c, true);
            expr
        });
        let A::Record(entries) = &*tool.inputs.kind else {
            if !matches!(&*tool.inputs.kind, A::Error) {
                self.error(
                    Code::E0101,
                    tool.inputs.span,
                    "the inputs of a tool are written `{ name = value }`",
                    "no inputs",
                );
            }
            return;
        };
        let mut record = kind.input_record();
        if self.hir.tools[id].existing {
            // The key and nothing else, written out: what somebody else made has no defaults of ours.
            record.fields.retain(|name, field| {
                field.default = None;
                kind.inputs[name].key
            });
        }
        let record = Arc::new(record);
        let why = Some(tool.kind.span);
        self.context.in_commands = kind.path() == "core.Exec";
        if self.context.in_commands {
            super::habit::commands(entries).into_iter().for_each(|d| self.diags.push(d));
        }
        let inputs = self.check_fields(module, tool.inputs.span, entries, &record, why, "input");
        self.context.in_commands = false;
        let component = self.hir.tools[id].component.is_some();
        let with = tool.with.as_ref().map(|w| Box::new(self.with(module, w, &kind, component)));
        let hir = &mut self.hir.tools[id];
        (hir.each, hir.cond, hir.inputs, hir.with) = (each, cond, inputs, with);
    }

    fn each(&mut self, module: ModuleId, each: &ast::Each) -> Each {
        let (iter, ty) = self.infer(module, &each.iter);
        let types = self.element_types(&ty, each.vars.len(), each.iter.span);
        let strings = matches!(&ty, Type::List(t) if fits(t, &Type::String));
        let map = matches!(&ty, Type::Map(_) | Type::Record(_) | Type::Error);
        let vars = self.bind(&each.vars, types);
        let by = each.by.as_ref().map(|by| {
            let (expr, key) = self.infer(module, by);
            if key.has_secret() {
                self.error(Code::E0304, by.span, "a secret cannot be the key of a tool", "keys are shown");
            } else if !fits(&key, &Type::String) {
                let d = Diagnostic::new(Code::E0301, format!("expected `string`, found `{key}`"))
                    .at(by.span, "the key of each tool");
                self.diags.push(d.help("write it as a text: `\"${x}\"`"));
            }
            expr
        });
        let has_key = by.is_some() || strings || map && each.vars.len() == 2;
        if !has_key && matches!(ty, Type::List(_) | Type::Map(_) | Type::Record(_)) {
            let diagnostic = Diagnostic::new(Code::E0214, "each of these tools needs a key")
                .at(each.iter.span, format!("this is `{ty}`"));
            let names: Vec<&str> = each.vars.iter().map(|var| &*var.text).collect();
            let iter = Some(self.sources.text(each.iter.span)).filter(|text| !text.contains('\n'));
            let iter = iter.unwrap_or("...");
            let header = match (&ty, &*names) {
                (Type::Map(_) | Type::Record(_), [name]) => format!("[key, {name} in {iter}]"),
                (_, names) => {
                    let last = names.last().copied().unwrap_or("x");
                    format!("[{} in {iter} by {}]", names.join(", "), key_of(last, &ty))
                }
            };
            let help = format!("name the key: `{header}`");
            self.diags.push(
                diagnostic
                    .help(help)
                    .note("a position is not a stable key: it changes when the list changes"),
            );
        }
        Each { iter, vars, by }
    }

    fn with(
        &mut self,
        module: ModuleId,
        with: &ast::Expr,
        kind: &crate::interface::Kind,
        component: bool,
    ) -> With {
        let mut out = With::default();
        let mut written: IndexMap<crate::source::Symbol, crate::source::Span> = IndexMap::default();
        let A::Record(entries) = &*with.kind else { return out };
        for entry in entries {
            let (name, value) = match entry {
                Entry::Field { name, value, .. } => (name, Self::entry_value(name, value)),
                Entry::Error(_) => continue,
                Entry::Computed(e, _) | Entry::Spread(e) => {
                    self.error(Code::E0303, e.span, "the options of a tool are written out", "not here");
                    continue;
                }
            };
            if &*name.text == CURSOR {
                let given = || OPTIONS.iter().filter(|o| !written.contains_key(**o)).map(|o| (*o).into());
                self.note_cursor(|_| Cursor::Option(given().collect()));
                continue;
            }
            if let Some(first) = written.insert(name.text.clone(), name.span) {
                let d = Diagnostic::new(Code::E0312, format!("the option `{}` is written twice", name.text));
                self.diags.push(d.at(name.span, "again here").also(first, "first here"));
                continue;
            }
            match &*name.text {
                other if component && OPTIONS.contains(&other) && !COMPONENT_OPTIONS.contains(&other) => {
                    let headline = format!("the option `{other}` is for single tools, not for a component");
                    let d = Diagnostic::new(Code::E0303, headline).at(name.span, "not of a component");
                    self.diags.push(d.note(format!("a component takes: {}", COMPONENT_OPTIONS.join(", "))));
                }
                "after" => out.after = self.after(module, &value),
                "protect" => out.protect = Some(self.check_expr(module, &value, &Type::Bool, None)),
                "timeout" => out.timeout = Some(self.check_expr(module, &value, &Type::Duration, None)),
                "retries" => out.retries = Some(self.check_expr(module, &value, &Type::Int, None)),
                "read" => out.read = Some(self.check_expr(module, &value, &Type::Bool, None)),
                "replace" => match super::ty::text_of(&value).as_deref() {
                    Some("create-first") => out.create_first = true,
                    Some("delete-first") => {}
                    _ => self.error(
                        Code::E0301,
                        value.span,
                        "`replace` is \"create-first\" or \"delete-first\"",
                        "neither",
                    ),
                },
                "ignore" => self.ignore(&value, kind, &mut out),
                "using" => {
                    if let A::Name(config) = &*value.kind {
                        out.using = Some(config.clone());
                    } else {
                        self.error(
                            Code::E0301,
                            value.span,
                            "`using` is the name of a configuration",
                            "no name",
                        );
                    }
                }
                other => {
                    let diagnostic = Diagnostic::new(Code::E0303, format!("unknown option `{other}`"))
                        .at(name.span, "unknown option");
                    let ours = match other {
                        "prevent_destroy" | "preventDestroy" => Some("protect = true"),
                        "ignore_changes" | "ignoreChanges" => Some("ignore = [NAME]"),
                        "create_before_destroy" => Some("replace = \"create-first\""),
                        "depends_on" | "dependsOn" => Some("after = [TOOL]"),
                        "provider" => Some("using = NAME"),
                        _ => None,
                    };
                    self.diags.push(match ours {
                        Some(ours) => diagnostic.help(format!("write `{ours}`")),
                        None => {
                            diagnostic.nearest(other, OPTIONS).note(format!("known: {}", OPTIONS.join(", ")))
                        }
                    });
                }
            }
        }
        out
    }

    fn ignore(&mut self, value: &ast::Expr, kind: &crate::interface::Kind, out: &mut With) {
        let A::List(items) = &*value.kind else {
            return self.error(Code::E0301, value.span, "`ignore` is a list of inputs", "no list");
        };
        for item in items {
            let ast::Element::One(e) = item else { continue };
            let name = super::interface::word(e);
            match name {
                Some(name) if kind.inputs.contains_key(&name) => out.ignore.push(name),
                Some(name) => {
                    let d = Diagnostic::new(Code::E0303, format!("unknown input `{name}`"))
                        .at(e.span, "unknown input");
                    self.diags.push(d.nearest(&name, kind.inputs.keys().map(|k| &**k)));
                }
                None => self.error(Code::E0301, e.span, "`ignore` lists inputs by name", "no name"),
            }
        }
    }

    /// Tools, families, absent tools: whatever stands for a place in the order.
    pub(super) fn after(&mut self, module: ModuleId, value: &ast::Expr) -> Vec<Expr> {
        let items: Vec<ast::Expr> = if let A::List(items) = &*value.kind {
            let inside = items.iter().map(|item| match item {
                ast::Element::One(item) | ast::Element::Spread(item) => item.clone(),
            });
            inside.collect()
        } else {
            vec![value.clone()]
        };
        let mut out = vec![];
        for item in items {
            let (expr, ty) = self.infer(module, &item);
            let tool = |t: &Type| matches!(t, Type::Tool(_) | Type::Null | Type::Error);
            let fine = ty.members().iter().all(|t| match t {
                Type::Map(t) | Type::List(t) => t.members().iter().all(tool),
                t @ (Type::Any
                | Type::Null
                | Type::Bool
                | Type::Int
                | Type::Float
                | Type::String
                | Type::Duration
                | Type::Size
                | Type::Lit(_)
                | Type::Record(_)
                | Type::Union(_)
                | Type::Secret(_)
                | Type::Refined(_)
                | Type::Tool(_)
                | Type::Var(_)
                | Type::Error) => tool(t),
            });
            if !fine {
                let d = Diagnostic::new(Code::E0301, format!("expected a tool, found `{ty}`"))
                    .at(item.span, format!("this is `{ty}`"));
                self.diags.push(d.help("name the tool itself, without an output"));
                continue;
            }
            out.push(expr);
        }
        out
    }
}
