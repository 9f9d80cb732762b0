//! A configuration as `.dts`, as a person would have written it.
//!
//! ```text
//! YAML ──read──> Model ──kinds──> module ──params in the place of secrets──> module ──print, with comments──> text ──format
//! ```

mod apps;
mod comments;
mod modules;
mod order;
mod outside;
mod print;
mod repeats;
mod write;

use super::program::Ours;
use super::{View, read, settled};
use comments::Comments;
use dtm_lang::diag::{Code, Diagnostic, Diagnostics};
use dtm_lang::loader::Loader;
use dtm_lang::maps::{HashMap, HashSet, IndexMap};
use dtm_lang::source::{Sources, Span, Symbol};
use dtm_lang::syntax::ast::DeclKind;
use order::{dependencies_first, in_order, without_needless_order};
use outside::Outside;
use std::fmt::Write;
use write::{About, Writer};

/// A configuration that was converted.
pub struct Conversion {
    /// The program: its root file.
    pub text: String,
    /// Its other files: their names beside the root file, and their texts.
    pub modules: Vec<(String, String)>,
    /// What was decided, in Markdown.
    pub decided: String,
    /// The values of the secrets that stood in the YAML, as a file of params; nothing where there was none.
    pub params: Option<String>,
    /// New addresses of tools, by those that they have in the YAML.
    pub moved: IndexMap<Symbol, String>,
    /// The variables of the environment that it reads.
    pub env: Vec<Symbol>,
}

/// Converts a configuration; with the files that were read, for the diagnostics. Nothing where it cannot be read. What has no place
/// in the result is told, and is in it as a comment. With `joined`, what is written again and again becomes a family or a component.
pub fn convert(root: &str, loader: &dyn Loader, joined: bool) -> (Option<Conversion>, Sources, Diagnostics) {
    let (mut sources, mut diags) = (Sources::default(), Diagnostics::default());
    let text = match loader.read(root).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => return (None, sources, failed(root, "it is not UTF-8")),
        Err(why) => return (None, sources, failed(root, &why)),
    };
    let file = sources.add_shown(root, loader.shown(root), &*text);
    let model = read(View::Ours, (root, file), &text, (loader, &mut sources), &mut diags);
    let Some(model) = model.filter(|_| !diags.has_errors()) else {
        let diags = settled(diags, Diagnostics::default(), false, &sources);
        return (None, sources, diags);
    };
    let ours = Ours::of(&model, &mut diags);
    let mut diags = settled(diags, Diagnostics::default(), false, &sources);
    let mut decls = ours.module(&model, file).decls;
    dependencies_first(&mut decls);
    without_needless_order(&mut decls);
    decls.iter_mut().for_each(in_order);
    let mut outside = Outside::new(loader, &decls);
    let params = outside.hoist(&mut decls);
    for own in &outside.plain {
        let headline =
            format!("the secret `{}` is used for something else too: it stays in the text", own.text);
        let d = Diagnostic::new(crate::codes::W0140, headline).at(own.span, "this variable").hide_source();
        diags
            .push(d.help("make it a `secret` param, and say where it may be shown: `expose(x, \"reason\")`"));
    }
    let first = decls
        .iter()
        .position(|d| !matches!(d.kind, DeclKind::Edition(..) | DeclKind::Settings(_) | DeclKind::Import(_)));
    let first = first.unwrap_or(decls.len());
    decls.splice(first..first, params);
    let mut components = apps::Components::default();
    let mut families = repeats::Families::default();
    if joined {
        let of =
            model.tools.iter().zip(&ours.names).filter_map(|(t, own)| Some((own.clone(), t.app.clone()?.0)));
        components = apps::components(&mut decls, &of.collect(), &mut outside);
        let entry = |tool: &super::model::Tool| tool.app.as_ref().map_or(tool.item, |(_, app)| *app);
        let mut items: HashMap<Symbol, Span> =
            model.tools.iter().zip(&ours.names).map(|(tool, own)| (own.clone(), entry(tool))).collect();
        for (own, members) in &components.members {
            let app = members.first().and_then(|first| items.get(first)).copied();
            items.extend(app.map(|app| (own.clone(), app)));
        }
        families = repeats::families(&mut decls, &items, std::mem::take(&mut components.moved));
    }
    decls.extend(repeats::moves(&families.moved, Span::new(file, 0, 0)));

    let mut comments = Comments::default();
    for (id, source) in sources.files() {
        comments.add(id, &source.text);
    }
    let about = model.tools.iter().zip(&ours.mapped).zip(&ours.names).map(|((tool, mapped), own)| {
        let left = mapped.left.iter().map(write::left_out).collect();
        (own.clone(), About { item: tool.item, app: tool.app.as_ref().map(|(_, entry)| *entry), left })
    });
    let mut writer = Writer::new(&sources, &mut comments, about.collect(), &components, &families);
    let parts = modules::split(decls, &sources);
    let mut texts = vec![];
    for part in &parts {
        match writer.text(part, file) {
            Ok(text) => texts.push((part.name.clone(), text)),
            // What was printed is not a program: that is a fault of ours, and is told as one.
            Err(why) => {
                let why = format!("what was made of it cannot be read again: {why}");
                return (None, sources, failed(root, &why));
            }
        }
    }
    let outside_names: Vec<Symbol> = outside.values.keys().cloned().collect();
    let params = (!outside.values.is_empty()).then(|| {
        let lines = outside.values.iter().map(|(own, value)| format!("{own}: {}\n", json(value)));
        lines.collect()
    });
    let env = outside.env.into_iter().collect::<HashSet<_>>().into_iter().collect();
    let decided = decided(&texts, &components, &families, &outside_names);
    let text = texts.remove(0).1;
    diags.sort();
    let made = Conversion { text, modules: texts, decided, params, moved: families.moved, env };
    (Some(made), sources, diags)
}

fn failed(root: &str, why: &str) -> Diagnostics {
    Diagnostic::new(Code::E0206, format!("cannot convert `{root}`: {why}")).into()
}

/// A text as it stands in YAML and in JSON.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What was decided, for people: what became of the files, and what was made in the place of what.
fn decided(
    texts: &[(String, String)],
    components: &apps::Components,
    families: &repeats::Families,
    secrets: &[Symbol],
) -> String {
    let mut out = String::from(
        "# What was converted\n\nMade of DevStream's YAML by `dtm convert`, which compares the plans of both.\n",
    );
    let listed = |names: &[Symbol]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if texts.len() > 1 {
        let names: Vec<String> = texts.iter().map(|(name, _)| format!("`{name}`")).collect();
        let _ = writeln!(
            out,
            "\n- Each file of YAML is a module: {}. The first one is the program.",
            names.join(", ")
        );
    }
    for (values, members) in &families.members {
        let _ = writeln!(
            out,
            "\n- {} differ only in their values: `{values}` lists them, and there is one tool for each.",
            listed(members)
        );
    }
    for (app, members) in &components.members {
        let _ =
            writeln!(out, "\n- The app `{app}` is one tool of a component, in place of {}.", listed(members));
    }
    if !families.moved.is_empty() {
        let _ = writeln!(
            out,
            "\n- `moved` renames the tools that a state records under an older name; once it has been applied everywhere, remove it."
        );
    }
    if !secrets.is_empty() {
        let _ = writeln!(out, "\n- These secrets were in the YAML and are params now: {}.", listed(secrets));
    }
    out
}
