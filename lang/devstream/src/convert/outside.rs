//! What comes from outside becomes a param: variables of the environment, and secrets that stood in the file.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "an expression of another kind is no reference to a value from outside"
)]

use crate::build::{call, each, expr, name, secret_string, string, text};
use crate::model::is_name;
use crate::{is_secret_key, is_secret_name};
use dtm_lang::interface::{Kind, Plugin};
use dtm_lang::loader::Loader;
use dtm_lang::maps::{HashMap, HashSet, IndexMap};
use dtm_lang::read_interface;
use dtm_lang::source::{Span, Symbol};
use dtm_lang::syntax::ast::{Decl, DeclKind, Entry, Expr, ExprKind, Path, StrPart, Tool};
use dtm_lang::types::Type;
use std::sync::Arc;

/// Params in the making.
pub(super) struct Outside<'l> {
    loader: &'l dyn Loader,
    plugins: HashMap<Symbol, Option<Arc<Plugin>>>,
    /// The names that are taken.
    names: HashSet<Symbol>,
    /// New params: name, whether it is a secret, the variable of the environment that is its default.
    params: IndexMap<Symbol, (bool, Option<Symbol>)>,
    /// The values of secrets that stood in the file, by param.
    pub(super) values: IndexMap<Symbol, Symbol>,
    /// Variables of the environment that are read.
    pub(super) env: Vec<Symbol>,
    /// Variables that hold a secret and stay what they are.
    pub(super) plain: Vec<dtm_lang::syntax::ast::Name>,
    /// Variables of which a part stands in a text with more in it.
    in_texts: HashSet<Symbol>,
    /// Variables that became secret params.
    secret_lets: HashSet<Symbol>,
    /// Params that variables became, by the variable of the environment that they read.
    of_lets: HashMap<Symbol, (Symbol, bool)>,
    /// By name: how often a variable is used, how often where a secret belongs.
    uses: HashMap<Symbol, (usize, usize)>,
}

impl<'l> Outside<'l> {
    pub(super) fn new(loader: &'l dyn Loader, decls: &[Decl]) -> Self {
        let names = decls.iter().filter_map(|d| match &d.kind {
            DeclKind::Let { name, .. } => Some(name.text.clone()),
            DeclKind::Tool(tool) => Some(tool.name.text.clone()),
            DeclKind::Import(import) => import.name.as_ref().map(|n| n.text.clone()),
            _ => None,
        });
        Outside {
            loader,
            plugins: HashMap::default(),
            names: names.collect(),
            params: IndexMap::default(),
            values: IndexMap::default(),
            env: vec![],
            plain: vec![],
            in_texts: HashSet::default(),
            secret_lets: HashSet::default(),
            of_lets: HashMap::default(),
            uses: HashMap::default(),
        }
    }

