//! What those type who come from DevStream: `show config`, `show status`, `list plugins`, `init`, in the sense that they had.

use super::import::placeholder;
use super::verify::{self, Verify};
use crate::exit::{Exit, Failure};
use crate::options::{FileArg, Global};
use crate::project::Project;
use crate::source::here;
use crate::terminal::Terminal;
use clap::Args;
use dtm_devstream as devstream;
use dtm_engine::project::FileLoader;
use dtm_lang::interface::{Kind, Plugin};
use dtm_lang::{Code, Diagnostic, Loader, Purpose, Symbol, read_interface};
use dtm_stdlib::EXAMPLES;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// What `show` took there.
#[derive(Args)]
pub struct Shown {
    /// With `show config`: a sample of the kinds of this plugin.
    #[arg(short, long, value_name = "PLUGIN", hide = true)]
    plugin: Option<String>,
    /// With `show config`: this starter.
    #[arg(short, long, value_name = "NAME", hide = true)]
    template: Option<String>,
    /// With `show status`: one instance.
    #[arg(short = 'i', long, value_name = "ID", hide = true)]
    id: Option<String>,
    /// With `show status`: all of them, as it is anyway.
    #[arg(short, long, hide = true)]
    all: bool,
}

impl Shown {
    /// Whether any of it was given.
    pub(super) fn any(&self) -> bool {
        self.plugin.is_some() || self.template.is_some() || self.id.is_some() || self.all
    }
}

/// `show config`: a sample, as something to begin with.
pub(super) fn config(terminal: &Terminal, args: &Shown) -> Result<Exit, Failure> {
    if let (Some(plugin), None) = (&args.plugin, &args.template) {
        return sample(terminal, plugin);
    }
    let name = match args.template.as_deref() {
        None => "quickstart",
        // These showed an application with its repository, pipeline and deployment.
        Some("gitops" | "apps") => "services",
        Some(other) => other,
    };
    let Some(example) = EXAMPLES.iter().find(|e| e.name == name) else {
        let d = Diagnostic::new(Code::E0901, format!("no starter `{name}` is known"));
        let d = d.nearest(name, EXAMPLES.iter().map(|e| e.name));
        return Err(Failure::of(d.help("`dtm new` lists them, and writes one with all its files")).usage());
    };
    let main = example.files.iter().find(|(path, _)| *path == "main.dts");
    terminal.raw(main.map_or("", |(_, text)| text));
    Ok(Exit::Done)
}

/// A tool of each kind of a plugin, with what has to be given and what may be.
fn sample(terminal: &Terminal, wanted: &str) -> Result<Exit, Failure> {
    let kind = devstream::kind_of(wanted);
    let (name, only) = match kind.and_then(|kind| kind.split_once('.')) {
        Some((plugin, kind)) => (plugin, Some(kind)),
        None => (wanted, None),
    };
    let Some(plugin) = interface(name) else {
        let mut names = loader()?.shipped_names();
        names.extend(devstream::plugins().map(Symbol::from));
        let d = Diagnostic::new(Code::E0204, format!("unknown plugin `{wanted}`"));
        return Err(Failure::of(
            d.nearest(wanted, names.iter().map(|n| &**n)).help("`dtm list plugins` lists them"),
        ));
    };
    let mut out = String::from("dts 1\n");
    for (_, kind) in plugin.kinds.iter().filter(|(name, _)| only.is_none_or(|only| only == &***name)) {
        out += &tool(kind);
    }
    terminal.raw(&out);
    Ok(Exit::Done)
}

fn tool(kind: &Kind) -> String {
    let mut out = String::new();
    for line in kind.doc.iter().flat_map(|doc| doc.lines()) {
        let _ = writeln!(out, "// {line}");
    }
    let name = kind.name.to_lowercase();
    let _ = writeln!(out, "tool {name}: {} {{", kind.path());
    let is_optional =
        |input: &dtm_lang::interface::Input| input.field.default.is_some() || input.field.ty.is_nullable();
    for (name, input) in &kind.inputs {
        for line in input.field.doc.iter().flat_map(|doc| doc.lines()) {
            let _ = writeln!(out, "  // {line}");
        }
        let _ = match is_optional(input) {
            true => writeln!(out, "  // {name} = ... // {}", input.field.ty),
            false => {
                writeln!(out, "  {name} = {}", placeholder(&input.field.ty).unwrap_or_else(|| "{}".into()))
            }
        };
    }
    format!("\n{out}}}\n")
}

/// `show status`: what the state says against what is there, as `dtm verify` tells it.
pub(super) fn status(
    global: &Global,
    terminal: &Terminal,
    file: Option<PathBuf>,
    args: &Shown,
) -> Result<Exit, Failure> {
    if args.plugin.is_some() || args.id.is_some() {
        return Err(Failure::new(Code::E0901, "`show status` compares all tools")
            .help("for one of them: `dtm show TOOL`, or `dtm plan --only TOOL`")
            .usage());
    }
    verify::run(global, terminal, &Verify::of(FileArg::of(file)))
}

/// `list plugins`: those that there are, and which of them have an interface only.
pub(super) fn plugins(terminal: &Terminal) -> Result<Exit, Failure> {
    let loader = loader()?;
    let mut names = loader.shipped_names();
    names.sort();
    for name in names {
        let kinds =
            interface(&name).map(|p| p.kinds.keys().map(|k| format!("{name}.{k}")).collect::<Vec<_>>());
        let to_come = match loader.shipped(&name).is_some_and(|s| s.interface_only) {
            true => "  (not implemented yet: check and plan only)",
            false => "",
        };
        terminal.out(&format!("{name}{to_come}: {}\n", kinds.unwrap_or_default().join(", ")));
    }
    Ok(Exit::Done)
}

/// The arguments of `dtm init`.
#[derive(Args)]
pub struct Init {
    #[command(flatten)]
    file: FileArg,
}

/// `init`: whether every plugin that a configuration needs is there. There is nothing to download: they are shipped with dtm, or
/// lie beside the configuration.
pub(crate) fn init(global: &Global, terminal: &Terminal, args: &Init) -> Result<Exit, Failure> {
    let (project, diagnostics) = Project::open(global, &args.file, Purpose::Check)?;
    if diagnostics.has_errors() {
        return Err(Failure::all(diagnostics, project.program.sources()));
    }
    for (name, used) in project.program.plugins() {
        let there = match (used.interface_only, &used.path) {
            (true, _) => "is not implemented yet: check and plan work, apply does not".to_string(),
            (false, Some(path)) => format!("is in {path}"),
            (false, None) => "is shipped with dtm".into(),
        };
        terminal.out(&format!("{name} {there}\n"));
    }
    terminal.note("Nothing is downloaded: there is nothing to initialize.");
    Ok(Exit::Done)
}

fn loader() -> Result<FileLoader, Failure> {
    Ok(FileLoader::new(here()?.root, String::new(), &crate::EXTENSIONS))
}

fn interface(name: &str) -> Option<Arc<Plugin>> {
    let shipped = loader().ok()?.shipped(name)?;
    read_interface(name, &shipped.text).0
}
