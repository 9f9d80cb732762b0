//! Embeds every file of `examples/`, so that a new example is one folder, every module beside this file, the interfaces, and the
//! pages of the guide.

use std::fmt::Write;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let root = std::env::var("CARGO_MANIFEST_DIR").map_err(std::io::Error::other)?;
    let examples = Path::new(&root).join("examples");
    // The folder as a whole: a new example is noticed as well.
    std::io::Write::write_all(&mut std::io::stdout(), b"cargo::rerun-if-changed=.\n")?;
    let mut code = String::from("/// The examples, by name.\npub const EXAMPLES: &[Example] = &[\n");
    let mut folders: Vec<_> = std::fs::read_dir(&examples)?.filter_map(|e| Some(e.ok()?.path())).collect();
    folders.sort();
    for folder in folders.iter().filter(|f| f.is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut files = vec![];
        collect(folder, folder, &mut files)?;
        let main = std::fs::read_to_string(folder.join("main.dts"))?;
        let title = main.lines().find_map(|l| l.strip_prefix("/// ")).unwrap_or("");
        let _ = writeln!(code, "Example {{ name: {name:?}, title: {title:?}, files: &[");
        for (relative, full) in files {
            let _ = writeln!(code, "({relative:?}, include_str!({full:?})),");
        }
        code += "] },\n";
    }
    code += "];\n";
    let guide = "../tests/spec/guide";
    std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("cargo::rerun-if-changed={guide}\n").as_bytes(),
    )?;
    for (folder, extension, name, doc) in [
        (".", "dts", "MODULES", "The modules of the standard library: name and text."),
        ("interfaces", "dts", "INTERFACES", "Interfaces of plugins that are not shipped yet: name and text."),
    ] {
        let _ = writeln!(code, "/// {doc}\npub const {name}: &[(&str, &str)] = &[");
        let mut files: Vec<_> =
            std::fs::read_dir(Path::new(&root).join(folder))?.filter_map(|e| Some(e.ok()?.path())).collect();
        files.sort();
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == extension)) {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let _ = writeln!(code, "({stem:?}, include_str!({:?})),", file.display().to_string());
        }
        code += "];\n";
    }
    code += "/// The pages of the guide, as the manual lists them.\npub const GUIDE: &[Page] = &[\n";
    let list = Path::new(&root).join("../tests/spec/MANUAL.md");
    std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("cargo::rerun-if-changed={}\n", list.display()).as_bytes(),
    )?;
    let mut part = String::new();
    for line in std::fs::read_to_string(list)?.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            part = heading.trim().to_string();
        }
        for name in line.split("](guide/").skip(1).filter_map(|rest| rest.split(".md)").next()) {
            let file = Path::new(&root).join(guide).join(format!("{name}.md")).display().to_string();
            let _ =
                writeln!(code, "Page {{ part: {part:?}, name: {name:?}, text: include_str!({file:?}) }},");
        }
    }
    code += "];\n";
    let out = std::env::var("OUT_DIR").map_err(std::io::Error::other)?;
    std::fs::write(Path::new(&out).join("examples.rs"), code)
}

/// The files below a folder that belong to the example: not what applying it made.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.filter_map(|e| Some(e.ok()?.path())).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name == "out" || name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let relative = path.strip_prefix(root).map_err(std::io::Error::other)?;
            files.push((relative.display().to_string(), path.display().to_string()));
        }
    }
    Ok(())
}
