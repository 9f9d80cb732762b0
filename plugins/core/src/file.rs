//! `core.File` and `core.SecretFile`: one implementation, with the content open or secret.

use crate::interface::{file, secret_file};
use crate::path::{
    absent, absolute, below, checked_mode, checked_path, make_parents, mode, remove_parents, seen_mode,
    set_mode,
};
use dtm_plugin::protocol::{Fields, Listed};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Size};
use sha2::Digest;
use std::io::Write;
use std::path::Path;

/// `core.File`
pub(crate) struct File;

/// `core.SecretFile`
pub(crate) struct SecretFile;

/// Writes a file whole or not at all: a temporary file beside it, then a rename; a new one never in the place of another.
fn write(path: &Path, content: &str, mode: u32, op: &str, new: bool) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", op.get(..8).unwrap_or("dtm")));
    let done = (|| {
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.write(true).create(true).truncate(true).open(&temporary)?;
        file.write_all(content.as_bytes())?;
        set_mode(&temporary, mode)?;
        match new {
            true => std::fs::hard_link(&temporary, path).and_then(|()| std::fs::remove_file(&temporary)),
            false => std::fs::rename(&temporary, path),
        }
    })();
    done.or_else(|e: std::io::Error| {
        // What is there already with this very content may be what an interrupted try has left.
        if e.kind() != std::io::ErrorKind::AlreadyExists {
            return Err(e);
        }
        match std::fs::read(path).is_ok_and(|there| there == content.as_bytes()) {
            true => std::fs::rename(&temporary, path),
            false => Err(std::io::Error::other("it exists already, and did not when this was begun")),
        }
    })
    .map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Failure::clean(format!("cannot write `{}`: {e}", path.display()))
    })
}

fn create(ctx: &Ctx, path: &str, content: &str, mode_text: &str) -> Result<(String, Value), Failure> {
    let mode = mode(mode_text)?;
    let at = absolute(path)?;
    if at.is_dir() {
        return Err(Failure::clean(format!("`{path}` is a directory")).input("path"));
    }
    let made = make_parents(&at)?;
    write(&at, content, mode, &ctx.op, true)?;
    Ok((at.display().to_string(), json!({ "made": made })))
}

fn update(ctx: &Ctx, id: &str, content: &str, mode_text: &str) -> Result<(), Failure> {
    let at = Path::new(id);
    make_parents(at)?;
    write(at, content, mode(mode_text)?, &ctx.op, false)
}

fn delete(id: &str, private: &Value) -> Result<(), Failure> {
    match std::fs::remove_file(id) {
        Err(e) if !absent(&e) => Err(Failure::clean(format!("cannot remove `{id}`: {e}"))),
        _ => {
            remove_parents(private);
            Ok(())
        }
    }
}

/// The bytes and mode that are there.
fn read(id: &str, recorded: &str) -> Result<Option<(Vec<u8>, String)>, Failure> {
    let failed = |e: std::io::Error| Failure::clean(format!("cannot read `{id}`: {e}"));
    match std::fs::read(id) {
        Ok(bytes) => {
            let metadata = std::fs::metadata(id).map_err(failed)?;
            Ok(Some((bytes, seen_mode(recorded, &metadata))))
        }
        Err(e) if absent(&e) => Ok(None),
        Err(e) => Err(failed(e)),
    }
}

fn find(key: &Fields) -> Result<Vec<String>, Failure> {
    let path = key.get("path").and_then(Value::as_str).unwrap_or("");
    let at = absolute(path)?;
    match std::fs::symlink_metadata(&at) {
        Ok(_) => Ok(vec![at.display().to_string()]),
        Err(e) if absent(&e) => Ok(vec![]),
        Err(e) => Err(Failure::clean(format!("cannot look at `{path}`: {e}"))),
    }
}

/// Bytes as the content of a tool. What is no UTF-8 is no text that anybody could have wanted: what stands for it holds a zero
/// byte and its hash, so that it equals nothing and differs when the bytes do.
fn content(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| {
        let bytes = e.as_bytes();
        format!("\0{} bytes that are no text, sha256 {}", bytes.len(), sha256(bytes))
    })
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn outputs(absolute: &str, bytes: &[u8]) -> file::Outputs {
    file::Outputs { absolute: absolute.into(), sha256: sha256(bytes), size: Size(bytes.len() as i64) }
}

impl Kind for File {
    const NAME: &'static str = "File";
    type Inputs = file::Inputs;
    type Outputs = file::Outputs;

    const ANSWERS: &'static [&'static str] = &["validate", "list"];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_path(inputs)?;
        checked_mode(inputs)
    }
    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        Ok(read(&object.id, &object.inputs.mode)?.map(|(bytes, mode)| {
            let outputs = outputs(&object.id, &bytes);
            let inputs =
                Fields::from_iter([("content".into(), json!(content(bytes))), ("mode".into(), json!(mode))]);
            Observed { outputs, inputs, private: object.private }
        }))
    }
    async fn find(_: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        find(&key)
    }
    async fn list(_: &Ctx, within: Fields) -> Result<Vec<Listed>, Failure> {
        below(&within, false)
    }
    async fn create(ctx: &Ctx, inputs: file::Inputs) -> Result<Change<Self>, Failure> {
        let (id, private) = create(ctx, &inputs.path, &inputs.content, &inputs.mode)?;
        Ok(Change { outputs: outputs(&id, inputs.content.as_bytes()), id, private })
    }
    async fn update(ctx: &Ctx, object: Object<Self>, inputs: file::Inputs) -> Result<Change<Self>, Failure> {
        update(ctx, &object.id, &inputs.content, &inputs.mode)?;
        Ok(Change {
            outputs: outputs(&object.id, inputs.content.as_bytes()),
            id: object.id,
            private: object.private,
        })
    }
    async fn delete(_: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        delete(&object.id, &object.private)
    }
}

impl Kind for SecretFile {
    const NAME: &'static str = "SecretFile";
    type Inputs = secret_file::Inputs;
    type Outputs = secret_file::Outputs;

    const ANSWERS: &'static [&'static str] = &["validate"];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_path(inputs)?;
        checked_mode(inputs)
    }
    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        Ok(read(&object.id, &object.inputs.mode)?.map(|(bytes, mode)| {
            let content = json!({ "$dtm": "secret", "v": content(bytes) });
            let inputs = Fields::from_iter([("content".into(), content), ("mode".into(), json!(mode))]);
            let outputs = secret_file::Outputs { absolute: object.id.clone() };
            Observed { outputs, inputs, private: object.private }
        }))
    }
    async fn find(_: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        find(&key)
    }
    async fn create(ctx: &Ctx, inputs: secret_file::Inputs) -> Result<Change<Self>, Failure> {
        let (id, private) = create(ctx, &inputs.path, &inputs.content.0, &inputs.mode)?;
        Ok(Change { outputs: secret_file::Outputs { absolute: id.clone() }, id, private })
    }
    async fn update(
        ctx: &Ctx,
        object: Object<Self>,
        inputs: secret_file::Inputs,
    ) -> Result<Change<Self>, Failure> {
        update(ctx, &object.id, &inputs.content.0, &inputs.mode)?;
        let outputs = secret_file::Outputs { absolute: object.id.clone() };
        Ok(Change { outputs, id: object.id, private: object.private })
    }
    async fn delete(_: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        delete(&object.id, &object.private)
    }
}
