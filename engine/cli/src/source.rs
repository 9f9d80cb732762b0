//! The root file of a command: which file is meant, where it is, what reads it, and what a run in its folder needs.

use crate::EXTENSIONS;
use crate::exit::{Failure, reason};
use crate::masking;
use crate::options::FileArg;
use crate::terminal::note_once;
use dtm_devstream as devstream;
use dtm_engine::project::{FileLoader, Surroundings};
use dtm_engine::secret::Redactor;
use dtm_engine::workspace::{Workspace, nearest};
use dtm_lang::loader::Around;
use dtm_lang::shell::word;
use dtm_lang::{Code, Loader};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A root file, and where it is.
pub struct Placed {
    /// The canonical folder.
    pub root: PathBuf,
    /// The file's name in it.
    pub name: String,
    /// What a person writes before a path to come from where they are to the folder.
    pub prefix: String,
}

/// Where a root file is; its workspace must be valid.
///
/// # Errors
/// When its folder is not there, its name is not UTF-8, or the workspace's `dtm.toml` has errors.
pub fn placed(path: &Path) -> Result<Placed, Failure> {
    let full = std::path::absolute(path).map_err(|e| unreadable(path, &reason(&e)))?;
    let name = full
        .file_name()
        .and_then(|n| n.to_str())
        .ok_or_else(|| unreadable(path, "its name is not UTF-8"))?
        .to_string();
    let folder = full.parent().unwrap_or(Path::new("/"));
    let root = folder.canonicalize().map_err(|e| unreadable(path, &reason(&e)))?;
    let workspace = Workspace::of(&root);
    if let Some((diagnostics, sources)) = workspace.problems() {
        return Err(Failure::all(diagnostics, &Arc::new(sources)));
    }
    if let Some(note) = workspace.note() {
        note_once(&note);
    }
    let prefix = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => format!("{}/", parent.display()),
        _ => String::new(),
    };
    Ok(Placed { root, name, prefix })
}

/// What a run in this folder needs besides the program.
///
/// # Errors
/// When the dtm binary cannot be found.
pub fn surroundings(root: PathBuf, env: BTreeMap<String, String>) -> Result<Surroundings, Failure> {
    let binary = std::env::current_exe()
        .map_err(|e| Failure::new(Code::E0903, format!("cannot find the dtm binary: {}", reason(&e))))?;
    let redactor = Redactor::default();
    masking::hide(&redactor);
    Ok(Surroundings { root, env, binary, redactor })
}

/// What a run in this folder needs, whatever program it is of.
///
/// # Errors
/// As [`surroundings`].
pub fn here() -> Result<Surroundings, Failure> {
    surroundings(std::env::current_dir().unwrap_or_default(), environment())
}

/// What a run in another folder needs, for any program.
///
/// # Errors
/// As [`surroundings`].
pub fn at(root: PathBuf) -> Result<Surroundings, Failure> {
    surroundings(root, environment())
}

/// The variables of this process that are text.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// The root file of a command, and what reads it.
pub struct Source {
    /// Its folder.
    pub root: PathBuf,
    /// Its name there.
    pub name: String,
    /// As the user may name it again; empty for the default.
    pub named: String,
    /// Reads it, and the files around it.
    pub loader: Arc<dyn Loader>,
}

/// The root file that is meant: one, several of DevStream's YAML as one, or standard input.
///
/// # Errors
/// When there is none.
pub fn source(file: &FileArg) -> Result<Source, Failure> {
    let given: Vec<PathBuf> = file.more.config_file.iter().chain(&file.more.var_file).cloned().collect();
    let one = file.file.clone().or_else(|| given.first().cloned());
    if one.as_deref() == Some(Path::new("-")) && given.len() < 2 {
        return standard_input();
    }
    if let [first, _, ..] = &*given {
        return several(first, &given);
    }
    let named = one.as_ref().map(|f| f.display().to_string()).unwrap_or_default();
    let Placed { root, name, prefix } = placed(&choose(one.as_deref())?)?;
    Ok(Source { loader: Arc::new(FileLoader::new(root.clone(), prefix, &EXTENSIONS)), root, name, named })
}

