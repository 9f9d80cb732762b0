//! A chart that is a folder, as an archive: the same bytes for the same files, so that its digest says whether it changed.

use super::archive::{Dependency, Metadata};
use crate::yaml;
use dtm_plugin::Failure;
use flate2::Compression;
use flate2::write::GzEncoder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How deep charts may be in charts.
const DEEPEST: usize = 16;

/// The archive of a folder.
///
/// # Errors
/// When it is not a chart, a file cannot be read, or a chart that it needs is missing.
pub(super) fn packed(folder: &Path) -> Result<Vec<u8>, Failure> {
    let (metadata, files) = chart(folder, DEEPEST)?;
    let cannot = |e: std::io::Error| unreadable(folder, &e);
    let mut tar = tar::Builder::new(GzEncoder::new(vec![], Compression::fast()));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        let path = format!("{}/{path}", metadata.name);
        tar.append_data(&mut header, path, &*bytes).map_err(cannot)?;
    }
    tar.into_inner().and_then(|gzip| gzip.finish()).map_err(cannot)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let why = dtm_plugin::in_words(&error.to_string());
    Failure::clean(format!("`{}` of the chart cannot be read: {why}", path.display())).input("chart")
}

type Files = BTreeMap<String, Vec<u8>>;

fn chart(folder: &Path, deepest: usize) -> Result<(Metadata, Files), Failure> {
    let shown = folder.display();
    let text = std::fs::read_to_string(folder.join("Chart.yaml")).map_err(|_| {
        Failure::clean(format!("`{shown}` is not a chart: it has no `Chart.yaml`")).input("chart")
    })?;
    let metadata: Metadata = yaml::read(&text).map_err(|why| {
        Failure::clean(format!("`{shown}/Chart.yaml` cannot be read: {why}")).input("chart")
    })?;
    if deepest == 0 {
        return Err(Failure::clean(format!("the charts that `{shown}` needs form a cycle")).input("chart"));
    }
    let mut files = Files::new();
    read(folder, folder, &ignored(folder)?, &mut files)?;
    for dependency in &metadata.dependencies {
        if !has(&files, dependency) {
            needed(folder, dependency, deepest, &mut files)?;
        }
    }
    Ok((metadata, files))
}

/// Whether the folder brings a chart that it needs, as a folder or as an archive.
fn has(files: &Files, dependency: &Dependency) -> bool {
    let name = &dependency.name;
    files.keys().any(|path| {
        let below = path.strip_prefix("charts/").and_then(|below| below.strip_prefix(&**name));
        below.is_some_and(|rest| {
            rest == "/Chart.yaml" || rest.starts_with('-') && rest.ends_with(".tgz") && !rest.contains('/')
        })
    })
}

/// A chart beside this one is put into it; others have to be there.
fn needed(folder: &Path, dependency: &Dependency, deepest: usize, files: &mut Files) -> Result<(), Failure> {
    let Some(beside) = dependency.repository.strip_prefix("file://") else {
        let shown = folder.display();
        return Err(Failure::clean(format!(
            "`{shown}` needs the chart `{}` {}, which is not in `{shown}/charts`: run `helm dependency build {shown}`",
            dependency.name, dependency.version
        ))
        .input("chart"));
    };
    let (metadata, inner) = chart(&folder.join(beside), deepest - 1)?;
    files.extend(inner.into_iter().map(|(path, bytes)| (format!("charts/{}/{path}", metadata.name), bytes)));
    Ok(())
}

/// What `.helmignore` leaves out, and what Helm leaves out without it.
fn ignored(folder: &Path) -> Result<Gitignore, Failure> {
    let mut rules = GitignoreBuilder::new(folder);
    let _ = rules.add_line(None, "templates/.?*");
    let file = folder.join(".helmignore");
    if let Some(error) = file.exists().then(|| rules.add(&file)).flatten() {
        let why = dtm_plugin::in_words(&error.to_string());
        return Err(Failure::clean(format!("`{}` cannot be read: {why}", file.display())).input("chart"));
    }
    rules.build().map_err(|error| {
        let why = dtm_plugin::in_words(&error.to_string());
        Failure::clean(format!("`{}` cannot be read: {why}", file.display())).input("chart")
    })
}

fn read(root: &Path, folder: &Path, ignored: &Gitignore, files: &mut Files) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    for entry in entries {
        let path: PathBuf = entry.map_err(|e| unreadable(folder, &e))?.path();
        // Helm follows links, too.
        let kind = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
        let Ok(below) = path.strip_prefix(root) else { continue };
        if ignored.matched(below, kind.is_dir()).is_ignore() {
            continue;
        }
        if kind.is_dir() {
            read(root, &path, ignored, files)?;
        } else {
            let bytes = std::fs::read(&path).map_err(|e| unreadable(&path, &e))?;
            files.insert(below.to_string_lossy().into_owned(), bytes);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Archive;
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
    }

    #[test]
    fn the_digest_of_a_folder_changes_with_its_files_and_not_with_what_is_ignored() {
        let home = tempfile::tempdir().expect("a folder");
        let shop = home.path().join("shop");
        write(
            &shop,
            &[
                ("Chart.yaml", "name: shop\nversion: 1.0.0\n"),
                ("templates/a.yaml", "a: 1\n"),
                (".helmignore", "*.bak\ntmp/\n"),
            ],
        );
        let first = packed(&shop).expect("a chart");
        write(&shop, &[("a.bak", "x"), ("tmp/x", "x")]);
        assert!(first == packed(&shop).expect("a chart"));
        write(&shop, &[("templates/a.yaml", "a: 2\n")]);
        assert!(first != packed(&shop).expect("a chart"));
        assert_eq!(Archive::new(first).map(|chart| chart.metadata.name), Ok("shop".into()));
    }

    #[test]
    fn charts_that_it_needs_are_beside_it_or_in_it() {
        let home = tempfile::tempdir().expect("a folder");
        let shop = home.path().join("shop");
        let needs = |repository: &str| {
            format!(
                "name: shop\nversion: 1.0.0\ndependencies:\n- {{ name: db, version: 1.x, repository: \"{repository}\" }}\n"
            )
        };
        write(&shop, &[("Chart.yaml", &needs("https://charts.dev"))]);
        let failure = packed(&shop).expect_err("missing");
        assert!(failure.message().contains("run `helm dependency build"), "{}", failure.message());
        write(
            home.path(),
            &[("db/Chart.yaml", "name: db\nversion: 1.0.0\n"), ("shop/Chart.yaml", &needs("file://../db"))],
        );
        let (_, files) = chart(&shop, DEEPEST).expect("a chart");
        assert!(files.contains_key("charts/db/Chart.yaml"), "{:?}", files.keys());
        write(&shop, &[("Chart.yaml", &needs("https://charts.dev")), ("charts/db-1.0.0.tgz", "")]);
        assert!(chart(&shop, DEEPEST).is_ok());
        write(&shop, &[("Chart.yaml", &needs("file://."))]);
        std::fs::remove_file(shop.join("charts/db-1.0.0.tgz")).expect("removed");
        assert!(chart(&shop, DEEPEST).is_err_and(|failure| failure.message().contains("form a cycle")));
    }
}
