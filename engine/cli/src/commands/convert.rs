//! `dtm convert`: a configuration in DevStream's YAML becomes one in `.dts`, and it is shown that both plan the same.

use super::fmt::difference;
use crate::exit::{Exit, Failure, reason};
use crate::files::{self, Access};
use crate::options::{FileArg, Global};
use crate::params::inputs;
use crate::source::{Source, source};
use crate::terminal::Terminal;
use crate::view::count;
use clap::Args;
use dtm_devstream::{self as devstream, Conversion, Proof};
use dtm_lang::{Code, Diagnostics, shell};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The arguments of `dtm convert`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  dtm convert config.yaml                   shows the .dts\n  dtm convert config.yaml -o main.dts\n  dtm convert config.yaml -o main.dts --diff  shows what would change in main.dts\n  dtm convert --in-place config.yaml        writes config.dts, and keeps config.yaml as config.yaml.old\n\nSecrets in the YAML go to NAME.params, next to the .dts file, readable only by you.",
    mut_arg("file", |file| file.help("The YAML of DevStream, or the folder that it is in; `-` for standard input"))
)]
pub struct Convert {
    #[command(flatten)]
    file: FileArg,
    /// Writes the `.dts` to this file [default: shows it].
    #[arg(short, long, value_name = "OUT", conflicts_with = "in_place")]
    out: Option<PathBuf>,
    /// Writes nothing; shows what would change in the file.
    #[arg(long)]
    diff: bool,
    /// Does not compare the two plans.
    #[arg(long)]
    no_proof: bool,
    /// Imports what DevStream created, from its state file.
    #[arg(long, value_name = "STATE")]
    state: Option<PathBuf>,
    /// Writes next to the YAML file, which is renamed with the suffix `.old`.
    #[arg(long)]
    in_place: bool,
}

pub(crate) fn run(global: &Global, terminal: &Terminal, args: &Convert) -> Result<Exit, Failure> {
    let Source { root, name, loader, .. } = source(&args.file)?;
    let given = args.file.file.clone().unwrap_or_else(|| PathBuf::from(&name));
    let is_stdin = given.as_os_str() == "-";
    if args.in_place && (is_stdin || !args.file.more.config_file.is_empty()) {
        return Err(Failure::new(Code::E0901, "`--in-place` needs one file, or a folder").usage());
    }
    if args.out.as_ref().and_then(|out| out.to_str()).is_some_and(devstream::is_yaml) {
        return Err(Failure::new(Code::E0901, "`dtm convert` writes `.dts`, not YAML")
            .help("write `-o main.dts`")
            .usage());
    }
    // Before anything is written: whether its state can be read.
    if let Some(state) = &args.state {
        super::state::devstreams_program(state)?;
    }
    if !devstream::is_yaml(&name) {
        let headline = format!("`{name}` is not a DevStream configuration");
        return Err(Failure::new(Code::E0901, headline)
            .help("name a `.yaml` file, or a folder of them")
            .usage());
    }
    let (made, sources, diagnostics) = match args.no_proof {
        true => {
            let (made, sources, diagnostics) = devstream::convert(&name, &*loader, true);
            (made.map(|made| (made, None)), sources, diagnostics)
        }
        false => {
            let (made, sources, diagnostics) =
                devstream::convert_proven(&name, &loader, &inputs(global, &args.file)?);
            (made.map(|(made, proof)| (made, Some(proof))), sources, diagnostics)
        }
    };
    let Some((made, proof)) = made else { return Err(Failure::all(diagnostics, &Arc::new(sources))) };
    let target = match args.in_place {
        true if name == devstream::FOLDER => Some(given.join("main.dts")),
        true => Some(given.with_extension("dts")),
        // A folder has its program in this file.
        false => args.out.as_ref().map(|out| {
            let is_file = out.extension().is_some() || made.modules.is_empty() && !out.is_dir();
            if is_file { out.clone() } else { out.join("main.dts") }
        }),
    };
    let stem = target
        .as_deref()
        .and_then(Path::file_stem)
        .map_or("main".into(), |s| s.to_string_lossy().into_owned());
    if terminal.json {
        terminal.line(&as_json(&made, &diagnostics, &sources, proof.as_ref()));
    } else {
        terminal.diagnostics(&diagnostics, &sources);
    }
    match &target {
        _ if args.diff => {
            let before = target
                .as_deref()
                .filter(|t| t.is_file())
                .and_then(|t| std::fs::read_to_string(t).ok())
                .unwrap_or_default();
            let shown = target.as_deref().map_or("main.dts".into(), |t| t.display().to_string());
            terminal.raw(&difference(&shown, &before, &made.text, terminal));
        }
        Some(target) => written(terminal, target, &stem, &made)?,
        None if terminal.json => {}
        None => shown(terminal, &made),
    }
    if args.in_place && !args.diff {
        let read = sources.files().map(|(_, file)| file.path.to_string());
        for path in read.filter(|path| devstream::is_yaml(path) && *path != devstream::FOLDER) {
            kept(terminal, &root.join(path))?;
        }
    }
    let exit = told(terminal, proof.as_ref());
    if let Some(state) = args.state.as_ref().filter(|_| exit == Exit::Done && !args.diff) {
        return along(global, terminal, target.as_deref(), state, &made);
    }
    Ok(exit)
}

/// Keeps a file of YAML under another name.
fn kept(terminal: &Terminal, path: &Path) -> Result<(), Failure> {
    let mut old = path.to_path_buf().into_os_string();
    old.push(".old");
    std::fs::rename(path, &old).map_err(|e| {
        Failure::new(Code::E0903, format!("cannot keep `{}`: {}", path.display(), reason(&e)))
    })?;
    let name = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    terminal.note(&format!("kept {} as {}", name(path), name(Path::new(&old))));
    Ok(())
}

