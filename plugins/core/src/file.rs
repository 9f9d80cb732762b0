//! `core.File` and `core.SecretFile`: one implementation, with the content open or secret.

use crate::interface::{file, secret_file};
use crate::path::{
    absent, below, canonical, checked_mode, checked_path, find, is_of, learn, link_text, look, mend_parents,
    mode, remove_with_parents, replaced_parent, seen_mode, set_mode, shown, upgraded, with_parents,
};
use dtm_plugin::protocol::{Fields, Listed, Method};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Recorded, Size};
use sha2::Digest;
use std::fs::File as OpenFile;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `core.File`
pub(crate) struct File;

/// `core.SecretFile`
pub(crate) struct SecretFile;

/// A new file of this process alone, in the place of what an interrupted try has left; a link is never followed.
fn fresh(path: &Path) -> std::io::Result<OpenFile> {
    let open = || std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match open() {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            std::fs::remove_file(path)?;
            open()
        }
        done => done,
    }
}

/// Writes a file whole or not at all: a temporary file beside it, then a rename, which replaces a link and not what it points
/// to; a new one never in the place of another.
fn write(path: &Path, content: &str, mode: u32, op: &str, new: bool) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", op.get(..8).unwrap_or("dtm")));
    let done = (|| {
        let mut file = fresh(&temporary)?;
        file.write_all(content.as_bytes())?;
        set_mode(&temporary, mode)?;
        // Before the rename: after a crash, the name must not lead to a file without content.
        file.sync_all()?;
        match new {
            true => std::fs::hard_link(&temporary, path).and_then(|()| std::fs::remove_file(&temporary)),
            false => std::fs::rename(&temporary, path),
        }
    })();
    done.or_else(|e: std::io::Error| {
        // What already exists with this very content may be what an interrupted try has left.
        if e.kind() != ErrorKind::AlreadyExists {
            return Err(e);
        }
        let regular = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file());
        match regular && std::fs::read(path).is_ok_and(|there| there == content.as_bytes()) {
            true => std::fs::rename(&temporary, path),
            false => Err(std::io::Error::other("it was created while this apply was running")),
        }
    })
    .map_err(|e| {
        let _ = std::fs::remove_file(&temporary);
        Failure::clean(format!("cannot write `{}`: {e}", path.display()))
    })
}

fn create(ctx: &Ctx, path: &str, content: &str, mode_text: &str) -> Result<(String, Value), Failure> {
    let mode = mode(mode_text)?;
    if look(path)?.is_some_and(|there| there.is_dir()) {
        return Err(Failure::clean(format!("`{path}` is a directory")).input("path"));
    }
    let ((), private) = with_parents(path, || write(Path::new(path), content, mode, &ctx.op, true))?;
    Ok((canonical(path), private))
}

fn update(ctx: &Ctx, id: &str, private: &Value, content: &str, mode_text: &str) -> Result<Value, Failure> {
    let mode = mode(mode_text)?;
    learn(private);
    mend_parents(private)?;
    let ((), made) = with_parents(id, || write(Path::new(id), content, mode, &ctx.op, false))?;
    // For a file that dtm did not create, no folders are recorded, neither before nor now.
    Ok(if private.get("made").is_some() { made } else { private.clone() })
}

fn delete(ctx: &Ctx, id: &str, private: &Value) -> Result<(), Failure> {
    // The file is not behind a link that took the place of its folder.
    if let Some(folder) = replaced_parent(private) {
        ctx.left(&format!("`{folder}` is a link now, so `{id}` is not the file that was written; it stays"));
        return Ok(());
    }
    remove_with_parents(id, private, || match std::fs::remove_file(id) {
        Err(e) if !absent(&e) => Err(Failure::clean(format!("cannot remove `{id}`: {e}"))),
        _ => Ok(()),
    })
}

