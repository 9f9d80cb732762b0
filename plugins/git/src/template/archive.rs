//! Templates in archives. The sizes that an archive declares are ignored: bytes and entries are counted as they are extracted.

use super::source::{absent, below};
use super::{Limits, Template, TemplateFile, bad, leads_out};
use crate::names::inside;
use crate::store::Mode;
use dtm_plugin::Failure;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tar::EntryType;

/// A long name, a long target, or a record of extensions in a tar may have that many bytes.
const LONGEST_NAME: u64 = 1 << 20;

#[expect(clippy::wildcard_enum_match_arm, reason = "the system has words for the others")]
pub(super) fn read(path: &Path, part: &str) -> Result<Template, Failure> {
    let file = std::fs::File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => bad(absent("archive", path)),
        _ => bad(format!("`{}` cannot be read: {}", path.display(), dtm_plugin::reason(&e))),
    })?;
    let shown = path.display().to_string();
    let name = path.to_string_lossy();
    if name.ends_with(".zip") {
        zipped(file, &shown, part)
    } else if name.ends_with(".tar") {
        tarred(file, &shown, part)
    } else {
        tarred(flate2::read::MultiGzDecoder::new(file), &shown, part)
    }
}

/// What comes out of a decompressor, until it is too much.
struct Counted<R> {
    input: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(into)?;
        self.left =
            self.left.checked_sub(count as u64).ok_or_else(|| std::io::Error::other(Limits::too_large()))?;
        Ok(count)
    }
}

/// What entries that come before a file say of it.
#[derive(Default)]
struct Ahead {
    path: Option<String>,
    target: Option<String>,
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other entries are read by the caller")]
fn tarred(input: impl Read, shown: &str, part: &str) -> Result<Template, Failure> {
    let broken = |e: std::io::Error| match e.to_string() {
        why if why == Limits::too_large() => bad(format!("`{shown}`: {why}")),
        why => bad(format!("`{shown}` is not a whole archive: {why}")),
    };
    let mut limits = Limits::default();
    let mut archive = tar::Archive::new(Counted { input, left: limits.stream() });
    let (mut files, mut ahead) = (vec![], Ahead::default());
    // Raw: the names that are entries of their own are read here, with a limit.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        limits.entry()?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::XGlobalHeader => continue,
            EntryType::GNULongName => {
                ahead.path = Some(long(&mut entry, shown)?);
                continue;
            }
            EntryType::GNULongLink => {
                ahead.target = Some(long(&mut entry, shown)?);
                continue;
            }
            EntryType::XHeader => {
                extensions(&long(&mut entry, shown)?, &mut ahead, shown)?;
                continue;
            }
            _ => {}
        }
        let ahead = std::mem::take(&mut ahead);
        if kind.is_dir() {
            continue;
        }
        let name = match ahead.path {
            Some(name) => name,
            None => {
                let name = entry.path().map_err(broken)?.to_str().map(String::from);
                name.ok_or_else(|| bad(format!("`{shown}` holds a name that is not UTF-8")))?
            }
        };
        // Old programs write folders as files whose name ends so.
        if name.ends_with('/') {
            continue;
        }
        let plain = inside(&name).map_err(|why| bad(format!("`{shown}`: {why}")))?;
        if kind.is_symlink() {
            let target = match ahead.target {
                Some(target) => target.into(),
                None => entry.link_name().map_err(broken)?.map(|t| t.into_owned()).unwrap_or_default(),
            };
            if let Some(path) = below(&plain, part) {
                files.push(link(path, &target, shown)?);
            }
            continue;
        }
        if kind == EntryType::GNUSparse {
            return Err(bad(format!(
                "`{shown}`: `{name}` is stored as a sparse file: pack it without holes"
            )));
        }
        if !kind.is_file() {
            return Err(bad(format!("`{shown}`: `{name}` is neither a file, a folder nor a symbolic link")));
        }
        let size = entry.header().size().map_err(broken)?;
        let Some(path) = below(&plain, part) else { continue };
        let mode =
            if entry.header().mode().unwrap_or(0) & 0o111 != 0 { Mode::Executable } else { Mode::Plain };
        let bytes = limits.read(&name, &mut entry)?.map_err(broken)?;
        if bytes.len() as u64 != size {
            return Err(bad(format!("`{shown}` is not a whole archive: it ends in `{name}`")));
        }
        files.push(TemplateFile { path, mode, bytes: Arc::new(bytes) });
    }
    super::whole(files)
}