/// Shows the program, each file under its name where there are several.
fn shown(terminal: &Terminal, made: &Conversion) {
    if made.modules.is_empty() {
        return terminal.raw(&made.text);
    }
    let main = ("main.dts".to_string(), made.text.clone());
    for (name, text) in std::iter::once(&main).chain(&made.modules) {
        terminal.raw(&format!("==> {name} <==\n{text}\n"));
    }
}

/// Brings the state of DevStream's along.
fn along(
    global: &Global,
    terminal: &Terminal,
    target: Option<&Path>,
    state: &Path,
    made: &Conversion,
) -> Result<Exit, Failure> {
    let Some(target) = target else {
        return Err(Failure::new(Code::E0901, "`--state` needs an output file")
            .help("name it with `-o main.dts`, or pass `--in-place`")
            .usage());
    };
    if made.params.is_some() {
        let (state, file) = (state.to_string_lossy(), target.to_string_lossy());
        let command = shell::command(["dtm", "state", "import", "--devstream", &*state, "-f", &*file]);
        terminal.note(&format!("Then pass the secrets with `--params`: `{command} --params FILE`."));
        return Ok(Exit::Done);
    }
    super::state::import_devstream(global, terminal, &FileArg::of(Some(target.to_path_buf())), state)
}

/// Says what came of comparing the plans.
fn told(terminal: &Terminal, proof: Option<&Proof>) -> Exit {
    match proof {
        Some(Proof::Equal(tools)) => {
            terminal.note(&format!("The plans are equal: {}.", count(*tools, "tool")));
            Exit::Done
        }
        Some(Proof::Differ(all)) => {
            terminal.note("The plans differ:");
            all.iter().for_each(|difference| terminal.note(&format!("  {difference}")));
            Exit::Failed
        }
        Some(Proof::NoPlan(problems)) => {
            let why = count(problems.counts().0, "error");
            terminal.note(&format!(
                "The plans were not compared: the YAML cannot be planned because of {why}; run `dtm plan` on it."
            ));
            Exit::Failed
        }
        None => Exit::Done,
    }
}

/// Writes the program, what was decided where it has several files, and the secrets that stood in the YAML.
fn written(terminal: &Terminal, target: &Path, stem: &str, made: &Conversion) -> Result<(), Failure> {
    let folder = target.parent().unwrap_or(Path::new(""));
    let mut all = vec![(target.to_path_buf(), &made.text)];
    all.extend(made.modules.iter().map(|(name, text)| (folder.join(name), text)));
    if !made.modules.is_empty() {
        let readme = folder.join("README.md");
        let name = if readme.exists() { folder.join("CONVERTED.md") } else { readme };
        all.push((name, &made.decided));
    }
    // All of it, or nothing.
    for (path, text) in &all {
        // A pipe is written to, and not looked into.
        if path.is_file() && std::fs::read_to_string(path).ok().as_ref() != Some(*text) {
            return Err(Failure::new(Code::E0903, format!("`{}` already exists", path.display()))
                .help("see what would change: `--diff`")
                .help("name another file, or remove this one"));
        }
    }
    let file = target.with_file_name(format!("{stem}.params"));
    let usual = all.iter().map(|(path, text)| (path.clone(), text.as_bytes(), Access::Usual));
    let secret = made.params.iter().map(|text| (file.clone(), text.as_bytes(), Access::Private));
    let whole: Vec<_> = usual.chain(secret).collect();
    files::replace_all(&whole).map_err(|(path, e)| files::unwritable(&path, &e))?;
    all.iter().for_each(|(path, _)| terminal.note(&format!("wrote {}", path.display())));
    if made.params.is_none() {
        return Ok(());
    }
    let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    ignored_by_git(&target.with_file_name(".gitignore"), &name)?;
    terminal
        .note(&format!("wrote {}, which contains secrets: pass it with `--params {name}`", file.display()));
    Ok(())
}

/// Takes a file out of what git keeps.
fn ignored_by_git(list: &Path, name: &str) -> Result<(), Failure> {
    let before = std::fs::read_to_string(list).unwrap_or_default();
    if before.lines().any(|line| line.trim() == name || line.trim() == "*.params") {
        return Ok(());
    }
    let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    files::write(list, format!("{before}{end}{name}\n"))
}

fn as_json(
    made: &Conversion,
    diagnostics: &Diagnostics,
    sources: &dtm_lang::Sources,
    proof: Option<&Proof>,
) -> serde_json::Value {
    let notes: Vec<serde_json::Value> = diagnostics
        .iter()
        .map(|d| {
            let place = d.primary.as_ref().map(|p| {
                let (line, column) = sources.file(p.span.file).line_column(p.span.start);
                format!("{}:{line}:{column}", sources.file(p.span.file).path)
            });
            serde_json::json!({ "place": place, "message": d.headline })
        })
        .collect();
    let (equal, differences) = match proof {
        Some(Proof::Equal(_)) => (Some(true), vec![]),
        Some(Proof::Differ(all)) => (Some(false), all.clone()),
        Some(Proof::NoPlan(_)) | None => (None, vec![]),
    };
    let modules: serde_json::Map<String, serde_json::Value> =
        made.modules.iter().map(|(name, text)| (name.clone(), text.as_str().into())).collect();
    serde_json::json!({ "text": made.text, "modules": modules, "notes": notes, "equal": equal, "differences": differences })
}
