//! `core.Directory`

use crate::interface::directory;
use crate::path::{
    absent, below, canonical, checked_mode, checked_path, find, is_of, learn, link_text, look, mend_parents,
    mode, remove_with_parents, replaced_parent, seen_mode, set_mode, shown, upgraded, with_parents,
};
use dtm_plugin::protocol::{Fields, Listed, Method};
use dtm_plugin::serde_json::json;
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Recorded};
use std::path::Path;
use std::time::Duration;

pub(crate) struct Directory;

/// How often, and after which pause, a directory that is to be deleted is looked at until it is empty.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Waits a moment for a directory to become empty. Tools whose paths do not refer to it, such as a file in it, are deleted at the
/// same time: what is still in the directory may be theirs.
fn wait_until_empty(ctx: &Ctx, path: &str) {
    let is_empty = || std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none());
    for _ in 0..TRIES {
        if is_empty() || ctx.is_cancelled() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

impl Kind for Directory {
    const NAME: &'static str = "Directory";
    type Inputs = directory::Inputs;
    type Outputs = directory::Outputs;

    const ANSWERS: &'static [Method] = &[Method::Validate, Method::List, Method::Upgrade];

    fn upgrade(_: &str, recorded: Recorded) -> Result<Recorded, Failure> {
        Ok(upgraded(recorded))
    }
    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_path(inputs)?;
        checked_mode(inputs)
    }
    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        learn(&object.private);
        if object.outputs.is_empty() {
            is_of(&object.id, &object.inputs.path)?;
        }
        let own = object.private.get("made").is_some();
        let Some(there) = look(&object.id)? else { return Ok(None) };
        // A link in place of a folder that dtm created is drift; one that existed before is followed.
        let link = match (own, replaced_parent(&object.private)) {
            (true, Some(folder)) => Some(link_text(folder)),
            (true, None) if there.is_symlink() => Some(link_text(&object.id)),
            _ => None,
        };
        let mode = match link {
            Some(link) => link,
            None => match std::fs::metadata(&object.id) {
                Ok(m) if m.is_dir() => seen_mode(&object.inputs.mode, &m),
                Ok(_) => {
                    return Err(Failure::clean(format!("cannot read `{}`: it is not a folder", object.id)));
                }
                Err(e) if absent(&e) => return Ok(None),
                Err(e) => return Err(Failure::clean(format!("cannot look at `{}`: {e}", object.id))),
            },
        };
        let outputs = directory::Outputs { absolute: shown(&object.id)? };
        let inputs = Fields::from_iter([("mode".into(), json!(mode))]);
        Ok(Some(Observed { outputs, inputs, drift: vec![], private: object.private }))
    }
    async fn find(_: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        find(&key)
    }
    async fn list(_: &Ctx, within: Fields) -> Result<Vec<Listed>, Failure> {
        below(&within, true)
    }
    async fn create(_: &Ctx, inputs: directory::Inputs) -> Result<Change<Self>, Failure> {
        let (mode, path) = (mode(&inputs.mode)?, &*inputs.path);
        let (_, private) = with_parents(path, || match std::fs::create_dir(path) {
            Ok(()) => Ok(()),
            Err(e)
                if e.kind() == std::io::ErrorKind::AlreadyExists
                    && look(path)?.is_some_and(|there| there.is_dir()) =>
            {
                Ok(())
            }
            Err(e) => Err(Failure::clean(format!("cannot create the folder `{path}`: {e}"))),
        })?;
        set_mode(Path::new(path), mode).map_err(|e| {
            Failure::partial(canonical(path), format!("cannot set the mode of `{path}`: {e}"))
                .private(private.clone())
        })?;
        Ok(Change { outputs: directory::Outputs { absolute: shown(path)? }, id: canonical(path), private })
    }
    async fn update(
        _: &Ctx,
        object: Object<Self>,
        inputs: directory::Inputs,
    ) -> Result<Change<Self>, Failure> {
        let (id, mode) = (&*object.id, mode(&inputs.mode)?);
        mend_parents(&object.private)?;
        let own = object.private.get("made").is_some();
        if own && look(id)?.is_none_or(|there| there.is_symlink()) {
            // What the link points to stays as it is.
            match std::fs::remove_file(id) {
                Err(e) if !absent(&e) => Err(e),
                _ => std::fs::create_dir(id),
            }
            .map_err(|e| Failure::clean(format!("cannot put the folder `{id}` back: {e}")))?;
        }
        set_mode(Path::new(id), mode)
            .map_err(|e| Failure::clean(format!("cannot set the mode of `{id}`: {e}")))?;
        let outputs = directory::Outputs { absolute: shown(id)? };
        Ok(Change { outputs, id: object.id, private: object.private })
    }
    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let id = &*object.id;
        let link = look(id)?.is_some_and(|there| there.is_symlink()).then_some(id);
        if let Some(link) = replaced_parent(&object.private).or(link) {
            ctx.left(&format!(
                "`{link}` is a link now, so `{id}` is not the folder that was created; it stays"
            ));
            return Ok(());
        }
        wait_until_empty(ctx, id);
        remove_with_parents(id, &object.private, || match std::fs::remove_dir(id) {
            Err(e) if !absent(&e) => {
                let why = if e.kind() == std::io::ErrorKind::DirectoryNotEmpty {
                    "it is not empty".into()
                } else {
                    e.to_string()
                };
                Err(Failure::clean(format!("the folder `{id}` is not deleted: {why}")))
            }
            _ => Ok(()),
        })
    }
}
