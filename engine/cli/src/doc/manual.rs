//! A manual: a Markdown file whose headings are parts and whose links are pages, in order. A page is a Markdown file, or, by a
//! link such as `dtm:commands`, one of the reference.

use super::html::Source;
use std::path::{Component, Path, PathBuf};

/// The scheme of links to generated pages.
pub const GENERATED: &str = "dtm:";

/// Why a manual cannot be made.
pub enum ManualError {
    /// A file cannot be read.
    Read(PathBuf, std::io::Error),
    /// There is no generated page of this name.
    Unknown(String),
}

/// The name of a manual, and its pages: the list itself, then those that it links to. `generate` gives the text of a generated
/// page.
///
/// # Errors
/// See [`ManualError`].
pub fn read(
    list: &Path,
    generate: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, Vec<Source>), ManualError> {
    let text = file(list)?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let name = title(&text).unwrap_or("Manual").to_string();
    let mut pages = vec![Source {
        file: "index".into(),
        title: "Contents".into(),
        part: String::new(),
        markdown: text.clone(),
    }];
    let mut part = String::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            part = heading.trim().to_string();
        }
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let markdown = match link.strip_prefix(GENERATED) {
                Some(page) => generate(page).ok_or_else(|| ManualError::Unknown(page.into()))?,
                None if link.ends_with(".md") && !link.contains("://") => file(&folder.join(link))?,
                None => continue,
            };
            let title = title(&markdown).unwrap_or(link).replace('`', "");
            pages.push(Source { file: file_of(link), title, part: part.clone(), markdown });
        }
    }
    Ok((name, pages))
}

fn file(path: &Path) -> Result<String, ManualError> {
    std::fs::read_to_string(path).map_err(|e| ManualError::Read(path.to_path_buf(), e))
}

fn title(markdown: &str) -> Option<&str> {
    markdown.lines().find_map(|line| line.strip_prefix("# ")).map(str::trim)
}

/// The name of the HTML file of a link in the list: its path, with dots; what lies outside of the list's folder is named from
/// there.
pub fn file_of(link: &str) -> String {
    let plain = link.strip_prefix(GENERATED).map(|page| format!("reference/{page}"));
    let path = PathBuf::from(plain.as_deref().unwrap_or(link).trim_end_matches(".md"));
    let mut parts: Vec<String> = vec![];
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => _ = parts.pop(),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_become_files_of_one_folder() {
        assert_eq!(file_of("guide/state.md"), "guide.state");
        assert_eq!(file_of("./lang/state.md"), "lang.state");
        assert_eq!(file_of("../../lang/GRAMMAR.md"), "lang.GRAMMAR");
        assert_eq!(file_of("dtm:plugin/core"), "reference.plugin.core");
    }
}