/// What comes in is `.dts` or, without the line that this begins with, DevStream's YAML.
fn standard_input() -> Result<Source, Failure> {
    let mut bytes = vec![];
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes)
        .map_err(|e| Failure::new(Code::E0903, format!("cannot read standard input: {}", reason(&e))))?;
    let is_dts = String::from_utf8_lossy(&bytes).lines().any(|line| line.trim_end() == "dts 1");
    let name = if is_dts { "stdin.dts" } else { "stdin.yaml" };
    let Placed { root, prefix, .. } = placed(Path::new(name))?;
    let inner = Arc::new(FileLoader::new(root.clone(), prefix, &EXTENSIONS));
    let loader = Around::loader(inner, move |inner, path| match path {
        _ if path == name => Ok(bytes.clone()),
        _ => inner.read(path),
    });
    Ok(Source { root, name: name.into(), named: "-".into(), loader })
}

/// Several files are one configuration, in the order in which they are named.
fn several(first: &Path, given: &[PathBuf]) -> Result<Source, Failure> {
    let Placed { root, prefix, .. } = placed(first)?;
    let mut names = vec![];
    for path in given {
        if !path.to_str().is_some_and(devstream::is_yaml) {
            return Err(Failure::new(Code::E0901, format!("`{}` is not DevStream's YAML", path.display()))
                .help("only DevStream YAML can be split over several files; in `.dts`, import the others")
                .usage());
        }
        let full = path.canonicalize().map_err(|e| unreadable(path, &reason(&e)))?;
        let Some(below) = full.strip_prefix(&root).ok().and_then(Path::to_str) else {
            let headline = format!("`{}` is not below the folder of `{}`", path.display(), first.display());
            return Err(Failure::new(Code::E0901, headline)
                .help("name the file in the outermost folder first")
                .usage());
        };
        names.push(below.to_string());
    }
    let named = given.iter().map(|p| word(&p.to_string_lossy()).into_owned()).collect::<Vec<_>>();
    let named = named.join(" -f ");
    let listing = names.join("\n");
    let inner = Arc::new(FileLoader::new(root.clone(), prefix, &EXTENSIONS));
    let loader = Around::loader(inner, move |inner, path| match path {
        devstream::FOLDER => Ok(listing.clone().into_bytes()),
        _ => inner.read(path),
    });
    Ok(Source { root, name: devstream::FOLDER.into(), named: format!("-f {named}"), loader })
}

/// The file that is meant.
///
/// # Errors
/// When there is none.
pub fn choose(file: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = match file {
        Some(path) if path.is_dir() && !path.join("main.dts").exists() && has_yaml(path) => {
            return Ok(path.join(devstream::FOLDER));
        }
        Some(path) if path.is_dir() => path.join("main.dts"),
        Some(path) => path.to_path_buf(),
        None if !Path::new("main.dts").exists() && Path::new("config.yaml").exists() => "config.yaml".into(),
        None => found("main.dts").unwrap_or_else(|| "main.dts".into()),
    };
    if !path.exists() {
        let failure = unreadable(&path, "there is no such file");
        return Err(
            failure.help("pass the root file of the program, or create a project: `dtm new quickstart DIR`")
        );
    }
    Ok(path)
}

/// The nearest file of this name, in this folder or above it in the same workspace. One that is not here is named in a note.
pub fn found(name: &str) -> Option<PathBuf> {
    if Path::new(name).exists() {
        return Some(name.into());
    }
    let here = std::env::current_dir().ok()?;
    let (_, up) = nearest(&here, name)?;
    let path = Path::new(&"../".repeat(up)).join(name);
    note_once(&format!("using {}", path.display()));
    Some(path)
}

/// Whether a folder has YAML files, as DevStream took a folder of them.
fn has_yaml(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.file_name());
    names.into_iter().any(|name| name.to_str().is_some_and(devstream::is_yaml))
}

/// A file that cannot be read.
pub fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::new(Code::E0903, format!("cannot read `{}`: {why}", path.display()))
}
