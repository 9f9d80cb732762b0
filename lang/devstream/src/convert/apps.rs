//! Apps that are alike become a component, and each of them one tool of it.
#![expect(clippy::wildcard_enum_match_arm, reason = "an expression of another kind holds no app")]

use super::outside::Outside;
use super::print::inline;
use super::repeats::{Alike, Hole, free, kind_text, name_of};
use crate::build::{each, expr, field, get, name, text};
use crate::kinds::elements;
use crate::program::decl;
use dtm_lang::maps::{HashMap, HashSet, IndexMap};
use dtm_lang::source::{Span, Symbol};
use dtm_lang::syntax::ast::{Decl, DeclKind, Expr, ExprKind, Field, Path, Tool, TypeExpr, TypeKind};
use dtm_lang::types::Type;

/// So many apps that are alike are a component.
const APPS: usize = 2;

/// What a tool of an app does in it, by its kind: the name that it has in the component.
fn role(tool: &Tool) -> &'static str {
    match &*kind_text(tool) {
        "scm.Scaffold" => "scaffold",
        "argocd.App" => "cd",
        _ => "ci",
    }
}

/// The tools of an app.
struct App {
    name: Symbol,
    /// By their roles, with the names that they have now.
    tools: Vec<(&'static str, Tool)>,
}

/// What components there are: new addresses of tools by their old ones, and which tools each new one is.
#[derive(Default)]
pub(super) struct Components {
    pub(super) moved: IndexMap<Symbol, String>,
    pub(super) members: IndexMap<Symbol, Vec<Symbol>>,
}

/// Makes components of apps that are alike; `of` says which app a tool is of.
pub(super) fn components(
    decls: &mut Vec<Decl>,
    of: &HashMap<Symbol, Symbol>,
    outside: &mut Outside<'_>,
) -> Components {
    let mut found = Components::default();
    let params: HashMap<Symbol, TypeExpr> = decls.iter().filter_map(param).collect();
    let mut taken: HashSet<Symbol> = decls.iter().filter_map(name_of).collect();
    let mut apps: IndexMap<Symbol, Vec<Tool>> = IndexMap::default();
    for decl in &*decls {
        if let DeclKind::Tool(tool) = &decl.kind
            && let Some(app) = of.get(&tool.name.text)
        {
            apps.entry(app.clone()).or_default().push((**tool).clone());
        }
    }
    let inside: HashSet<Symbol> = apps.values().flatten().map(|t| t.name.text.clone()).collect();
    let mut groups: IndexMap<String, Vec<App>> = IndexMap::default();
    for (app, tools) in apps {
        let Some(app) = with_roles(app, tools) else { continue };
        // Tools of others that wait for it would have to reach into the component.
        let own: HashSet<Symbol> = app.tools.iter().map(|(_, t)| t.name.text.clone()).collect();
        if !is_read_by_others(decls, &own, &inside) {
            let kinds: Vec<String> =
                app.tools.iter().map(|(role, t)| format!("{role} {}", kind_text(t))).collect();
            groups.entry(kinds.join(", ")).or_default().push(app);
        }
    }
    for apps in groups.into_values().filter(|apps| apps.len() >= APPS) {
        let Some((made, tools)) = component(&apps, &params, outside, &mut taken) else { continue };
        for (app, tool) in apps.iter().zip(&tools) {
            let address = name_of(tool).unwrap_or_default();
            for (role, old) in &app.tools {
                found.moved.insert(old.name.text.clone(), format!("{address}/{role}"));
                found.members.entry(address.clone()).or_default().push(old.name.text.clone());
            }
        }
        let gone: HashSet<&Symbol> =
            apps.iter().flat_map(|app| app.tools.iter().map(|(_, t)| &t.name.text)).collect();
        let is_gone = |d: &Decl| name_of(d).is_some_and(|n| gone.contains(&n));
        let first = decls.iter().position(is_gone).unwrap_or(decls.len());
        decls.retain(|d| !is_gone(d));
        let first = first.min(decls.len());
        decls.splice(first..first, std::iter::once(made).chain(tools));
    }
    found
}

/// A param, with its type.
fn param(decl: &Decl) -> Option<(Symbol, TypeExpr)> {
    if let DeclKind::Param { name, ty, .. } = &decl.kind {
        Some((name.text.clone(), ty.clone()))
    } else {
        None
    }
}

/// The tools of an app by their roles; nothing where two have one.
fn with_roles(app: Symbol, tools: Vec<Tool>) -> Option<App> {
    let tools: Vec<(&'static str, Tool)> = tools.into_iter().map(|t| (role(&t), t)).collect();
    let roles: HashSet<&str> = tools.iter().map(|(role, _)| *role).collect();
    (tools.len() > 1 && roles.len() == tools.len()).then_some(App { name: app, tools })
}

fn is_read_by_others(decls: &[Decl], own: &HashSet<Symbol>, inside: &HashSet<Symbol>) -> bool {
    let mut found = false;
    for decl in decls {
        let DeclKind::Tool(tool) = &decl.kind else { continue };
        if own.contains(&tool.name.text) {
            continue;
        }
        let mut parts: Vec<Expr> = std::iter::once(tool.inputs.clone()).chain(tool.with.clone()).collect();
        for part in &mut parts {
            each(part, &mut |e| {
                found |= matches!(&*e.kind, ExprKind::Name(n) if own.contains(n) && inside.contains(n));
            });
        }
    }
    found
}

/// A component in the place of these apps, and a tool of it for each.
fn component(
    apps: &[App],
    params: &HashMap<Symbol, TypeExpr>,
    outside: &mut Outside<'_>,
    taken: &mut HashSet<Symbol>,
) -> Option<(Decl, Vec<Decl>)> {
    let mut alike = Alike::new(|hole, span| expr(span, ExprKind::Name(hole.into())), vec![]);
    let span = apps[0].tools[0].1.name.span;
    // Much of an app has its name.
    let names = apps.iter().map(|app| text(span, app.name.clone())).collect();
    alike.holes.push(Hole { name: "name".into(), values: names, ty: None });
    // Inside, a tool has the name of what it does.
    let inner: Vec<Vec<Tool>> = apps.iter().map(inner).collect();
    let roles: HashSet<&str> = apps[0].tools.iter().map(|(role, _)| *role).collect();
    let (mut body, mut around, mut read) = (vec![], None, IndexMap::default());
    for number in 0..inner[0].len() {
        let tools: Vec<&Tool> = inner.iter().map(|tools| &tools[number]).collect();
        let ty = outside.kind(&tools[0].kind).map(|kind| Type::Record(kind.input_record().into()));
        let inputs: Vec<&Expr> = tools.iter().map(|t| &t.inputs).collect();
        let mut made = Tool { inputs: alike.merged(&inputs, "", ty.as_ref())?, ..tools[0].clone() };
        let with: Vec<String> =
            tools.iter().map(|t| t.with.as_ref().map(inline).unwrap_or_default()).collect();
        if with.iter().any(|w| *w != with[0]) {
            return None;
        }
        // What it waits for outside, the component waits for as a whole.
        let (own, others): (Vec<Expr>, Vec<Expr>) =
            after(&made).into_iter().partition(|e| roles.contains(&*inline(e)));
        if own.is_empty() {
            let others: Vec<String> = others.iter().map(inline).collect();
            if around.get_or_insert_with(|| (others.clone(), made.with.clone())).0 != others {
                return None;
            }
            made.with = None;
        } else if !others.is_empty() {
            return None;
        }
        // A component reads no param: it is given what it needs.
        each(&mut made.inputs, &mut |e| {
            if let ExprKind::Name(param) = &*e.kind
                && let Some(ty) = params.get(param)
            {
                read.insert(param.clone(), ty.clone());
            }
        });
        body.push(decl(span, DeclKind::Tool(Box::new(made))));
    }
    if !body.iter_mut().any(|decl| reads(decl, "name")) {
        alike.holes.remove(0);
    }
    if alike.holes.is_empty() {
        return None;
    }
    let in_decl = |own: &Symbol, ty: TypeExpr| {
        let name = name(span, own.clone());
        let field = Field { name, doc: None, annotations: vec![], ty: Some(ty), value: None, span };
        decl(span, DeclKind::In(field))
    };
    let holes = alike.holes.iter().map(|h| in_decl(&h.name, type_of(h.ty.as_ref(), &h.values[0], span)));
    let given = read.iter().map(|(param, ty)| in_decl(param, ty.clone()));
    let body: Vec<Decl> = holes.chain(given).chain(body).collect();
    let with = around.and_then(|(_, with)| with);
    let kind = free("App", taken);
    let tools = apps.iter().enumerate().map(|(number, app)| {
        let fields = alike.holes.iter().map(|h| field(name(span, h.name.clone()), h.values[number].clone()));
        let params = read.keys().map(|p| field(name(span, p.clone()), expr(span, ExprKind::Name(p.clone()))));
        let own = free(&app.name.replace(['-', '.'], "_"), taken);
        let tool = Tool {
            name: name(app.tools[0].1.name.span, own),
            each: None,
            kind: Path { parts: vec![name(span, kind.clone())], span },
            cond: None,
            inputs: expr(span, ExprKind::Record(fields.chain(params).collect())),
            with: with.clone(),
        };
        decl(app.tools[0].1.name.span, DeclKind::Tool(Box::new(tool)))
    });
    let tools = tools.collect();
    Some((decl(span, DeclKind::Component { name: name(span, kind), body }), tools))
}

/// Whether a tool reads a name.
fn reads(decl: &mut Decl, wanted: &str) -> bool {
    let DeclKind::Tool(tool) = &mut decl.kind else { return false };
    let mut found = false;
    each(&mut tool.inputs, &mut |e| found |= matches!(&*e.kind, ExprKind::Name(name) if **name == *wanted));
    found
}

/// What a tool says that it waits for.
fn after(tool: &Tool) -> Vec<Expr> {
    let Some(after) = tool.with.as_ref().and_then(|with| get(with, "after")) else { return vec![] };
    if let ExprKind::List(_) = &*after.kind { elements(after) } else { vec![after.clone()] }
}

/// The tools of an app as they are inside of a component.
fn inner(app: &App) -> Vec<Tool> {
    let roles: HashMap<&Symbol, &str> = app.tools.iter().map(|(role, t)| (&t.name.text, *role)).collect();
    let mut change = |e: &mut Expr| {
        if let ExprKind::Name(old) = &*e.kind
            && let Some(role) = roles.get(old)
        {
            *e = expr(e.span, ExprKind::Name((*role).into()));
        }
    };
    let inside = |(role, tool): &(&'static str, Tool)| {
        let mut tool = tool.clone();
        each(&mut tool.inputs, &mut change);
        tool.with.iter_mut().for_each(|with| each(with, &mut change));
        tool.name = name(tool.name.span, *role);
        tool
    };
    app.tools.iter().map(inside).collect()
}

/// The type of an `in`: that of the input that it goes to, or of what stands there.
fn type_of(ty: Option<&Type>, value: &Expr, span: Span) -> TypeExpr {
    let plain = match &*value.kind {
        ExprKind::Bool(_) => "bool",
        ExprKind::Int(_) => "int",
        ExprKind::Duration(_) => "duration",
        _ => "string",
    };
    // What is one of several texts is written out as it is.
    let shown = match ty {
        Some(Type::Union(members)) if members.iter().any(|m| matches!(m, Type::Lit(_))) => {
            let given = members.iter().filter(|m| !matches!(m, Type::Null)).map(ToString::to_string);
            given.collect::<Vec<_>>().join(" | ")
        }
        _ => plain.to_string(),
    };
    TypeExpr { span, kind: Box::new(TypeKind::Path(Path { parts: vec![name(span, shown)], span })) }
}
