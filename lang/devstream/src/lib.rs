//! DevStream's configurations in YAML, of every version, read as a program.
//!
//! ```text
//! text ──mask──> YAML with places ──sections──> Model ──apps become tools──> tools with options ──> syntax tree
//! ```
//!
//! `[[ ]]` and `${{ tool.instance.outputs.key }}` are masked at equal length before the YAML is read, so that every place stays
//! true and no value can change the structure. `[[ ]]` becomes an expression; `${{ }}` becomes the name of
//! the tool that it refers to, or stays a text where DevStream's own tools are wanted. The syntax tree is that of a `.dts` module whose
//! places are in the YAML, so checking, evaluation and diagnostics are those of every program.

mod apps;
mod build;
mod codes;
mod convert;
mod inner;
mod kinds;
mod mask;
mod model;
mod options;
mod program;
mod proof;
mod state;
mod template;
mod tools;
mod values;

pub use convert::{Conversion, convert};
pub use proof::{Proof, convert_proven, prove};
pub use state::{state, state_file, written_for};

use dtm_lang::diag::{Code, Diagnostic, Diagnostics, Severity};
use dtm_lang::frontend::{Frontend, Other, Text};
use dtm_lang::loader::{Extensions, Loader, Shipped, join};
use dtm_lang::maps::HashSet;
use dtm_lang::sealed::{Plain, Sealed, Unopened};
use dtm_lang::source::{FileId, Sources, Span, Symbol};
use dtm_lang::syntax::ast;
use dtm_lang::value::Value;
use dtm_lang::{Inputs, Program, Purpose};
use dtm_lang::{NoOutputs, check};
use std::sync::Arc;

/// The value of a program that was read of YAML: its tools as DevStream would have them, apps expanded.
pub const TOOLS: &str = "tools";

/// Stands for all the YAML files of a folder and of those below it: what a loader reads of it is a line for each, in the order
/// of their names.
pub const FOLDER: &str = "*.yaml";

/// The front end, for a [`Loader`].
pub const FRONTEND: &dyn Frontend = &Devstream { view: View::Ours };

/// What is made of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// A program like every other, with tools of our kinds.
    Ours,
    /// One value, with the tools that DevStream would have made of it.
    Devstream,
}

struct Devstream {
    view: View,
}

impl Frontend for Devstream {
    fn codes(&self) -> &'static [Code] {
        codes::ALL
    }
    fn reads(&self, path: &str) -> bool {
        is_yaml(path)
    }
    fn folder(&self) -> Option<&'static str> {
        Some(FOLDER)
    }
    fn is_program(&self, text: &str) -> bool {
        let sections = ["tools:", "apps:", "pipelineTemplates:"];
        text.lines().any(|line| sections.iter().any(|section| line.starts_with(section)))
    }
    fn module(
        &self,
        Text { path, file, text }: Text<'_>,
        other: &mut Other<'_>,
        diags: &mut Diagnostics,
    ) -> ast::Module {
        match (model::read(self.view, (path, file), text, other, diags), self.view) {
            (Some(model), View::Ours) => program::Ours::of(&model, diags).module(&model, file),
            (Some(model), View::Devstream) => program::devstream(&model, file),
            (None, _) => program::empty(file),
        }
    }
    /// Where a configuration is only checked, what DevStream loaded is no more than a warning.
    fn settle(
        &self,
        read: Diagnostics,
        checked: Diagnostics,
        strict: bool,
        sources: &Sources,
    ) -> Diagnostics {
        settled(read, checked, !strict, sources)
    }
}

/// What reading a configuration reported and what checking it reported, each problem once.
fn settled(read: Diagnostics, checked: Diagnostics, lenient: bool, sources: &Sources) -> Diagnostics {
    let mut out = Diagnostics::default();
    for d in joined(read, checked, lenient) {
        let shows = d.primary.iter().chain(&d.secondary).any(|label| shows_secret(label.span, sources));
        out.push(if shows { d.hide_source() } else { d });
    }
    out
}

/// The files of another loader, of which configurations are read as the tools that DevStream would have made of them.
struct AsTools(Arc<dyn Loader>);

impl Loader for AsTools {
    fn extensions(&self) -> &'static Extensions {
        &Extensions { frontends: &[&Devstream { view: View::Devstream }], backends: Vec::new }
    }
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0.read(path)
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        self.0.shipped(plugin)
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        self.0.shipped_names()
    }
    fn std_module(&self, path: &str) -> Option<Symbol> {
        self.0.std_module(path)
    }
    fn home(&self) -> &str {
        self.0.home()
    }
    fn open_sealed(&self, file: &Sealed) -> Result<Vec<Plain>, Unopened> {
        self.0.open_sealed(file)
    }
    fn shown(&self, path: &str) -> String {
        self.0.shown(path)
    }
}

/// Whether a file is one of DevStream's, by its name.
pub fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// The tools that DevStream would have made of a configuration: a list of objects with `name`, `instanceID`, `dependsOn` and
/// `options`; its files, and what is wrong with it. Without an error there is a list, unless a value is not known.
pub fn tools(
    root: &str,
    loader: Arc<dyn Loader>,
    inputs: &Inputs,
    purpose: Purpose,
) -> (Option<Value>, Program, Diagnostics) {
    let loader: Arc<dyn Loader> = Arc::new(AsTools(loader));
    let (checked, diags) = check(root, &*loader);
    let (program, mut diags) = Program::of_checked(checked, diags, loader, inputs, purpose);
    let (values, problems) = program.outputs(&NoOutputs);
    if !diags.has_errors() {
        diags.append(problems);
    }
    let tools = values.into_iter().find(|(name, _)| **name == *TOOLS).map(|(_, value)| value);
    (tools, program, diags)
}