    /// Puts params in the place of what comes from outside; the new ones are given.
    pub(super) fn hoist(&mut self, decls: &mut [Decl]) -> Vec<Decl> {
        for decl in &mut *decls {
            if let DeclKind::Let { value, .. } = &mut decl.kind {
                self.count(value, false);
            }
        }
        for tool in tools(decls) {
            let kind = tool.kind.clone();
            for (name, input, ty) in self.inputs(&kind, &mut tool.inputs) {
                self.count_typed(input, ty.as_ref(), &name);
            }
        }
        // A variable that is a secret, or is from outside, is a param itself.
        for decl in &mut *decls {
            let DeclKind::Let { name: own, value, .. } = &mut decl.kind else { continue };
            let (all, secret) = self.uses.get(&own.text).copied().unwrap_or_default();
            let given = (own.clone(), value.span);
            if let Some((variable, is_cast)) = variable_of(value) {
                self.env.push(variable.clone());
                let is_secret = is_cast || secret > 0 && secret == all;
                if is_secret {
                    self.secret_lets.insert(own.text.clone());
                }
                self.of_lets.insert(variable.clone(), (own.text.clone(), is_secret));
                decl.kind = param(given.0, is_secret, Some(variable), given.1);
            } else if let Some(plain) = literal(value)
                && !plain.is_empty()
                && secret == all
                && (secret > 0 || is_secret_key(&own.text))
            {
                self.values.insert(own.text.clone(), plain);
                decl.kind = param(given.0, true, None, given.1);
            } else if literal(value).is_some_and(|text| !text.is_empty())
                && (secret > 0 || is_secret_key(&own.text))
            {
                self.plain.push(given.0);
            }
        }
        for tool in tools(decls) {
            let (kind, own) = (tool.kind.clone(), tool.name.text.clone());
            for (name, input, ty) in self.inputs(&kind, &mut tool.inputs) {
                self.replace(input, ty.as_ref(), (&own, &name));
            }
        }
        for decl in &mut *decls {
            if let DeclKind::Let { name, value, .. } = &mut decl.kind {
                if let ExprKind::Record(_) = &*value.kind
                    && !self.in_texts.contains(&name.text)
                {
                    let own = name.text.clone();
                    self.replace(value, None, (&own, ""));
                }
                self.environment(value);
            }
        }
        let begin = decls.first().map_or(Span::default(), |d| d.span);
        let made = self.params.iter().map(|(own, (is_secret, variable))| {
            crate::program::decl(begin, param(name(begin, own.clone()), *is_secret, variable.clone(), begin))
        });
        made.collect()
    }

