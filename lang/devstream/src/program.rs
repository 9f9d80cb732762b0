//! A model as a module: a `let` for each variable and a tool of ours for each of DevStream; or, to show what DevStream made of
//! it, one value with its tools.
#![expect(clippy::wildcard_enum_match_arm, reason = "an expression of another kind holds no variable")]

use super::TOOLS;
use super::build::{each, expr, flat, list, name, record, text};
use super::kinds::{self, Mapped, Output};
use super::mask::is_output;
use super::model::{Backend, Model, Tool};
use dtm_lang::diag::{Diagnostic, Diagnostics};
use dtm_lang::maps::{HashMap, HashSet};
use dtm_lang::source::{FileId, Span, Symbol};
use dtm_lang::syntax::ast::{
    BinaryOp, Decl, DeclKind, Element, Entry, Expr, ExprKind, Field, Import, Module, Name, Path, StrPart,
    Tool as AstTool, TypeExpr, TypeKind,
};

/// What DevStream made of it: one value with its tools.
pub(super) fn devstream(model: &Model, file: FileId) -> Module {
    let begin = Span::new(file, 0, 0);
    let mut decls = begins(model, begin);
    let value = list(begin, model.tools.iter().map(shown));
    decls.push(decl(begin, DeclKind::Output { name: name(begin, TOOLS), ty: Some(any(begin)), value }));
    Module { decls, comments: vec![] }
}

/// A module of which nothing could be read.
pub(super) fn empty(file: FileId) -> Module {
    let begin = Span::new(file, 0, 0);
    Module { decls: vec![decl(begin, DeclKind::Edition(begin, "1".into()))], comments: vec![] }
}

fn begins(model: &Model, begin: Span) -> Vec<Decl> {
    let mut decls = vec![decl(begin, DeclKind::Edition(begin, "1".into()))];
    decls.extend(model.vars.iter().map(|(variable, value)| variable_decl(variable, value.clone())));
    decls
}

fn variable_decl(variable: &Name, value: Expr) -> Decl {
    decl(variable.span, DeclKind::Let { name: variable.clone(), ty: None, value })
}

pub(super) fn decl(span: Span, kind: DeclKind) -> Decl {
    Decl { span, doc: None, annotations: vec![], kind }
}

fn any(span: Span) -> TypeExpr {
    let any = TypeKind::Path(Path { parts: vec![name(span, "any")], span });
    TypeExpr { span, kind: Box::new(any) }
}

fn import(span: Span, path: &str, as_name: Option<Name>, names: Option<Vec<Name>>) -> Decl {
    let ty = as_name.is_some().then(|| any(span));
    let import = Import { path: path.into(), path_span: span, name: as_name, ty, names };
    decl(span, DeclKind::Import(import))
}

/// What the imported values of a tool are called.
fn values_name(tool: &Symbol) -> Symbol {
    format!("{tool}_values").into()
}

fn settings(backend: &Backend) -> Decl {
    let span = backend.span;
    let options = record(span, backend.options.iter().map(|(key, value)| (*key, value.clone())));
    let state = ExprKind::Construct { name: name(span, backend.name), record: options };
    let field = Field {
        name: name(span, "state"),
        doc: None,
        annotations: vec![],
        ty: None,
        value: Some(expr(span, state)),
        span,
    };
    decl(span, DeclKind::Settings(vec![field]))
}

fn shown(tool: &Tool) -> Expr {
    let span = tool.plugin.span;
    let depends_on = list(span, tool.depends_on.iter().map(|d| text(d.span, d.text.clone())));
    record(
        span,
        [
            ("name", text(tool.plugin.span, tool.plugin.text.clone())),
            ("instanceID", text(tool.instance.span, tool.instance.text.clone())),
            ("dependsOn", depends_on),
            ("options", tool.options.clone()),
        ],
    )
}

/// The tools of a configuration as ours.
pub(super) struct Ours {
    pub(super) mapped: Vec<Mapped>,
    /// The names of the tools, in order.
    pub(super) names: Vec<Symbol>,
    /// Which tool has a key: `plugin.instance`.
    number: HashMap<String, usize>,
}

impl Ours {
    /// Finds the kind of each tool; what has no effect is told.
    pub(super) fn of(model: &Model, diags: &mut Diagnostics) -> Ours {
        let vars = kinds::vars(model);
        let told: HashSet<Span> = diags.iter().filter_map(|d| d.primary.as_ref().map(|p| p.span)).collect();
        let mapped: Vec<Mapped> =
            model.tools.iter().map(|tool| kinds::map(tool, &vars, &model.written, &told)).collect();
        for (tool, mapped) in model.tools.iter().zip(&mapped) {
            for left in mapped.left.iter().filter(|left| !left.is_told) {
                let headline = format!("`{}` of `{}` has no effect", left.path, tool.plugin.text);
                let d = Diagnostic::new(crate::codes::W0140, headline);
                diags.push(d.at(left.at, format!("`{}` has nothing like it", mapped.kind)));
            }
            mapped.told.iter().for_each(|d| diags.push(d.clone()));
        }
        let number = model.tools.iter().enumerate().map(|(i, tool)| (tool.key(), i)).collect();
        Ours { mapped, names: names(model), number }
    }

