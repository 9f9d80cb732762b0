//! What the server knows: open texts over files on disk, and for each program the last analysis.
//!
//! A file belongs to the nearest `main.dts` upwards whose imports reach it, or else it is a program by itself. Every edit
//! makes analyses anew when they are next asked for: checking a whole program is quick.

use crate::documents::{Document, Edit};
use dtm_lang::loader::Extensions;
use dtm_lang::source::{FileId, Sources};
use dtm_lang::{
    Cursor, Diagnostic, Diagnostics, Facts, Frontend, Inputs, Loader, Program, Purpose, Shipped, Symbol,
    check_for_editor,
};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Gives a loader for the folder of a program.
pub type Loaders = Arc<dyn Fn(&Path) -> Arc<dyn Loader> + Send + Sync>;

/// How many folders upwards a `main.dts` is looked for.
const UPWARDS: usize = 12;
/// What is in the root of a workspace.
const MARKS: [&str; 2] = ["dtm.toml", ".git"];
/// Larger texts are not analysed while somebody types.
const LARGEST: usize = 4 << 20;

/// A program as far as it was understood.
pub struct Analysis {
    /// The folder of the program.
    pub folder: PathBuf,
    /// Its files.
    pub sources: Arc<Sources>,
    /// What was found out.
    pub facts: Facts,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Analysis {
    /// The file of a path on disk.
    pub fn file(&self, path: &Path) -> Option<FileId> {
        self.sources
            .files()
            .find(|(_, f)| is_file(&f.path) && on_disk(&self.folder, &f.path) == path)
            .map(|(id, _)| id)
    }
    /// The path of a file on disk; none for what is built in.
    pub fn path(&self, file: FileId) -> Option<PathBuf> {
        let path = &self.sources.file(file).path;
        is_file(path).then(|| on_disk(&self.folder, path))
    }
}

/// Documents and analyses. One thread owns it.
pub struct World {
    loaders: Loaders,
    frontends: &'static [&'static dyn Frontend],
    documents: HashMap<PathBuf, Document>,
    /// By the root file of the program.
    analyses: HashMap<PathBuf, Arc<Analysis>>,
    /// The root file of each open file, as it was found last.
    roots: HashMap<PathBuf, PathBuf>,
}

/// A loader in which open texts stand over what is on disk.
struct Overlay {
    folder: PathBuf,
    texts: HashMap<PathBuf, String>,
    disk: Arc<dyn Loader>,
}

impl Loader for Overlay {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        match self.texts.get(&on_disk(&self.folder, path)) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.disk.read(path),
        }
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        self.disk.list(folder)
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        self.disk.shipped(plugin)
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        self.disk.shipped_names()
    }
    fn std_module(&self, path: &str) -> Option<Symbol> {
        self.disk.std_module(path)
    }
    fn home(&self) -> &str {
        self.disk.home()
    }
    fn extensions(&self) -> &'static Extensions {
        self.disk.extensions()
    }
}

/// Whether a path of a program's sources is one of a file, and not of what is built in.
fn is_file(path: &str) -> bool {
    !path.starts_with('<') && !path.starts_with("std/")
}

/// The file of a path from the folder of a program, which may begin with `../`.
fn on_disk(folder: &Path, path: &str) -> PathBuf {
    let (mut folder, mut path) = (folder, path);
    while let Some(rest) = path.strip_prefix("../") {
        (folder, path) = (folder.parent().unwrap_or(folder), rest);
    }
    folder.join(path)
}

/// The root of the workspace that a folder is in, of which a loader knows how far up it is.
fn workspace<'f>(folder: &'f Path, loader: &dyn Loader) -> &'f Path {
    let up = loader.home().split('/').filter(|part| !part.is_empty()).count();
    folder.ancestors().nth(up).unwrap_or(folder)
}

impl World {
    /// Nothing is open.
    pub fn new(loaders: Loaders) -> World {
        let frontends = loaders(Path::new("/")).extensions().frontends;
        World {
            loaders,
            frontends,
            documents: HashMap::new(),
            analyses: HashMap::new(),
            roots: HashMap::new(),
        }
    }

    /// A text is open in the editor.
    pub fn open(&mut self, path: PathBuf, version: i32, text: String) {
        self.documents.insert(path, Document { text, version });
        self.forget();
    }
    /// A text was edited.
    pub(crate) fn change(&mut self, path: &Path, version: i32, edits: Vec<Edit>) {
        if self.documents.get_mut(path).is_some_and(|d| d.change(version, edits)) {
            self.analyses.clear();
        }
    }
    /// A text is open no more: what is on disk counts.
    pub fn close(&mut self, path: &Path) {
        self.documents.remove(path);
        self.forget();
    }
    /// Files on disk changed.
    pub fn forget(&mut self) {
        self.analyses.clear();
        self.roots.clear();
    }