    /// The inputs of a kind, with their types where it is known.
    fn inputs<'e>(&mut self, kind: &Path, inputs: &'e mut Expr) -> Vec<(Symbol, &'e mut Expr, Option<Type>)> {
        let kind = self.kind(kind);
        let ExprKind::Record(entries) = &mut *inputs.kind else { return vec![] };
        let with_type = |entry: &'e mut Entry| {
            if let Entry::Field { name, value: Some(value), .. } = entry {
                let ty = kind.as_ref().and_then(|k| k.inputs.get(&name.text)).map(|i| i.field.ty.clone());
                Some((name.text.clone(), value, ty))
            } else {
                None
            }
        };
        entries.iter_mut().filter_map(with_type).collect()
    }

    /// A kind, if its plugin is known.
    pub(super) fn kind(&mut self, kind: &Path) -> Option<Arc<Kind>> {
        let [plugin, kind] = &*kind.parts else { return None };
        let loader = self.loader;
        let read = || {
            let shipped = loader.shipped(&plugin.text)?;
            read_interface(&plugin.text, &shipped.text).0
        };
        let plugin = self.plugins.entry(plugin.text.clone()).or_insert_with(read).clone();
        plugin.and_then(|p| p.kinds.get(&kind.text).cloned())
    }

    fn count(&mut self, expr: &mut Expr, is_secret: bool) {
        let (uses, in_texts) = (&mut self.uses, &mut self.in_texts);
        each(expr, &mut |expr| {
            if let ExprKind::Str(parts) = &*expr.kind
                && parts.len() > 1
            {
                in_texts.extend(parts.iter().filter_map(|part| match part {
                    StrPart::Expr(expr) => root_of(expr),
                    StrPart::Text(_) => None,
                }));
            }
            if let ExprKind::Name(variable) = &*expr.kind {
                let (all, secret) = uses.entry(variable.clone()).or_default();
                *all += 1;
                *secret += usize::from(is_secret);
            }
        });
    }

    fn count_typed(&mut self, expr: &mut Expr, ty: Option<&Type>, key: &str) {
        let secret = is_secret_place(ty, key);
        match &mut *expr.kind {
            ExprKind::Record(_) | ExprKind::List(_) if !secret => {
                let parts = parts(expr, ty);
                for (key, part, ty) in parts {
                    self.count_typed(part, ty.as_ref(), &key);
                }
            }
            _ => self.count(expr, secret),
        }
    }

    fn replace(&mut self, whole: &mut Expr, ty: Option<&Type>, (tool, key): (&str, &str)) {
        let is_cast = matches!(&*whole.kind, ExprKind::Cast(inner, _) if literal(inner).is_some());
        let secret = is_secret_place(ty, key) || is_cast;
        // A param says it by its type; a variable that stays one does not.
        if secret
            && let ExprKind::Cast(inner, _) = &*whole.kind
            && variable_of(whole).is_none()
            && (literal(inner).is_some() || self.is_secret_param(inner))
        {
            *whole = inner.clone();
        }
        if secret && let Some(plain) = literal(whole).filter(|plain| !plain.is_empty()) {
            // The same secret is one param.
            let known = self.values.iter().find(|(_, value)| **value == plain).map(|(own, _)| own.clone());
            let own = known.unwrap_or_else(|| {
                let own = self.free(&format!("{tool}_{}", if key.is_empty() { "secret" } else { key }));
                self.params.insert(own.clone(), (true, None));
                self.values.insert(own.clone(), plain);
                own
            });
            *whole = expr(whole.span, ExprKind::Name(own));
            return;
        }
        if matches!(&*whole.kind, ExprKind::Record(_) | ExprKind::List(_)) {
            for (own, part, ty) in parts(whole, ty) {
                let own = if own.is_empty() { key } else { &*own };
                self.replace(part, ty.as_ref(), (tool, own));
            }
            return;
        }
        if secret {
            each(whole, &mut |whole| {
                if let Some((variable, _)) = variable_of(whole) {
                    *whole = expr(whole.span, ExprKind::Name(self.of_environment(&variable, true)));
                }
            });
        }
        self.environment(whole);
    }

    /// Whether an expression is a param that is a secret, with nothing else in it.
    fn is_secret_param(&self, expr: &Expr) -> bool {
        let name = match &*expr.kind {
            ExprKind::Name(name) => name,
            ExprKind::Str(parts) => match &**parts {
                [StrPart::Expr(inner)] => return self.is_secret_param(inner),
                _ => return false,
            },
            _ => return false,
        };
        self.values.contains_key(name) || self.secret_lets.contains(name)
    }

    /// Params in the place of all variables of the environment.
    fn environment(&mut self, whole: &mut Expr) {
        each(whole, &mut |whole| {
            if let Some((variable, is_cast)) = variable_of(whole) {
                *whole = expr(whole.span, ExprKind::Name(self.of_environment(&variable, is_cast)));
            }
        });
    }

    /// The param of a variable of the environment.
    fn of_environment(&mut self, variable: &Symbol, is_secret: bool) -> Symbol {
        if let Some((own, _)) = self.of_lets.get(variable).filter(|(_, secret)| *secret || !is_secret) {
            return own.clone();
        }
        let known = self.params.iter_mut().find(|(_, (_, of))| of.as_ref() == Some(variable));
        if let Some((own, (secret, _))) = known {
            *secret |= is_secret;
            return own.clone();
        }
        let own = self.free(&variable.to_lowercase());
        self.env.push(variable.clone());
        self.params.insert(own.clone(), (is_secret, Some(variable.clone())));
        own
    }

    /// A name that is not taken yet.
    fn free(&mut self, wanted: &str) -> Symbol {
        let plain = snake(wanted);
        let mut own = if is_name(&plain) { plain } else { format!("param_{plain}") };
        while self.names.contains(&*own) {
            own.push('_');
        }
        self.names.insert(own.as_str().into());
        own.into()
    }
}

/// `grafana_adminPassword` is `grafana_admin_password`.
pub(super) fn snake(text: &str) -> String {
    let mut out = String::new();
    let mut before = '_';
    for c in text.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            out.push('_');
        }
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
        before = c;
    }
    out
}

fn tools(decls: &mut [Decl]) -> impl Iterator<Item = &mut Tool> {
    decls
        .iter_mut()
        .filter_map(|d| if let DeclKind::Tool(tool) = &mut d.kind { Some(&mut **tool) } else { None })
}

