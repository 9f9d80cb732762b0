//! How long DevStream's YAML takes: all the real files in one process, and generated ones of up to 10,000 tools, checked and
//! converted, with the growth from one size to the next and the peak memory.
//! `cargo bench -p dtm-tests --bench devstream`

use dtm_devstream as devstream;
use dtm_engine::project::FileLoader;
use dtm_lang::{Inputs, Program, Purpose};
use dtm_tests::bench::{best, process_in};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So many tools, ten lines each, every one waits for the one before.
fn generated(tools: usize) -> String {
    let mut out = String::from(
        "config:\n  state:\n    backend: local\nvars:\n  org: acme\n  zone: example.org\ntools:\n",
    );
    for i in 0..tools {
        let before = i.checked_sub(1);
        let _ = match i % 2 {
            0 => writeln!(
                out,
                "- name: ci-generic\n  instanceID: t{i}\n  dependsOn: [{}]\n  options:\n    ci:\n      type: github\n      \
                 configLocation: \"https://[[ zone ]]/x{i}\"\n    scm:\n      name: x{i}\n      org: [[ org ]]",
                before.map(|b| format!("helm-installer.t{b}")).unwrap_or_default()
            ),
            _ => writeln!(
                out,
                "- name: helm-installer\n  instanceID: t{i}\n  dependsOn: [ci-generic.t{}]\n  options:\n    # number {i}\n    \
                 repo: {{name: r, url: \"https://[[ zone ]]/charts\"}}\n    chart:\n      chartName: r/c{i}\n      version: 1.0.{i}\n      \
                 releaseName: c{i}",
                before.unwrap_or_default()
            ),
        };
    }
    out
}

fn real() -> (PathBuf, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/devstream/yaml");
    let names =
        std::fs::read_dir(&folder).expect("the data").filter_map(|e| e.ok()?.file_name().into_string().ok());
    let files = names.filter(|n| n.ends_with(".yaml")).collect();
    (folder, files)
}

fn main() {
    let mut out = std::io::stdout();
    let (folder, files) = real();
    let loader = Arc::new(FileLoader::new(folder, String::new(), &dtm_cli::EXTENSIONS));
    let all = best(|| {
        for file in &files {
            std::hint::black_box(Program::load(file, loader.clone(), &Inputs::default(), Purpose::Check));
        }
    });
    let _ = writeln!(out, "{} real files checked: {:.0} ms", files.len(), all.as_secs_f64() * 1000.0);
    let _ = writeln!(
        out,
        "{:>8}{:>8}{:>20}{:>20}{:>22}{:>22}",
        "tools", "lines", "check", "convert", "dtm check", "dtm convert"
    );
    let mut before: Option<[f64; 4]> = None;
    for tools in [1_250, 2_500, 5_000, 10_000] {
        let text = generated(tools);
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("it is there");
        std::fs::write(root.join("config.yaml"), &text).expect("written");
        let loader = Arc::new(FileLoader::new(root.clone(), String::new(), &dtm_cli::EXTENSIONS));
        let checked = best(|| {
            let (_, problems) =
                Program::load("config.yaml", loader.clone(), &Inputs::default(), Purpose::Check);
            assert!(!problems.has_errors(), "{:?}", problems.iter().next());
        });
        let converted = best(|| devstream::convert("config.yaml", &*loader, true));
        let dtm = Path::new(env!("CARGO_BIN_EXE_dtm-under-test"));
        let (check, check_peak) = process_in(&root, dtm, "check -q config.yaml");
        let (convert, convert_peak) = process_in(&root, dtm, "convert -q config.yaml");
        let now = [checked, converted, check, convert].map(|d| d.as_secs_f64());
        let cell = |i: usize, peak: Option<u64>| {
            let ratio = before.map(|b| format!(" x{:.2}", now[i] / b[i])).unwrap_or_default();
            let peak = peak.map(|mb| format!(", {mb} MB")).unwrap_or_default();
            format!("{:.0} ms{ratio}{peak}", now[i] * 1000.0)
        };
        let _ = writeln!(
            out,
            "{tools:>8}{:>8}{:>20}{:>20}{:>22}{:>22}",
            text.lines().count(),
            cell(0, None),
            cell(1, None),
            cell(2, Some(check_peak)),
            cell(3, Some(convert_peak))
        );
        before = Some(now);
    }
}