/// A name or a record of extensions, which is an entry of its own.
fn long(entry: &mut impl Read, shown: &str) -> Result<String, Failure> {
    let mut bytes = vec![];
    entry
        .take(LONGEST_NAME + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| bad(format!("`{shown}` is not a whole archive: {e}")))?;
    if bytes.len() as u64 > LONGEST_NAME {
        return Err(bad(format!("`{shown}` holds a name of more than {LONGEST_NAME} bytes")));
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| bad(format!("`{shown}` holds a name that is not UTF-8")))
}

/// `LENGTH NAME=VALUE`, line by line.
fn extensions(text: &str, ahead: &mut Ahead, shown: &str) -> Result<(), Failure> {
    let broken = || bad(format!("`{shown}` is not a whole archive: a record of extensions is damaged"));
    let mut rest = text;
    while !rest.is_empty() {
        let (length, _) = rest.split_once(' ').ok_or_else(broken)?;
        let end: usize = length.parse().map_err(|_| broken())?;
        let line = rest.get(length.len() + 1..end).and_then(|l| l.strip_suffix('\n')).ok_or_else(broken)?;
        let (name, value) = line.split_once('=').ok_or_else(broken)?;
        match name {
            "path" => ahead.path = Some(value.into()),
            "linkpath" => ahead.target = Some(value.into()),
            // Only a file that is far too large needs it.
            "size" => {
                return Err(bad(format!(
                    "`{shown}` gives the size of a file as an extension ({value} bytes): pack it as `tar --format=gnu` does"
                )));
            }
            name if name.starts_with("GNU.sparse.") => {
                return Err(bad(format!("`{shown}` holds a sparse file: pack it without holes")));
            }
            _ => {}
        }
        rest = &rest[end..];
    }
    Ok(())
}

fn link(path: String, target: &Path, shown: &str) -> Result<TemplateFile, Failure> {
    let text = target.to_str().filter(|_| !leads_out(Path::new(&path), target));
    let text =
        text.ok_or_else(|| bad(format!("`{shown}`: `{path}` is a link that leads out of the template")))?;
    Ok(TemplateFile { bytes: Arc::new(text.as_bytes().to_vec()), path, mode: Mode::Link })
}

