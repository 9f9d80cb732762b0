//! `dtm doc`: documentation of modules, plugins and the manual, as Markdown or HTML.

use crate::EXTENSIONS;
use crate::doc::manual::{self, ManualError};
use crate::doc::{Page, examples, html, markdown, page, reference};
use crate::exit::{Exit, Failure, reason};
use crate::files::{self, Access};
use crate::options::FileArg;
use crate::project::Project;
use crate::source::unreadable;
use crate::terminal::Terminal;
use crate::view::count;
use clap::{Args, Command};
use dtm_engine::project::FileLoader;
use dtm_lang::{Code, Diagnostic, Diagnostics, Loader, Purpose, Severity, Shipped, Sources, Symbol};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments of `dtm doc`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm doc                          main.dts and what it imports, as Markdown\n  dtm doc std/apps                 a module of the standard library\n  dtm doc --plugin core            the kinds of a plugin\n  dtm doc --std --html site        the whole standard library and all plugins, as pages\n  dtm doc --manual MANUAL.md --html site\n  dtm doc --schema                 the JSON Schema of what --json writes\n\nDoc comments (`///`) before a declaration are its documentation; one on its own at the beginning of a file documents the module. A manual is a list of links to Markdown files, in order."
)]
pub struct Doc {
    /// A configuration, or a module of the standard library [default: main.dts].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The interface of a plugin that is shipped.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "manual", "std"])]
    plugin: Option<String>,
    /// The standard library and all plugins.
    #[arg(long, conflicts_with_all = ["file", "manual"])]
    std: bool,
    /// A list of links to Markdown files, which become one manual.
    #[arg(long, value_name = "FILE", conflicts_with = "file", requires = "html")]
    manual: Option<PathBuf>,
    /// The JSON Schema of what `check`, `plan`, `apply` and `destroy` write with `--json`.
    #[arg(long, conflicts_with_all = ["file", "plugin", "std", "manual", "html"])]
    schema: bool,
    /// Writes the documentation as HTML pages into this folder.
    #[arg(long, value_name = "DIR")]
    html: Option<PathBuf>,
}

/// Writes documentation; `command` is the command line of dtm.
pub(crate) fn run(terminal: &Terminal, args: &Doc, command: &Command) -> Result<Exit, Failure> {
    if args.schema {
        terminal.out(include_str!("../../schema/dtm-2.json"));
        return Ok(Exit::Done);
    }
    let (name, sources) = match &args.manual {
        Some(list) => {
            let pages = manual::read(list, &|page| reference::text(page, command));
            pages.map_err(|error| match error {
                ManualError::Read(path, e) => unreadable(&path, &reason(&e)),
                ManualError::Unknown(page) => Failure::new(
                    Code::E0903,
                    format!("`{}` links to `{}{page}`, which is not a page", list.display(), manual::GENERATED),
                )
                .help("the pages are `dtm:commands`, `dtm:exit-codes`, `dtm:diagnostics`, `dtm:builtins`, `dtm:json`, `dtm:std/MODULE`, `dtm:plugin/PLUGIN`"),
            })?
        }
        None => {
            let (name, pages) = pages(args)?;
            for page in &pages {
                hold(page)?;
            }
            let source = |p: &Page| html::Source {
                file: p.path.trim_end_matches(".dts").replace("../", "up/").replace(['/', '\\', ' '], "."),
                title: p.path.clone(),
                part: String::new(),
                markdown: markdown::text(p),
            };
            (name, pages.iter().map(source).collect())
        }
    };
    let Some(folder) = &args.html else {
        if terminal.json {
            let page = |s: html::Source| json!({ "title": s.title, "markdown": s.markdown });
            terminal.line(&sources.into_iter().map(page).collect());
            return Ok(Exit::Done);
        }
        let texts: Vec<String> = sources.into_iter().map(|s| s.markdown).collect();
        terminal.raw(&texts.join("\n"));
        return Ok(Exit::Done);
    };
    let files = html::site(&name, &sources);
    let all = files.iter().map(|(file, text)| (folder.join(file), text.as_bytes(), Access::Usual));
    files::replace_all(&all.collect::<Vec<_>>()).map_err(|(path, e)| files::unwritable(&path, &e))?;
    let first = files.first().map(|(f, _)| folder.join(f).display().to_string()).unwrap_or_default();
    terminal.note(&format!("{} in `{}`: begin with `{first}`", count(files.len(), "page"), folder.display()));
    Ok(Exit::Done)
}

