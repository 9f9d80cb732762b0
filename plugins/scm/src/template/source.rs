//! Where a template comes from: a folder, an archive, or a git address at a tag or commit.

use super::{LARGEST, LARGEST_TOTAL, Template, TemplateFile, bad};
use crate::destination::{Destination, Remote, inside};
use crate::git::Git;
use crate::store::empty_repository;
use dtm_plugin::{Ctx, Failure};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

/// A template as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Folder { path: PathBuf, part: String },
    Archive { path: PathBuf, part: String },
    Git { url: String, reference: String, part: String },
}

impl Source {
    /// Whether it may hold something else tomorrow without being written otherwise.
    pub(crate) fn is_local(&self) -> bool {
        !matches!(self, Source::Git { .. })
    }
}

const ARCHIVES: [&str; 4] = [".tar.gz", ".tgz", ".tar", ".zip"];

/// Reads the input `template`.
///
/// # Errors
/// When it can be none, or a git address names no tag or commit.
pub(crate) fn parse(text: &str) -> Result<Source, Failure> {
    let ssh = text.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    if text.contains("://") || ssh {
        let Some((address, reference)) = text.split_once('#').filter(|(_, r)| !r.is_empty()) else {
            return Err(bad(format!(
                "`{text}` names no version: write `{text}#v1.0.0`, with a tag or commit"
            )));
        };
        let after = address.find("://").map_or(0, |at| at + 3);
        let (url, part) = match address[after..].find("//") {
            Some(at) => (&address[..after + at], &address[after + at + 2..]),
            None => (address, ""),
        };
        if reference.starts_with('-') || reference.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(bad(format!("`{reference}` is no tag, branch or commit")));
        }
        Destination::read(&dtm_plugin::serde_json::json!({ "host": "git", "url": url }))
            .map_err(|_| bad(format!("`{url}` is no address of a template")))?;
        let part = inside(part).map_err(bad)?;
        return Ok(Source::Git { url: url.into(), reference: reference.into(), part });
    }
    if text.is_empty() || text.contains('\0') {
        return Err(bad("the template is an empty text or holds a zero byte"));
    }
    let (path, part) = match text[1..].find("//") {
        Some(at) => (&text[..at + 1], &text[at + 3..]),
        None => (text, ""),
    };
    let part = inside(part).map_err(bad)?;
    let path = PathBuf::from(path);
    match ARCHIVES.iter().any(|e| path.to_string_lossy().ends_with(e)) {
        true => Ok(Source::Archive { path, part }),
        false => Ok(Source::Folder { path, part }),
    }
}

pub(super) fn load(ctx: &Ctx, source: &Source) -> Result<Template, Failure> {
    match source {
        Source::Folder { path, part } if part.is_empty() => folder(path, true),
        Source::Folder { path, part } => folder(&path.join(part), true),
        Source::Archive { path, part } => archive(path, part),
        Source::Git { url, reference, part } => git(ctx, url, reference, part),
    }
}

/// The files of a folder; what its `.gitignore` names is no part of it.
fn folder(root: &Path, ignored: bool) -> Result<Template, Failure> {
    if !root.is_dir() {
        return Err(bad(format!("there is no folder `{}`", root.display())));
    }
    let real = root.canonicalize().map_err(|e| bad(format!("`{}` cannot be read: {e}", root.display())))?;
    let mut walk = ignore::WalkBuilder::new(root);
    walk.standard_filters(false).git_ignore(ignored).require_git(false).parents(false).follow_links(false);
    walk.filter_entry(|e| e.file_name() != ".git");
    let (mut files, mut total) = (vec![], 0);
    for entry in walk.build() {
        let entry = entry.map_err(|e| bad(format!("the template cannot be read: {e}")))?;
        let path = entry.path();
        let Ok(relative) = path.strip_prefix(root) else { continue };
        let Some(kind) = entry.file_type().filter(|k| !k.is_dir()) else { continue };
        let name = relative
            .to_str()
            .ok_or_else(|| bad(format!("`{}`: the name is not UTF-8", path.display())))?
            .to_string();
        let unreadable = |e: std::io::Error| bad(format!("`{}` cannot be read: {e}", path.display()));
        if kind.is_symlink() {
            let target = std::fs::read_link(path).map_err(unreadable)?;
            let lands = path.parent().unwrap_or(root).join(&target);
            let stays =
                lands.canonicalize().map_or_else(|_| !leads_out(relative, &target), |l| l.starts_with(&real));
            let text = target.to_str().filter(|_| stays && !target.is_absolute());
            let Some(text) = text else {
                let why = format!("`{}` is a link that leads out of the template", path.display());
                return Err(bad(why));
            };
            files.push(TemplateFile {
                path: name,
                mode: "120000",
                bytes: Arc::new(text.as_bytes().to_vec()),
            });
            continue;
        }
        if !kind.is_file() {
            return Err(bad(format!("`{}` is neither a file nor a folder", path.display())));
        }
        let metadata = std::fs::metadata(path).map_err(unreadable)?;
        measure(&name, metadata.len(), &mut total)?;
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let mode = if is_executable(&metadata) { "100755" } else { "100644" };
        files.push(TemplateFile { path: name, mode, bytes: Arc::new(bytes) });
    }
    whole(files)
}

fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

/// Whether a link's target, by its text alone, leaves the folder that it is in.
fn leads_out(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count() as i64 - 1;
    for part in target.components() {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return true,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

fn measure(name: &str, size: u64, total: &mut u64) -> Result<(), Failure> {
    *total += size;
    if size > LARGEST {
        return Err(bad(format!(
            "`{name}` has {} MiB; a file of a template may have {} at most",
            size >> 20,
            LARGEST >> 20
        )));
    }
    if *total > LARGEST_TOTAL {
        return Err(bad(format!("the template is larger than {} MiB", LARGEST_TOTAL >> 20)));
    }
    Ok(())
}

fn whole(mut files: Vec<TemplateFile>) -> Result<Template, Failure> {
    if files.is_empty() {
        return Err(bad("the template holds no file"));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Template { files: Arc::new(files) })
}

/// A path of an archive below the part that is meant; `None` for what is outside of it.
fn below(path: &str, part: &str) -> Option<String> {
    if part.is_empty() {
        return Some(path.to_string());
    }
    path.strip_prefix(part).and_then(|rest| rest.strip_prefix('/')).map(String::from)
}

fn archive(path: &Path, part: &str) -> Result<Template, Failure> {
    let file = std::fs::File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => bad(format!("there is no archive `{}`", path.display())),
        _ => bad(format!("`{}` cannot be read: {e}", path.display())),
    })?;
    let shown = path.display().to_string();
    let name = path.to_string_lossy();
    if name.ends_with(".zip") {
        zipped(file, &shown, part)
    } else if name.ends_with(".tar") {
        tarred(file, &shown, part)
    } else {
        tarred(flate2::read::GzDecoder::new(file), &shown, part)
    }
}

fn tarred(input: impl Read, shown: &str, part: &str) -> Result<Template, Failure> {
    let broken = |e: std::io::Error| bad(format!("`{shown}` is no whole archive: {e}"));
    let mut archive = tar::Archive::new(input);
    let (mut files, mut total) = (vec![], 0);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        let name = entry.path().map_err(broken)?.to_str().map(String::from);
        let name = name.ok_or_else(|| bad(format!("`{shown}` holds a name that is not UTF-8")))?;
        let plain = inside(&name).map_err(|why| bad(format!("`{shown}`: {why}")))?;
        let Some(path) = below(&plain, part) else { continue };
        if kind.is_symlink() {
            let target = entry.link_name().map_err(broken)?.map(|t| t.into_owned()).unwrap_or_default();
            files.push(link(path, &target, shown)?);
            continue;
        }
        if !kind.is_file() {
            return Err(bad(format!("`{shown}`: `{name}` is neither a file, a folder nor a link")));
        }
        measure(&name, entry.header().size().map_err(broken)?, &mut total)?;
        let mode = if entry.header().mode().unwrap_or(0) & 0o111 != 0 { "100755" } else { "100644" };
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).map_err(broken)?;
        files.push(TemplateFile { path, mode, bytes: Arc::new(bytes) });
    }
    whole(files)
}

fn link(path: String, target: &Path, shown: &str) -> Result<TemplateFile, Failure> {
    let text = target.to_str().filter(|_| !leads_out(Path::new(&path), target));
    let text =
        text.ok_or_else(|| bad(format!("`{shown}`: `{path}` is a link that leads out of the template")))?;
    Ok(TemplateFile { bytes: Arc::new(text.as_bytes().to_vec()), path, mode: "120000" })
}