    /// A module of these tools, with names in the place of references.
    pub(super) fn module(&self, model: &Model, file: FileId) -> Module {
        let begin = Span::new(file, 0, 0);
        let mut decls = vec![decl(begin, DeclKind::Edition(begin, "1".into()))];
        decls.extend(model.backend.as_ref().map(settings));
        if self.uses_presets() {
            decls.push(import(begin, "std/helm", None, Some(vec![name(begin, kinds::PRESETS)])));
        }
        for (mapped, own) in self.mapped.iter().zip(&self.names) {
            if let Some((path, span)) = &mapped.values_file {
                decls.push(import(*span, path, Some(name(*span, values_name(own))), None));
            }
        }
        decls.extend(self.vars(model));
        decls.extend(self.tools(model));
        Module { decls, comments: vec![] }
    }

    fn uses_presets(&self) -> bool {
        let spread = |m: &Mapped| {
            matches!(&*m.inputs.kind, ExprKind::Record(entries)
                if matches!(entries.first(), Some(Entry::Spread(_))))
        };
        self.mapped.iter().any(spread)
    }

    fn vars<'o>(&'o self, model: &'o Model) -> impl Iterator<Item = Decl> + 'o {
        model.vars.iter().map(|(variable, value)| {
            let mut value = value.clone();
            self.resolve(&mut value);
            variable_decl(variable, value)
        })
    }

    fn tools<'o>(&'o self, model: &'o Model) -> impl Iterator<Item = Decl> + 'o {
        let vars = kinds::vars(model);
        model.tools.iter().zip(&self.mapped).zip(&self.names).map(move |((tool, mapped), own)| {
            let span = tool.instance.span;
            let mut inputs = mapped.inputs.clone();
            let Edges { reads, mut after } = self.resolve(&mut inputs);
            each(&mut inputs, &mut |e| {
                flat(e);
                bare(e, &vars);
            });
            for data in ["values", "vars", "options", "files"] {
                if let Some(data) = super::build::get_mut(&mut inputs, data) {
                    each(data, &mut |e| secrets(e, &vars));
                }
            }
            if let Some((_, at)) = &mapped.values_file {
                super::build::set_default(&mut inputs, "values", expr(*at, ExprKind::Name(values_name(own))));
            }
            for dep in &tool.depends_on {
                // What is read is waited for anyway.
                if let Some(number) = self.number.get(&*dep.text)
                    && !reads.contains(number)
                    && !after.iter().any(|(known, _)| known == number)
                {
                    after.push((*number, dep.span));
                }
            }
            let mut once = HashSet::default();
            after.retain(|(number, _)| once.insert(*number) && !reads.contains(number));
            let names = after.iter().map(|(n, at)| expr(*at, ExprKind::Name(self.names[*n].clone())));
            let after = (!after.is_empty()).then(|| ("after", list(span, names)));
            let timeout = mapped.timeout.clone().map(|mut timeout| {
                self.resolve(&mut timeout);
                ("timeout", timeout)
            });
            let with: Vec<(&str, Expr)> = after.into_iter().chain(timeout).collect();
            let with = (!with.is_empty()).then(|| record(span, with));
            let parts = mapped.kind.split('.').map(|part| name(tool.plugin.span, part)).collect();
            let kind = Path { parts, span: tool.plugin.span };
            let made = AstTool { name: name(span, own.clone()), each: None, kind, cond: None, inputs, with };
            decl(span, DeclKind::Tool(Box::new(made)))
        })
    }

    /// Puts names in the place of references. What refers to something that was known is said in `after`, because the name
    /// that makes the edge is gone.
    fn resolve(&self, expr: &mut Expr) -> Edges {
        let mut edges = Edges::default();
        each(expr, &mut |expr| {
            if let ExprKind::Name(reference) = &*expr.kind
                && let Some(reference) = reference.strip_prefix("${{")
                && let Some(reference) = is_output(reference.trim_end_matches('}'))
            {
                *expr = self.output(expr.span, reference, &mut edges);
            }
        });
        edges
    }