/// How much of a file is compared as text, in bytes. Of a larger one, size and hash are compared: a message has a limit, and nobody
/// reads such a difference.
const LARGEST_TEXT: u64 = 2 << 20;

/// The existing object: its content, and a mode.
struct Seen {
    /// As the input `content` would have it; absent where a large file holds what is recorded.
    content: Option<String>,
    sha256: String,
    size: u64,
    mode: String,
}

impl Seen {
    fn inputs(&self, wrap: impl Fn(Value) -> Value) -> Fields {
        let content = self.content.clone().map(|content| ("content".to_string(), wrap(content.into())));
        Fields::from_iter(content.into_iter().chain([("mode".to_string(), json!(self.mode))]))
    }
}

/// What is recorded of a file.
struct Written<'a> {
    id: &'a str,
    private: &'a Value,
    path: &'a str,
    content: &'a str,
    mode: &'a str,
    /// Whether it was only adopted so far, or looked for.
    is_new: bool,
}

/// The bytes and mode that are there. A link in the place of what dtm has written is a change of its content; one that was there
/// before, of what was adopted or only looked at, is followed.
fn read(written: &Written<'_>) -> Result<Option<Seen>, Failure> {
    let Written { id, private, mode: recorded, .. } = *written;
    if written.is_new {
        is_of(id, written.path)?;
    }
    let failed = |e: std::io::Error| Failure::clean(format!("cannot read `{id}`: {e}"));
    learn(private);
    let Some(there) = look(id)? else { return Ok(None) };
    let own = private.get("made").is_some();
    let link = match (own, replaced_parent(private)) {
        (true, Some(folder)) => Some(folder),
        (true, None) if there.is_symlink() => Some(id),
        _ => None,
    };
    if let Some(link) = link {
        let content = Some(link_text(link));
        return Ok(Some(Seen { content, sha256: sha256(&[]), size: 0, mode: recorded.to_string() }));
    }
    // A pipe or a device is not opened: that would wait for its other end, or never end.
    match std::fs::metadata(id) {
        Ok(there) if !there.is_file() => {
            let what = if there.is_dir() { "it is a folder" } else { "it is not a regular file" };
            return Err(Failure::clean(format!("cannot read `{id}`: {what}")));
        }
        _ => {}
    }
    let file = match OpenFile::open(id) {
        Ok(file) => file,
        Err(e) if absent(&e) => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut start = vec![];
    (&file).take(LARGEST_TEXT + 1).read_to_end(&mut start).map_err(failed)?;
    let mut hash = sha2::Sha256::new();
    hash.update(&start);
    let mut size = start.len() as u64;
    let mut part = if size > LARGEST_TEXT { vec![0; 1 << 16] } else { vec![] };
    while size > LARGEST_TEXT {
        let count = (&file).read(&mut part).map_err(failed)?;
        if count == 0 {
            break;
        }
        hash.update(&part[..count]);
        size += count as u64;
    }
    let sha256 = hex(&hash.finalize());
    let content = match size > LARGEST_TEXT {
        false => Some(content(start)),
        true if self::sha256(written.content.as_bytes()) == sha256 => None,
        true => Some(format!("\0{size} bytes, too many to compare as text, sha256 {sha256}")),
    };
    let mode = seen_mode(recorded, &file.metadata().map_err(failed)?);
    Ok(Some(Seen { content, sha256, size, mode }))
}

/// Bytes as the content of a tool. What is not UTF-8 is not text that anybody could have wanted: what stands for it holds a zero
/// byte and its hash, so that it equals nothing and differs when the bytes do.
fn content(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|e| {
        let bytes = e.as_bytes();
        format!("\0{} bytes that are not text, sha256 {}", bytes.len(), sha256(bytes))
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&sha2::Sha256::digest(bytes))
}

fn outputs(id: &str, content: &str) -> Result<file::Outputs, Failure> {
    let sha256 = sha256(content.as_bytes());
    Ok(file::Outputs { absolute: shown(id)?, sha256, size: Size(content.len() as i64) })
}

impl Kind for File {
    const NAME: &'static str = "File";
    type Inputs = file::Inputs;
    type Outputs = file::Outputs;

    const ANSWERS: &'static [Method] = &[Method::Validate, Method::List, Method::Upgrade];

    fn upgrade(_: &str, recorded: Recorded) -> Result<Recorded, Failure> {
        Ok(upgraded(recorded))
    }

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_path(inputs)?;
        checked_mode(inputs)
    }
    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let inputs = &object.inputs;
        let written = Written {
            id: &object.id,
            private: &object.private,
            path: &inputs.path,
            content: &inputs.content,
            mode: &inputs.mode,
            is_new: object.outputs.is_empty(),
        };
        let Some(seen) = read(&written)? else { return Ok(None) };
        let inputs = seen.inputs(|content| content);
        let absolute = shown(&object.id)?;
        let outputs = file::Outputs { absolute, sha256: seen.sha256, size: Size(seen.size as i64) };
        Ok(Some(Observed { outputs, inputs, drift: vec![], private: object.private }))
    }
    async fn find(_: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        find(&key)
    }
    async fn list(_: &Ctx, within: Fields) -> Result<Vec<Listed>, Failure> {
        below(&within, false)
    }
    async fn create(ctx: &Ctx, inputs: file::Inputs) -> Result<Change<Self>, Failure> {
        let (id, private) = create(ctx, &inputs.path, &inputs.content, &inputs.mode)?;
        Ok(Change { outputs: outputs(&id, &inputs.content)?, id, private })
    }
    async fn update(ctx: &Ctx, object: Object<Self>, inputs: file::Inputs) -> Result<Change<Self>, Failure> {
        let private = update(ctx, &object.id, &object.private, &inputs.content, &inputs.mode)?;
        Ok(Change { outputs: outputs(&object.id, &inputs.content)?, id: object.id, private })
    }
    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        delete(ctx, &object.id, &object.private)
    }
}

