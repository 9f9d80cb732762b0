//! The pages of the manual that need a cluster, and the plugins `kube` and `helm`, where pods really run.

use crate::shop::DTM;
use dtm_tests::sandbox::Sandbox;
use dtm_tests::services::cluster::Cluster;
use dtm_tests::services::installed;
use dtm_tests::stage::run_in;
use dtm_tests::suite::{replaced, sections};
use std::path::{Path, PathBuf};

/// Run as the suites are: `DTM_BLESS=1` writes what was found.
#[test]
fn the_pages_of_the_manual_hold() {
    let Some(cluster) = Cluster::start() else { return };
    let Some(helm) = installed("helm.sh").map(|home| home.join("helm3")) else { return };
    let kubeconfig = std::fs::read(cluster.kubeconfig()).expect("a kubeconfig");
    let kubectl = Cluster::program();
    let prepare = &|sandbox: &Sandbox| {
        std::fs::create_dir(sandbox.home().join(".kube")).expect("a folder");
        std::fs::write(sandbox.home().join(".kube/config"), &kubeconfig).expect("written");
        for (program, name) in [(&kubectl, "kubectl"), (&helm, "helm")] {
            std::os::unix::fs::symlink(program, sandbox.home().join("bin").join(name)).expect("a link");
        }
    };
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/cluster");
    let pages: Vec<PathBuf> =
        std::fs::read_dir(pages).expect("a folder").map(|page| page.expect("an entry").path()).collect();
    // Each page has namespaces of its own.
    let problems: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = pages.iter().map(|page| scope.spawn(|| tried(page, prepare))).collect();
        running.into_iter().flat_map(|running| running.join().expect("a page runs")).collect()
    });
    assert!(problems.is_empty() || std::env::var_os("DTM_BLESS").is_some(), "{}", problems.join("\n"));
}

/// What of a page does not hold.
fn tried(page: &Path, prepare: &(dyn Fn(&Sandbox) + Sync)) -> Vec<String> {
    let text = std::fs::read_to_string(page).expect("a page");
    let (mut problems, mut changes) = (vec![], vec![]);
    let sections = sections(&text);
    // Those that fail wait for long: all of them run at the same time, each in a namespace of its own.
    let at_a_time = if page.ends_with("failures.md") { sections.len() } else { 1 };
    for some in sections.chunks(at_a_time) {
        let results: Vec<_> = std::thread::scope(|scope| {
            let running: Vec<_> = some
                .iter()
                .map(|section| scope.spawn(move || (&section.name, run_in(section, Path::new(DTM), prepare))))
                .collect();
            running.into_iter().map(|running| running.join().expect("a section runs")).collect()
        });
        for (name, result) in results {
            problems.extend(result.problems.into_iter().map(|p| format!("{} / {name}: {p}", page.display())));
            changes.extend(result.changes);
        }
    }
    if std::env::var_os("DTM_BLESS").is_some() && !changes.is_empty() {
        std::fs::write(page, replaced(&text, changes)).expect("written");
    }
    problems
}