    fn output(&self, span: Span, [tool, instance, output]: [&str; 3], edges: &mut Edges) -> Expr {
        // Up to v0.4 the name stood first.
        let keys = [format!("{tool}.{instance}"), format!("{instance}.{tool}")];
        let Some(number) = keys.iter().find_map(|key| self.number.get(key)) else {
            // Told already; it stays the text that it is.
            return text(span, format!("${{{{ {tool}.{instance}.outputs.{output} }}}}"));
        };
        let found = self.mapped[*number].outputs.iter().find(|(old, _)| *old == output || old.is_empty());
        if let Some((_, Output::Known(value))) = found {
            edges.after.push((*number, span));
            return value.clone();
        }
        edges.reads.insert(*number);
        let base = expr(span, ExprKind::Name(self.names[*number].clone()));
        let member = |field: &str| {
            expr(span, ExprKind::Member { base: base.clone(), name: name(span, field), safe: false })
        };
        match found.map(|(_, now)| now) {
            Some(Output::Out(now)) => member(now),
            Some(Output::Or(now, other)) => {
                let either = ExprKind::Binary(BinaryOp::Coalesce, member(now), other.clone());
                expr(span, ExprKind::Str(vec![StrPart::Expr(expr(span, either))]))
            }
            Some(Output::Any) => {
                expr(span, ExprKind::Index { base: member("outputs"), index: text(span, output) })
            }
            Some(Output::Known(_)) | None => member(output),
        }
    }
}

/// Makes secrets of what is called like one, in data that no kind describes: at a key like `password`, in an entry whose `name`
/// says so, and in an address with a user and a password.
fn secrets(expr: &mut Expr, vars: &kinds::Vars) {
    let says_one = |expr: &Expr| kinds::literal(expr).is_some_and(|text| super::is_secret_text(&text));
    let entries = match &mut *expr.kind {
        ExprKind::Record(entries) => entries,
        ExprKind::List(items) => {
            for item in items {
                if let Element::One(item) = item
                    && says_one(item)
                {
                    secret(item);
                }
            }
            return;
        }
        _ => return,
    };
    let is_named = entries.iter().any(|entry| match entry {
        Entry::Field { name, value: Some(value), .. } if matches!(&*name.text, "name" | "key") => {
            kinds::literal(value).is_some_and(|text| super::is_secret_key(&text))
        }
        Entry::Field { .. } | Entry::Computed(..) | Entry::Spread(_) | Entry::Error(_) => false,
    });
    for entry in entries {
        let Entry::Field { name, value: Some(value), .. } = entry else { continue };
        if says_one(value) {
            secret(value);
            continue;
        }
        if !(super::is_secret_key(&name.text) || is_named && &*name.text == "value") {
            continue;
        }
        let is_text = kinds::is_text(value, vars);
        match &mut *value.kind {
            ExprKind::List(items) => {
                for item in items {
                    if let Element::One(item) = item
                        && kinds::is_text(item, vars)
                    {
                        secret(item);
                    }
                }
            }
            _ if is_text => secret(value),
            _ => {}
        }
    }
}

/// A variable that is a text stands for itself, without quotes around it.
fn bare(expr: &mut Expr, vars: &kinds::Vars) {
    if let ExprKind::Str(parts) = &*expr.kind
        && let [StrPart::Expr(only)] = &**parts
        && matches!(&*only.kind, ExprKind::Name(_) | ExprKind::Member { .. })
        && kinds::is_text(only, vars)
    {
        *expr = only.clone();
    }
}

fn secret(whole: &mut Expr) {
    *whole = expr(whole.span, ExprKind::Cast(whole.clone(), super::build::secret_string(whole.span)));
}

/// What a tool refers to.
#[derive(Default)]
struct Edges {
    /// By a name, which makes it wait.
    reads: HashSet<usize>,
    /// In other ways, and where.
    after: Vec<(usize, Span)>,
}

/// The names of tools: that of the instance, after the name of the plugin where others have it too.
fn names(model: &Model) -> Vec<Symbol> {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
    };
    let mut count: HashMap<String, usize> = HashMap::default();
    for tool in &model.tools {
        *count.entry(plain(&tool.instance.text)).or_default() += 1;
    }
    let mut taken: HashSet<String> = model.vars.iter().map(|(v, _)| v.text.to_string()).collect();
    taken.insert(kinds::PRESETS.to_string());
    let mut out = vec![];
    for tool in &model.tools {
        let short = plain(&tool.instance.text);
        let free = count.get(&short) == Some(&1)
            && !taken.contains(&short)
            && super::model::is_name(&short)
            && dtm_lang::builtin::find(&short).is_none();
        let mut own = if free { short } else { format!("{}_{short}", plain(&tool.plugin.text)) };
        while !taken.insert(own.clone()) {
            own.push('_');
        }
        out.push(own.into());
    }
    out
}