fn zipped(file: std::fs::File, shown: &str, part: &str) -> Result<Template, Failure> {
    let broken = |e: zip::result::ZipError| bad(format!("`{shown}` is no whole archive: {e}"));
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    let (mut files, mut total) = (vec![], 0);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken)?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().map_err(broken)?.into_owned();
        let plain = inside(&name).map_err(|why| bad(format!("`{shown}`: {why}")))?;
        let Some(path) = below(&plain, part) else { continue };
        measure(&name, entry.size(), &mut total)?;
        let unix = entry.unix_mode().unwrap_or(0);
        let mut bytes = vec![];
        // A size that is a lie is found here.
        (&mut entry).take(LARGEST + 1).read_to_end(&mut bytes).map_err(|e| broken(e.into()))?;
        measure(&name, bytes.len() as u64, &mut 0)?;
        if unix & 0o170000 == 0o120000 {
            let target =
                String::from_utf8(bytes).map_err(|_| bad(format!("`{shown}`: a link is not UTF-8")))?;
            files.push(link(path, Path::new(&target), shown)?);
            continue;
        }
        let mode = if unix & 0o111 != 0 { "100755" } else { "100644" };
        files.push(TemplateFile { path, mode, bytes: Arc::new(bytes) });
    }
    whole(files)
}

/// A template in a git repository. It is fetched once in a run, however many tools use it.
fn git(ctx: &Ctx, url: &str, reference: &str, part: &str) -> Result<Template, Failure> {
    type Slot = Arc<Mutex<Option<Template>>>;
    static FETCHED: LazyLock<Mutex<HashMap<String, Slot>>> = LazyLock::new(Mutex::default);
    let key = format!("{url}\n{reference}\n{part}");
    let slot = FETCHED.lock().unwrap_or_else(|e| e.into_inner()).entry(key).or_default().clone();
    let mut slot = slot.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(template) = &*slot {
        return Ok(template.clone());
    }
    let template = fetch(ctx, url, reference, part)?;
    *slot = Some(template.clone());
    Ok(template)
}

fn fetch(ctx: &Ctx, url: &str, reference: &str, part: &str) -> Result<Template, Failure> {
    let doing = format!("the template `{url}`");
    let remote = Remote { url: url.into(), username: None, token: None };
    let folder = empty_repository().map_err(|e| bad(format!("no temporary folder: {e}")))?;
    let git = Git::at(ctx, folder.path()).with(&remote);
    let names = [format!("refs/tags/{reference}"), format!("refs/heads/{reference}")];
    let listed = git
        .run(&["ls-remote", "-q", url, &names[0], &names[1]])
        .map_err(|e| e.failure(&doing).input("template"))?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let has = |name: &str| listed.lines().any(|l| l.ends_with(&format!("\t{name}")));
    let commit = reference.len() >= 40 && reference.bytes().all(|b| b.is_ascii_hexdigit());
    let wanted = match (has(&names[0]), has(&names[1]), commit) {
        (true, ..) => names[0].clone(),
        (_, true, _) => {
            let warning = format!(
                "`{reference}` is a branch: what it holds changes by itself; a tag or commit does not"
            );
            ctx.warn(&format!("{doing}: {warning}"));
            names[1].clone()
        }
        (.., true) => reference.to_string(),
        _ => return Err(bad(format!("{doing} has no tag, branch or whole commit `{reference}`"))),
    };
    if let Err(e) = git.run(&["fetch", "-q", "--no-tags", "--depth=1", url, &wanted]) {
        if !commit {
            return Err(e.failure(&doing).input("template"));
        }
        // Not every server gives a commit by its id: then everything is fetched.
        git.run(&["fetch", "-q", "--no-tags", url, "+refs/*:refs/fetched/*"])
            .map_err(|e| e.failure(&doing).input("template"))?;
    }
    let tree = if commit { reference } else { "FETCH_HEAD" };
    let packed =
        git.run(&["archive", "--format=tar", tree]).map_err(|e| e.failure(&doing).input("template"))?;
    tarred(&*packed, url, part)
}