fn zipped(file: std::fs::File, shown: &str, part: &str) -> Result<Template, Failure> {
    let broken = |e: zip::result::ZipError| bad(format!("`{shown}` is not a whole archive: {e}"));
    let mut archive = zip::ZipArchive::new(file).map_err(broken)?;
    let mut limits = Limits::default();
    let mut files = vec![];
    for index in 0..archive.len() {
        limits.entry()?;
        let mut entry = archive.by_index(index).map_err(broken)?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().map_err(broken)?.into_owned();
        let plain = inside(&name).map_err(|why| bad(format!("`{shown}`: {why}")))?;
        let Some(path) = below(&plain, part) else { continue };
        let unix = entry.unix_mode().unwrap_or(0);
        let bytes = limits.read(&name, &mut entry)?.map_err(|e| broken(e.into()))?;
        if unix & 0o170000 == 0o120000 {
            let target =
                String::from_utf8(bytes).map_err(|_| bad(format!("`{shown}`: a link is not UTF-8")))?;
            files.push(link(path, Path::new(&target), shown)?);
            continue;
        }
        let mode = if unix & 0o111 != 0 { Mode::Executable } else { Mode::Plain };
        files.push(TemplateFile { path, mode, bytes: Arc::new(bytes) });
    }
    super::whole(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of a tar, with a size of its own.
    fn header(name: &str, kind: EntryType, size: u64) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).expect("a short name");
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn entry(name: &str, kind: EntryType, content: &[u8]) -> Vec<u8> {
        [header(name, kind, content.len() as u64), padded(content.to_vec())].concat()
    }

    fn extension(name: &str, value: &str) -> Vec<u8> {
        let body = format!(" {name}={value}\n");
        let length = (1..).find(|n| n.to_string().len() + body.len() == *n).expect("some length");
        entry("x", EntryType::XHeader, format!("{length}{body}").as_bytes())
    }

    fn of(parts: &[Vec<u8>]) -> Result<Vec<(String, usize)>, String> {
        let bytes = [parts.concat(), vec![0; 1024]].concat();
        let template = tarred(&*bytes, "t.tar", "").map_err(|e| format!("{e:?}"))?;
        Ok(template.files.iter().map(|f| (f.path.clone(), f.bytes.len())).collect())
    }

    #[test]
    fn long_names_of_both_kinds_are_read() {
        let name = format!("{}/file", "folder/".repeat(40).trim_end_matches('/'));
        let gnu = entry("././@LongLink", EntryType::GNULongName, format!("{name}\0").as_bytes());
        let file = entry("short", EntryType::Regular, b"hello");
        assert_eq!(of(&[gnu, file.clone()]), Ok(vec![(name.clone(), 5)]));
        assert_eq!(
            of(&[extension("path", &name), extension("mtime", "1.5"), file.clone()]),
            Ok(vec![(name, 5)])
        );
        assert_eq!(of(&[file]), Ok(vec![("short".into(), 5)]));
    }

    #[test]
    fn what_an_archive_says_of_its_sizes_does_not_decide() {
        let file = entry("a", EntryType::Regular, b"hello");
        for (size, is) in [("5", "a lie or not"), ("8589934592", "a lie"), ("0", "a lie")] {
            assert!(of(&[extension("size", size), file.clone()]).expect_err(is).contains("size"), "{is}");
        }
        assert!(
            of(&[extension("GNU.sparse.major", "1"), file.clone()]).expect_err("sparse").contains("sparse")
        );
        assert!(of(&[entry("s", EntryType::GNUSparse, b"")]).expect_err("sparse").contains("sparse"));
        // A name, a record or a file that is announced as larger than may come out.
        fn whole(header: Vec<u8>) -> std::io::Cursor<Vec<u8>> {
            std::io::Cursor::new(header)
        }
        for kind in [EntryType::GNULongName, EntryType::GNULongLink, EntryType::XHeader, EntryType::Regular] {
            let endless = whole(header("a", kind, 8 << 30)).chain(std::io::repeat(b'a').take(8 << 30));
            let why = format!("{:?}", tarred(endless, "t.tar", "").expect_err("too much"));
            assert!(why.contains("name of more than") || why.contains("may have"), "{kind:?}: {why}");
        }
        let skipped =
            whole(header("a", EntryType::Directory, 8 << 30)).chain(std::io::repeat(0).take(8 << 30));
        let why = format!("{:?}", tarred(skipped, "t.tar", "").expect_err("too much"));
        assert!(why.contains("larger than"), "what is skipped has come out too: {why}");
        assert!(of(&[header("a", EntryType::Regular, 5000)]).expect_err("cut").contains("whole"));
    }

    #[test]
    fn entries_are_counted() {
        let many: Vec<Vec<u8>> =
            (0..Limits::ENTRIES + 1).map(|_| header("d/", EntryType::Directory, 0)).collect();
        assert!(of(&many).expect_err("too many").contains("entries"));
    }
}