/// The variable that a part of is read.
fn root_of(expr: &Expr) -> Option<Symbol> {
    if let ExprKind::Member { base, .. } = &*expr.kind {
        match &*base.kind {
            ExprKind::Name(name) => Some(name.clone()),
            _ => root_of(base),
        }
    } else {
        None
    }
}

/// Whether a secret belongs in a place: its type says so, or where that may be anything, its name.
fn is_secret_place(ty: Option<&Type>, key: &str) -> bool {
    match ty {
        Some(Type::Secret(_)) => true,
        Some(Type::Union(members)) => members.iter().any(|m| matches!(m, Type::Secret(_))),
        Some(Type::Any) | None => is_secret_key(key),
        Some(_) => false,
    }
}

/// The parts of a record or list, with their names and types.
fn parts<'e>(expr: &'e mut Expr, ty: Option<&Type>) -> Vec<(Symbol, &'e mut Expr, Option<Type>)> {
    let of_field = |key: &str| ty.and_then(|ty| field_type(ty, key));
    let of_item = ty.and_then(item_type);
    match &mut *expr.kind {
        ExprKind::Record(entries) => {
            let parts = entries.iter_mut().filter_map(|entry| match entry {
                Entry::Field { name, value: Some(value), .. } => {
                    Some((name.text.clone(), value, of_field(&name.text)))
                }
                Entry::Computed(_, value) => Some(("".into(), value, of_field(""))),
                Entry::Field { .. } | Entry::Spread(_) | Entry::Error(_) => None,
            });
            parts.collect()
        }
        ExprKind::List(items) => {
            let parts = items.iter_mut().map(|item| {
                let (dtm_lang::syntax::ast::Element::One(expr)
                | dtm_lang::syntax::ast::Element::Spread(expr)) = item;
                ("".into(), expr, of_item.clone())
            });
            parts.collect()
        }
        _ => vec![],
    }
}

pub(super) fn field_type(ty: &Type, key: &str) -> Option<Type> {
    match ty {
        Type::Record(record) => record.fields.get(key).map(|f| f.ty.clone()),
        Type::Map(of) => Some((**of).clone()),
        Type::Union(members) => members.iter().find_map(|m| field_type(m, key)),
        Type::Refined(refined) => field_type(&refined.base, key),
        Type::Any => Some(Type::Any),
        _ => None,
    }
}

pub(super) fn item_type(ty: &Type) -> Option<Type> {
    match ty {
        Type::List(of) => Some((**of).clone()),
        Type::Union(members) => members.iter().find_map(item_type),
        Type::Any => Some(Type::Any),
        _ => None,
    }
}

fn literal(expr: &Expr) -> Option<Symbol> {
    if let ExprKind::Str(parts) = &*expr.kind {
        match &**parts {
            [StrPart::Text(text)] => Some(text.clone()),
            [StrPart::Expr(inner)] => literal(inner),
            _ => None,
        }
    } else {
        None
    }
}

/// The variable of the environment that an expression is, and whether it is made a secret there.
fn variable_of(expr: &Expr) -> Option<(Symbol, bool)> {
    match &*expr.kind {
        ExprKind::Cast(inner, _) => variable_of(inner).map(|(variable, _)| (variable, true)),
        // A variable alone in quotes is the text that it is.
        ExprKind::Str(parts) => match &**parts {
            [StrPart::Expr(inner)] => variable_of(inner),
            _ => None,
        },
        ExprKind::Call { callee, args } => match (&*callee.kind, &**args) {
            (ExprKind::Name(function), [variable]) if &**function == "env_var" => {
                literal(&variable.value).map(|variable| (variable.clone(), is_secret_name(&variable)))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `param name: string = env_var("NAME")`, or one without a default.
fn param(
    own: dtm_lang::syntax::ast::Name,
    is_secret: bool,
    variable: Option<Symbol>,
    span: Span,
) -> DeclKind {
    DeclKind::Param {
        name: own,
        ty: if is_secret { secret_string(span) } else { string(span) },
        default: variable.map(|variable| call(span, "env_var", [text(span, variable)])),
    }
}