/// Whether a secret is written out on a line of a place, as a value of what is called like one.
fn shows_secret(span: Span, sources: &Sources) -> bool {
    let file = sources.file(span.file);
    if !is_yaml(&file.path) {
        return false;
    }
    let begin = file.text[..span.start as usize].rfind('\n').map_or(0, |n| n + 1);
    let end = file.text[span.end as usize..].find('\n').map_or(file.text.len(), |n| span.end as usize + n);
    file.text[begin..end].lines().any(|line| {
        line.split([' ', '"', '\'', ',']).any(is_secret_text)
            || line.match_indices(':').any(|(at, _)| {
                let key = line[..at]
                    .rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
                    .next()
                    .unwrap_or("");
                let value = line[at + 1..].trim_start().trim_start_matches(['"', '\'']);
                let is_written = !value.is_empty()
                    && !value.starts_with(['#', '{', ',', '}'])
                    && !value.starts_with("[[")
                    && !value.starts_with("${{");
                is_written && is_secret_key(key)
            })
    })
}

fn joined(told: Diagnostics, checked: Diagnostics, lenient: bool) -> Diagnostics {
    let at = |d: &Diagnostic| d.primary.as_ref().map(|p| (p.span.file, p.span.start));
    let is_error = |d: &Diagnostic| d.severity() == Severity::Error;
    let mut out = Diagnostics::default();
    if lenient {
        let places: HashSet<_> = told.iter().filter_map(at).collect();
        out.append(told);
        for mut d in checked.into_iter().filter(|d| at(d).is_none_or(|at| !places.contains(&at))) {
            d.code = codes::W0140;
            // They are places in an interface.
            d.secondary.clear();
            out.push(d);
        }
        return out;
    }
    // An error says what a warning in its place says too.
    let errors: HashSet<_> = checked.iter().filter(|d| is_error(d)).filter_map(at).collect();
    for d in told.into_iter().filter(|d| is_error(d) || at(d).is_none_or(|at| !errors.contains(&at))) {
        out.push(d);
    }
    out.append(checked);
    out
}

/// The kind that a plugin of DevStream's became: `helm.Release`.
pub fn kind_of(plugin: &str) -> Option<&'static str> {
    kinds::of_plugin(plugin)
}

/// The names of DevStream's plugins, those of earlier versions among them.
pub fn plugins() -> impl Iterator<Item = &'static str> {
    options::plugins()
}

/// Whether a variable of the environment is a secret, by its name.
fn is_secret_name(variable: &str) -> bool {
    let name = variable.to_uppercase();
    ["TOKEN", "PASSWORD", "PASSWD", "SECRET", "KEY", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

/// Whether what stands at a key of data that nobody describes is a secret, by its name.
fn is_secret_key(key: &str) -> bool {
    let key = key.to_lowercase().replace(['_', '-'], "");
    // One, or several of them.
    let one = key.strip_suffix('s').unwrap_or(&key);
    let ends = [
        "password",
        "passwd",
        "token",
        "apikey",
        "secretkey",
        "secretaccesskey",
        "privatekey",
        "secret",
        "accesskey",
        "pwd",
        "pass",
        "passphrase",
        "credential",
    ];
    // These are the names of secrets that are elsewhere.
    let is_name = key.starts_with("existing") || key.contains("pullsecret") || key.ends_with("secretname");
    is_secret(&key)
        || is_secret(one)
        || !is_name && ends.iter().any(|end| key.ends_with(end) || one.ends_with(end))
}

/// Whether a text says a secret by itself: an address with a password, or what goes into a header.
fn is_secret_text(text: &str) -> bool {
    let address = text.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.split_once('@'));
    address.is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
        || text.strip_prefix("Bearer ").is_some_and(|token| !token.trim().is_empty())
}

/// Whether what stands at a key is a secret, which DevStream had no word for.
pub fn is_secret(key: &str) -> bool {
    const SECRET: [&str; 8] = [
        "token",
        "password",
        "securityvalue",
        "apikey",
        "sshprivatekey",
        "secret_key",
        "secretkey",
        "apitoken",
    ];
    SECRET.contains(&&*key.to_lowercase())
}

/// Reads a configuration; `None` where there is nothing to go on with.
fn read(
    view: View,
    (path, file): (&str, FileId),
    text: &str,
    (loader, sources): (&dyn Loader, &mut Sources),
    diags: &mut Diagnostics,
) -> Option<model::Model> {
    // A file that it names, by the path from this one.
    let mut other = |name: &str| {
        let other = join(loader.home(), path, name)?;
        let text = String::from_utf8(loader.read(&other)?).map_err(|_| "it is not UTF-8".to_string())?;
        Ok((sources.add_shown(&*other, loader.shown(&other), &*text), text))
    };
    model::read(view, (path, file), text, &mut other, diags)
}