/// Makes sure that the examples of a page are what the language takes: a whole program checks, a part of one can be read.
fn hold(page: &Page) -> Result<(), Failure> {
    for (name, text) in examples(page) {
        let whole = text.starts_with("dts ");
        let (diagnostics, sources) = if whole {
            let loader = Example {
                text: text.clone(),
                shipped: FileLoader::new(PathBuf::new(), String::new(), &EXTENSIONS),
            };
            let (checked, diagnostics) = dtm_lang::check("example.dts", &loader);
            (diagnostics, checked.sources)
        } else {
            let mut sources = Sources::default();
            let file = sources.add("example.dts", text.as_str());
            let mut diagnostics = Diagnostics::default();
            dtm_lang::syntax::parse(file, &text, &mut diagnostics);
            (diagnostics, sources)
        };
        if diagnostics.has_errors() {
            let mut all = Diagnostics::default();
            for d in diagnostics.into_iter().filter(|d| d.severity() == Severity::Error) {
                all.push(
                    d.note(format!("in the example of `{name}`, in the documentation of `{}`", page.path)),
                );
            }
            return Err(Failure::all(all, &Arc::new(sources)));
        }
    }
    Ok(())
}

/// A program of one file, with what is shipped.
struct Example {
    text: String,
    shipped: FileLoader,
}

impl Loader for Example {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match path {
            "example.dts" => Ok(self.text.clone().into_bytes()),
            _ => Err("an example is one file".into()),
        }
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        self.shipped.shipped(plugin)
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        self.shipped.shipped_names()
    }
    fn std_module(&self, name: &str) -> Option<Symbol> {
        self.shipped.std_module(name)
    }
}

/// The pages that are asked for, and what all of them are called.
fn pages(args: &Doc) -> Result<(String, Vec<Page>), Failure> {
    let std = |module: &str| {
        dtm_stdlib::module(module).map(|text| page(&format!("std/{module}"), text)).ok_or_else(|| {
            let d = Diagnostic::new(Code::E0206, format!("the standard library has no module `{module}`"));
            Failure::of(d.nearest(module, dtm_stdlib::MODULES.iter().map(|(name, _)| *name)))
        })
    };
    // Any folder will do: what is shipped is in no project.
    let loader = FileLoader::new(PathBuf::new(), String::new(), &EXTENSIONS);
    let plugin = |name: &str| {
        loader.shipped(name).map(|shipped| page(&format!("plugin {name}"), &shipped.text)).ok_or_else(|| {
            let d = Diagnostic::new(Code::E0204, format!("unknown plugin `{name}`"));
            Failure::of(d.nearest(name, loader.shipped_names().iter().map(|n| &**n)))
        })
    };
    if args.std {
        let mut all: Vec<Page> = vec![];
        for (name, _) in dtm_stdlib::MODULES {
            all.push(std(name)?);
        }
        for name in loader.shipped_names() {
            all.push(plugin(&name)?);
        }
        // The prelude is what everybody has.
        all.sort_by_key(|p| p.path != "std/prelude");
        return Ok(("dtm".into(), all));
    }
    if let Some(name) = &args.plugin {
        return Ok(("dtm".into(), vec![plugin(name)?]));
    }
    if let Some(module) = args.file.as_ref().and_then(|f| f.to_str()).and_then(|f| f.strip_prefix("std/"))
        && args.file.as_ref().is_some_and(|f| !f.exists())
    {
        return Ok(("dtm".into(), vec![std(module)?]));
    }
    let (project, diagnostics) = Project::bare(&FileArg::of(args.file.clone()), Purpose::Check)?;
    // What cannot be parsed would be left out of the page in silence; a wrong type does not change what is documented.
    let mut unread = Diagnostics::default();
    let is_syntax = |d: &Diagnostic| d.code.id().starts_with("E00") || d.code.id().starts_with("E01");
    diagnostics.into_iter().filter(is_syntax).for_each(|d| unread.push(d));
    if unread.has_errors() {
        return Err(Failure::all(unread, project.program.sources()));
    }
    let own =
        |path: &str| path.ends_with(".dts") && !path.starts_with(['<', '/']) && !path.starts_with("std/");
    let files = project.program.sources().files().filter(|(_, f)| own(&f.path));
    let all: Vec<Page> = files.map(|(_, f)| page(&f.path, &f.text)).collect();
    let root = project.around.root.file_name().map(|n| n.to_string_lossy().into_owned());
    Ok((root.unwrap_or_else(|| "dtm".into()), all))
}