impl Kind for SecretFile {
    const NAME: &'static str = "SecretFile";
    type Inputs = secret_file::Inputs;
    type Outputs = secret_file::Outputs;

    const ANSWERS: &'static [Method] = &[Method::Validate, Method::Upgrade];

    fn upgrade(_: &str, recorded: Recorded) -> Result<Recorded, Failure> {
        Ok(upgraded(recorded))
    }

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        checked_path(inputs)?;
        checked_mode(inputs)
    }
    async fn read(_: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        let inputs = &object.inputs;
        let written = Written {
            id: &object.id,
            private: &object.private,
            path: &inputs.path,
            content: &inputs.content.0,
            mode: &inputs.mode,
            is_new: object.outputs.is_empty(),
        };
        let Some(seen) = read(&written)? else { return Ok(None) };
        let inputs = seen.inputs(dtm_plugin::wire::secret);
        let outputs = secret_file::Outputs { absolute: shown(&object.id)? };
        Ok(Some(Observed { outputs, inputs, drift: vec![], private: object.private }))
    }
    async fn find(_: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        find(&key)
    }
    async fn create(ctx: &Ctx, inputs: secret_file::Inputs) -> Result<Change<Self>, Failure> {
        let (id, private) = create(ctx, &inputs.path, &inputs.content.0, &inputs.mode)?;
        Ok(Change { outputs: secret_file::Outputs { absolute: shown(&id)? }, id, private })
    }
    async fn update(
        ctx: &Ctx,
        object: Object<Self>,
        inputs: secret_file::Inputs,
    ) -> Result<Change<Self>, Failure> {
        let private = update(ctx, &object.id, &object.private, &inputs.content.0, &inputs.mode)?;
        Ok(Change { outputs: secret_file::Outputs { absolute: shown(&object.id)? }, id: object.id, private })
    }
    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        delete(ctx, &object.id, &object.private)
    }
}