    /// The open files.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = self.documents.keys().cloned().collect();
        all.sort();
        all
    }
    /// The version of an open text.
    pub fn version(&self, path: &Path) -> Option<i32> {
        self.documents.get(path).map(|d| d.version)
    }
    /// The text of an open file.
    pub fn text(&self, path: &Path) -> Option<&str> {
        self.documents.get(path).map(|d| &*d.text)
    }

    /// Whether an open text is one of ours: `.dts` is the ending of device trees as well, and of what is too large to be
    /// analysed while somebody types nothing is said.
    pub fn is_ours(&self, path: &Path) -> bool {
        let Some(text) = self.text(path) else { return false };
        text.len() <= LARGEST && !is_device_tree(text)
    }

    /// Whether more is reported of a text than what is wrong: not of one that a front end reads.
    pub fn answers(&self, path: &Path) -> bool {
        self.is_ours(path) && path.to_str().is_none_or(|path| self.frontend(path).is_none())
    }

    /// The front end that reads a file, if it is not a `.dts` file.
    fn frontend(&self, path: &str) -> Option<&'static dyn Frontend> {
        self.frontends.iter().copied().find(|front| front.reads(path))
    }

    /// The analysis of the program that a file belongs to.
    pub fn analysis(&mut self, path: &Path) -> Arc<Analysis> {
        let root = self.root(path);
        self.program(&root)
    }

    /// The root file of the program that a file belongs to.
    fn root(&mut self, path: &Path) -> PathBuf {
        if let Some(root) = self.roots.get(path) {
            return root.clone();
        }
        let root = self.find_root(path);
        self.roots.insert(path.to_path_buf(), root.clone());
        root
    }

    fn find_root(&mut self, path: &Path) -> PathBuf {
        let own = path.parent().unwrap_or(path);
        let workspace = workspace(own, &*(self.loaders)(own));
        // Without a workspace marker, every folder above may be the project's.
        let marked = workspace != own || MARKS.iter().any(|mark| own.join(mark).exists());
        let within = |folder: &Path| !marked || folder.starts_with(workspace);
        for folder in path.ancestors().skip(1).take(UPWARDS).filter(|folder| within(folder)) {
            let main = folder.join("main.dts");
            if main == path {
                break;
            }
            if (self.documents.contains_key(&main) || main.is_file())
                && self.program(&main).file(path).is_some()
            {
                return main;
            }
        }
        path.to_path_buf()
    }

    fn program(&mut self, root: &Path) -> Arc<Analysis> {
        if let Some(found) = self.analyses.get(root) {
            return found.clone();
        }
        let made = Arc::new(self.analyse(root));
        self.analyses.insert(root.to_path_buf(), made.clone());
        made
    }

    /// What could stand at the cursor of a program in which one text stands otherwise, the cursor's word in it; and the
    /// loader of its files. Without such a text the program is not looked at.
    pub fn cursor(&mut self, path: &Path, marked: Option<String>) -> (Option<Cursor>, Arc<dyn Loader>) {
        let root = self.root(path);
        match marked {
            None => (None, self.loader(&root, None).0),
            Some(text) => {
                let (loader, name, _) = self.loader(&root, Some((path, text)));
                (check_for_editor(&name, &*loader).1.cursor, loader)
            }
        }
    }

    fn loader(&self, root: &Path, other: Option<(&Path, String)>) -> (Arc<dyn Loader>, String, PathBuf) {
        let folder = root.parent().unwrap_or(Path::new("/")).to_path_buf();
        let name = root.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let disk = (self.loaders)(&folder);
        let bounds = workspace(&folder, &*disk);
        let below = self.documents.iter().filter(|(p, _)| p.starts_with(bounds));
        let mut texts: HashMap<PathBuf, String> = below.map(|(p, d)| (p.clone(), d.text.clone())).collect();
        texts.extend(other.map(|(path, text)| (path.to_path_buf(), text)));
        (Arc::new(Overlay { folder: folder.clone(), texts, disk }), name, folder)
    }

    fn analyse(&self, root: &Path) -> Analysis {
        let (loader, name, folder) = self.loader(root, None);
        let text = loader.read(&name).ok().and_then(|b| String::from_utf8(b).ok()).unwrap_or_default();
        if is_interface(&text) {
            let (_, sources, diagnostics) = dtm_lang::read_interface(&name, &text);
            let (sources, facts) = (Arc::new(sources), Facts::default());
            return Analysis { folder, sources, facts, diagnostics: shown(&diagnostics) };
        }
        if self.frontend(&name).is_some_and(|front| !front.is_program(&text)) {
            let (sources, facts) = (Arc::default(), Facts::default());
            return Analysis { folder, sources, facts, diagnostics: vec![] };
        }
        let (checked, facts, diagnostics) = check_for_editor(&name, &*loader);
        let (program, diagnostics) =
            Program::of_checked(checked, diagnostics, loader, &Inputs::default(), Purpose::Check);
        let sources = program.sources().clone();
        Analysis { folder, sources, facts, diagnostics: shown(&diagnostics) }
    }
}

/// What an editor shows: errors before warnings, and a limited number for each file.
fn shown(diagnostics: &Diagnostics) -> Vec<Diagnostic> {
    diagnostics.shown().diagnostics.into_iter().cloned().collect()
}

/// What begins as device trees do, and not with our first line.
fn is_device_tree(text: &str) -> bool {
    let code = text
        .lines()
        .map(str::trim)
        .find(|l| !l.is_empty() && !l.starts_with("//") && !l.starts_with("/*") && !l.starts_with('*'));
    code.is_some_and(|l| {
        l.starts_with("/dts-v1/")
            || l.starts_with("/plugin/")
            || l.starts_with("#include")
            || l.starts_with("/ {")
            || l.starts_with("/{")
            || l.starts_with("/memreserve/")
    })
}

/// Whether a text is the interface of a plugin.
fn is_interface(text: &str) -> bool {
    text.lines().any(|l| l.starts_with("plugin "))
}
