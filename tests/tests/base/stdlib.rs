//! The standard library: its tests pass, its files are in the one style, and `std/prelude` says of every builtin what it is
//! and what it gives.

use dtm_lang::builtin::BUILTINS;
use dtm_lang::builtin::Higher;
use dtm_lang::syntax::ast::DeclKind;
use dtm_lang::{Diagnostics, FileId, Inputs, Loader, Program, Purpose, Shipped, Symbol};
use std::sync::Arc;

struct Embedded;

impl Loader for Embedded {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let name = path.trim_end_matches(".dts");
        dtm_stdlib::module(name).map(|t| t.as_bytes().to_vec()).ok_or_else(|| "no such module".into())
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        let file = format!("{}/../plugins/{plugin}/{plugin}.dts", env!("CARGO_MANIFEST_DIR"));
        let text = match dtm_stdlib::interface(plugin) {
            Some(text) => text.to_string(),
            None => std::fs::read_to_string(file).ok()?,
        };
        Some(Shipped { text: text.into(), version: "0.1.0".into(), interface_only: true })
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        vec![]
    }
    fn std_module(&self, name: &str) -> Option<Symbol> {
        dtm_stdlib::module(name).map(Symbol::from)
    }
}

fn shown(program: &Program, diagnostics: &Diagnostics) -> String {
    let render = |d| {
        let format = dtm_lang::diag::render::Format::Short;
        dtm_lang::diag::render::render(d, program.sources(), format, false)
    };
    diagnostics.iter().map(render).collect()
}

#[test]
fn every_module_checks_and_passes_its_tests() {
    let mut ran = 0;
    for (name, _) in dtm_stdlib::MODULES {
        // As a program of its own, and as what others import.
        for root in [format!("{name}.dts"), "main.dts".into()] {
            let loader: Arc<dyn Loader> = match root.as_str() {
                "main.dts" => Arc::new(Importing(name)),
                _ => Arc::new(Embedded),
            };
            let (program, diagnostics) = Program::load(&root, loader, &Inputs::default(), Purpose::Check);
            assert!(!diagnostics.has_errors(), "{name}: {}", shown(&program, &diagnostics));
            for (position, test) in program.tests().iter().enumerate() {
                let outcome = program.test(position, &|p| dtm_engine::plan::waves(p));
                assert!(
                    !outcome.diagnostics.has_errors(),
                    "{name}, `{}`: {}",
                    test.name,
                    shown(&program, &outcome.diagnostics)
                );
                ran += 1;
            }
        }
    }
    assert!(ran > 100, "only {ran} tests ran");
}

/// A program that imports one module.
struct Importing(&'static str);

impl Loader for Importing {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(format!("dts 1\n\nimport \"std/{}\" as m\n", self.0).into_bytes())
    }
    fn shipped(&self, plugin: &str) -> Option<Shipped> {
        Embedded.shipped(plugin)
    }
    fn shipped_names(&self) -> Vec<Symbol> {
        vec![]
    }
    fn std_module(&self, name: &str) -> Option<Symbol> {
        Embedded.std_module(name)
    }
}

#[test]
fn every_module_is_in_the_one_style() {
    for (name, text) in dtm_stdlib::MODULES.iter().chain(dtm_stdlib::INTERFACES) {
        let formatted = dtm_lang::syntax::format::format(FileId(0), text).0.expect("it can be read");
        assert_eq!(formatted, *text, "{name}");
    }
}

#[test]
fn interfaces_are_interfaces() {
    for (name, text) in dtm_stdlib::INTERFACES {
        let (plugin, _, diagnostics) = dtm_lang::read_interface(&format!("{name}.dts"), text);
        let plugin = plugin.unwrap_or_else(|| panic!("{name} is not an interface"));
        assert!(!diagnostics.has_errors(), "{name}: {diagnostics:?}");
        assert_eq!(&*plugin.name, *name);
        for (kind, read) in &plugin.kinds {
            assert!(read.doc.is_some(), "{name}.{kind} has no documentation");
        }
    }
}

#[test]
fn the_prelude_says_of_every_builtin_what_it_is() {
    let text = dtm_stdlib::module("prelude").expect("there is a prelude");
    let file = FileId(0);
    let mut diagnostics = Diagnostics::default();
    let module = dtm_lang::syntax::parse(file, text, &mut diagnostics);
    let said: Vec<(String, String, usize)> = module
        .decls
        .iter()
        .filter_map(|d| {
            if let DeclKind::Test { name, body } = &d.kind {
                let title = text[name.span.start as usize..name.span.end as usize].trim_matches('"');
                Some((title.to_string(), d.doc.clone().unwrap_or_else(|| "".into()).to_string(), body.len()))
            } else {
                None
            }
        })
        .collect();
    let words = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
    let higher = Higher::ALL.iter().map(|h| (h.name(), h.doc()));
    let all: Vec<(&str, &str)> = BUILTINS.iter().map(|b| (b.name, b.doc)).chain(higher).collect();
    for (builtin, its) in &all {
        let Some((_, doc, asserts)) = said.iter().find(|(name, ..)| name == builtin) else {
            panic!("the prelude does not speak of `{builtin}`");
        };
        assert_eq!(words(doc), words(its), "`{builtin}` is said to be two things");
        let unsaid = ["file", "template", "tool_name"].contains(builtin);
        assert!(*asserts > 0 || unsaid, "`{builtin}` has no example");
    }
    assert_eq!(said.len(), all.len(), "the prelude speaks of what is not there");
}

#[test]
fn the_manual_has_every_page() {
    let spec = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("spec");
    let manual = std::fs::read_to_string(spec.join("MANUAL.md")).expect("there is a manual");
    let links: Vec<&str> = manual
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|l| l.ends_with(".md"))
        .collect();
    for link in &links {
        assert!(spec.join(link).is_file(), "`{link}` is not there");
    }
    for folder in std::fs::read_dir(&spec).expect("a folder") {
        let folder = folder.expect("an entry").path();
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let page = entry.expect("an entry").path();
            let page = page.strip_prefix(&spec).expect("below").display().to_string();
            assert!(links.contains(&&*page), "the manual does not link to {page}");
        }
    }
}
