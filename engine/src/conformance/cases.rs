//! The program of cases, in its three forms.

use crate::project::FileLoader;
use dtm_lang::{Diagnostics, Inputs, Program, Purpose, Sources};
use std::path::Path;
use std::sync::Arc;

/// The program of cases: as it is, changed, and slow.
pub struct Cases {
    base: Arc<Program>,
    changed: Option<Arc<Program>>,
    slow: Option<Arc<Program>>,
}

impl Cases {
    /// Loads the program `root`, the name of a file in the folder `folder` (canonical), which is shown as `prefix` and
    /// its name.
    ///
    /// # Errors
    /// Every problem of the program in one of its forms.
    pub fn load(
        root: &str,
        folder: &Path,
        prefix: &str,
        inputs: &Inputs,
    ) -> Result<Cases, (Diagnostics, Arc<Sources>)> {
        let load = |inputs: &Inputs| {
            let loader = Arc::new(FileLoader::new(
                folder.to_path_buf(),
                prefix.to_string(),
                &dtm_lang::loader::Extensions::NONE,
            ));
            let (program, diagnostics) = Program::load(root, loader, inputs, Purpose::Plan);
            match diagnostics.has_errors() {
                true => Err((diagnostics, program.sources().clone())),
                false => Ok(Arc::new(program)),
            }
        };
        let base = load(inputs)?;
        let form = |name: &str| {
            let there = base.hir().params.iter().any(|p| &*p.name == name);
            let mut inputs = inputs.clone();
            inputs.sets.push(dtm_lang::Given::set(name, "true"));
            there.then(|| load(&inputs)).transpose()
        };
        let (changed, slow) = (form("change")?, form("slow")?);
        Ok(Cases { base, changed, slow })
    }

    /// As it is.
    pub(super) fn program(&self) -> &Arc<Program> {
        &self.base
    }
    /// With `change = true`.
    pub(super) fn changed(&self) -> Option<&Arc<Program>> {
        self.changed.as_ref()
    }
    /// With `slow = true`.
    pub(super) fn slow(&self) -> Option<&Arc<Program>> {
        self.slow.as_ref()
    }

    /// The name of the plugin that is examined: the one at this file, or the one whose name the file has.
    pub(super) fn examined(&self, file: &Path) -> Result<&str, String> {
        let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let is = |name: &str| {
            stem == name || stem.strip_suffix(name).is_some_and(|s| s.ends_with(['_', '-', 'b']))
        };
        let plugins = self.base.plugins();
        let by_path = plugins.iter().find(|(_, used)| {
            let path = used.path.as_ref().map(|p| Path::new(&**p));
            path.and_then(Path::file_name).is_some_and(|n| Some(n) == file.file_name())
        });
        let found =
            by_path.or_else(|| plugins.iter().find(|(_, used)| used.path.is_none() && is(&used.plugin.name)));
        found.map(|(name, _)| &**name).ok_or_else(|| {
            let names: Vec<String> = plugins.keys().map(|n| format!("`{n}`")).collect();
            let file = file.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
            format!("the cases use {}, and none of them is `{file}`", names.join(", "))
        })
    }
}
