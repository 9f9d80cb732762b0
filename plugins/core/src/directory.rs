//! `core.Directory`

use crate::interface::directory;
use crate::path::{
    absent, absolute, below, checked_mode, checked_path, make_parents, mode, remove_parents, seen_mode,
    set_mode,
};
use dtm_plugin::protocol::{Fields, Listed};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed};
use std::path::Path;

pub(crate) struct Directory;

impl Kind for Directory {
    const NAME: &'static str = "Directory";
    type Inputs = directory::Inputs;
    type Outputs = directory::Outputs;

    const ANSWERS: &'static [&'static str] = &["validate", "list"];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_path(inputs)?;
        checked_mode(inputs)
    }
    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        match std::fs::metadata(&object.id) {
            Ok(m) if m.is_dir() => {
                let inputs = Fields::from_iter([("mode".into(), json!(seen_mode(&object.inputs.mode, &m)))]);
                let outputs = directory::Outputs { absolute: object.id.clone() };
                Ok(Some(Observed { outputs, inputs, private: object.private }))
            }
            Ok(_) => Ok(None),
            Err(e) if absent(&e) => Ok(None),
            Err(e) => Err(Failure::clean(format!("cannot look at `{}`: {e}", object.id))),
        }
    }
    async fn find(_: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        let at = absolute(key.get("path").and_then(Value::as_str).unwrap_or(""))?;
        Ok(if std::fs::symlink_metadata(&at).is_ok() { vec![at.display().to_string()] } else { vec![] })
    }
    async fn list(_: &Ctx, within: Fields) -> Result<Vec<Listed>, Failure> {
        below(&within, true)
    }
    async fn create(_: &Ctx, inputs: directory::Inputs) -> Result<Change<Self>, Failure> {
        let mode = mode(&inputs.mode)?;
        let at = absolute(&inputs.path)?;
        let made = make_parents(&at)?;
        match std::fs::create_dir(&at) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && at.is_dir() => {}
            Err(e) => return Err(Failure::clean(format!("cannot make the folder `{}`: {e}", inputs.path))),
        }
        let id = at.display().to_string();
        set_mode(&at, mode)
            .map_err(|e| Failure::partial(&id, format!("cannot set the mode of `{}`: {e}", inputs.path)))?;
        Ok(Change {
            outputs: directory::Outputs { absolute: id.clone() },
            id,
            private: json!({ "made": made }),
        })
    }
    async fn update(
        _: &Ctx,
        object: Object<Self>,
        inputs: directory::Inputs,
    ) -> Result<Change<Self>, Failure> {
        let at = Path::new(&object.id);
        set_mode(at, mode(&inputs.mode)?)
            .map_err(|e| Failure::clean(format!("cannot set the mode of `{}`: {e}", object.id)))?;
        let outputs = directory::Outputs { absolute: object.id.clone() };
        Ok(Change { outputs, id: object.id, private: object.private })
    }
    async fn delete(_: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        match std::fs::remove_dir(&object.id) {
            Err(e) if !absent(&e) => {
                let why = if e.kind() == std::io::ErrorKind::DirectoryNotEmpty {
                    "it is not empty".into()
                } else {
                    e.to_string()
                };
                Err(Failure::clean(format!("the folder `{}` is not deleted: {why}", object.id)))
            }
            _ => {
                remove_parents(&object.private);
                Ok(())
            }
        }
    }
}
