//! Where plugins are: the shipped ones beside the binary, others by path.

use std::path::{Path, PathBuf};

/// The folders in which shipped plugins are looked for.
#[derive(Clone, Debug)]
pub struct Locations {
    folders: Vec<PathBuf>,
}

/// A plugin that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The library or executable.
    pub file: PathBuf,
}

/// Interfaces of the shipped plugins, embedded: name, interface, version. `build.rs` finds them.
const SHIPPED: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// The interface text and version of a shipped plugin.
pub fn installed_interface(name: &str) -> Option<(&'static str, &'static str)> {
    SHIPPED.iter().find(|(n, ..)| *n == name).map(|(_, text, version)| (*text, *version))
}

/// The names of the shipped plugins.
pub fn shipped_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(n, ..)| *n)
}

impl Locations {
    /// The places that follow from where the binary is: `../lib/dtm/plugins` of an installed one, and the folder
    /// in which cargo puts libraries.
    pub fn of_binary(binary: &Path) -> Locations {
        let folder = binary.parent().unwrap_or(Path::new("."));
        let mut folders = vec![folder.join("../lib/dtm/plugins"), folder.join("deps"), folder.to_path_buf()];
        if folder.ends_with("deps") {
            folders.push(folder.to_path_buf());
        }
        Locations { folders }
    }

    /// The library of a shipped plugin.
    ///
    /// # Errors
    /// The places that were looked at.
    pub fn shipped(&self, name: &str) -> Result<Located, Vec<PathBuf>> {
        let extension = std::env::consts::DLL_EXTENSION;
        let files = self.folders.iter().flat_map(|f| {
            [f.join(format!("libdtm_plugin_{name}.{extension}")), f.join(format!("{name}.{extension}"))]
        });
        let files: Vec<PathBuf> = files.collect();
        match files.iter().find(|f| f.is_file()) {
            Some(file) => Ok(Located { file: file.clone() }),
            None => Err(files),
        }
    }
}
