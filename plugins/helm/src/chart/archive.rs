//! The archive of a chart: a gzipped tar with one folder, which is named like the chart.

use super::{digest, schema};
use crate::yaml;
use dtm_plugin::Failure;
use dtm_plugin::serde_json::Value;
use flate2::read::GzDecoder;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;

/// How large the files of a chart may be together, in bytes: a small archive may hold more than memory does.
const LARGEST: u64 = 128 << 20;

/// What `Chart.yaml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    /// The name of the chart.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// `library` for a chart that cannot be installed.
    #[serde(default)]
    pub(crate) r#type: String,
    /// Whether its authors have given it up.
    #[serde(default)]
    pub(crate) deprecated: bool,
    /// The charts that it needs.
    #[serde(default)]
    pub(crate) dependencies: Vec<Dependency>,
}

/// A chart that another one needs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Dependency {
    /// Its name.
    pub(crate) name: String,
    /// Its version, or a range.
    #[serde(default)]
    pub(crate) version: String,
    /// The address of its repository; `file://` for a folder.
    #[serde(default)]
    pub(crate) repository: String,
}

/// A chart.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    digest: String,
    /// What its `Chart.yaml` says.
    pub(crate) metadata: Metadata,
    /// Its files by their path in the chart: those that dtm reads.
    files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    /// A chart from its archive.
    ///
    /// # Errors
    /// When it is not one.
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Archive, Failure> {
        let not = |why: &str| Failure::clean(format!("this is not a chart: {why}")).input("chart");
        let files = files(&bytes)
            .map_err(|e| not(&format!("its archive cannot be read: {}", dtm_plugin::in_words(&e))))?;
        let text = files.get("Chart.yaml").ok_or_else(|| not("it has no `Chart.yaml`"))?;
        let metadata: Metadata = yaml::read(&String::from_utf8_lossy(text))
            .map_err(|why| not(&format!("its `Chart.yaml` cannot be read: {why}")))?;
        if metadata.r#type == "library" {
            return Err(Failure::clean(format!(
                "the chart `{}` is a library: other charts use it, and it cannot be installed",
                metadata.name
            ))
            .input("chart"));
        }
        Ok(Archive { digest: digest(&bytes), bytes, metadata, files })
    }
    /// The archive itself.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
    /// Its SHA-256 in hexadecimal.
    pub(crate) fn digest(&self) -> &str {
        &self.digest
    }
    /// The custom resource definitions that it and its subcharts bring in `crds/`.
    ///
    /// # Errors
    /// When a file is not YAML.
    pub(crate) fn definitions(&self) -> Result<Vec<Value>, Failure> {
        let mut out = vec![];
        for (path, bytes) in &self.files {
            let is_one = path.starts_with("crds/") || path.contains("/crds/");
            if !is_one || !is_yaml(path) {
                continue;
            }
            let text = String::from_utf8_lossy(bytes);
            let documents = yaml::documents(&text).map_err(|why| {
                Failure::clean(format!("`{path}` of the chart `{}` is not YAML: {why}", self.metadata.name))
            })?;
            out.extend(documents.into_iter().filter(|o| dtm_cluster::kind(o) == "CustomResourceDefinition"));
        }
        Ok(out)
    }
    /// Checks values with the schemas of the chart and its subcharts.
    ///
    /// # Errors
    /// With every value that a schema refuses.
    pub(crate) fn check(&self, values: &Value) -> Result<(), Failure> {
        let wrong = schema::wrong(&self.files, values);
        if wrong.is_empty() {
            return Ok(());
        }
        let text = format!("the chart `{}` refuses these values:\n{}", self.metadata.name, wrong.join("\n"));
        Err(Failure::clean(text).input("values"))
    }
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// Whether dtm reads a file of a chart, or of a subchart in it.
fn is_read(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    matches!(name, "Chart.yaml" | "values.yaml" | "values.schema.json")
        || path.starts_with("crds/")
        || path.contains("/crds/")
}

/// The files of an archive that dtm reads, by their path below the folder of the chart. Subcharts that are archives are read too.
fn files(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut out = BTreeMap::new();
    let mut archive = tar::Archive::new(GzDecoder::new(bytes).take(LARGEST));
    for entry in archive.entries().map_err(|e| e.to_string())? {
        let mut entry = entry.map_err(|e| e.to_string())?;
        let path = entry.path().map_err(|e| e.to_string())?.to_string_lossy().into_owned();
        let Some((_, path)) = path.trim_start_matches("./").split_once('/') else { continue };
        let nested = path.ends_with(".tgz") && path.starts_with("charts/");
        if !entry.header().entry_type().is_file() || !(nested || is_read(path)) {
            continue;
        }
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if !nested {
            out.insert(path.to_string(), bytes);
            continue;
        }
        let inner = files(&bytes)?;
        let name = path.trim_end_matches(".tgz");
        out.extend(inner.into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
    }
    Ok(out)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    /// A chart with these files.
    pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(vec![], Compression::fast()));
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, path, text.as_bytes()).expect("written");
        }
        tar.into_inner().and_then(|gzip| gzip.finish()).expect("written")
    }

    fn why(files: &[(&str, &str)]) -> String {
        Archive::new(archive(files)).err().map(|failure| failure.message().to_string()).unwrap_or_default()
    }

    #[test]
    fn what_is_not_a_chart_is_refused() {
        assert!(
            Archive::new(b"<html>".to_vec()).is_err_and(|f| f.message().starts_with("this is not a chart"))
        );
        assert_eq!(why(&[("shop/values.yaml", "")]), "this is not a chart: it has no `Chart.yaml`");
        let library = "name: shop\nversion: 1.0.0\ntype: library\n";
        assert!(why(&[("shop/Chart.yaml", library)]).contains("is a library"));
        assert_eq!(why(&[("shop/Chart.yaml", "name: shop\nversion: 1.0.0\n")]), "");
    }

    #[test]
    fn definitions_of_a_chart_and_its_subcharts_are_found() {
        let crd = |name: &str| {
            format!(
                "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{ name: {name} }}\n"
            )
        };
        let chart = Archive::new(archive(&[
            ("shop/Chart.yaml", "name: shop\nversion: 1.0.0\n"),
            ("shop/crds/a.yaml", &format!("{}---\n{}", crd("a"), crd("b"))),
            ("shop/crds/README.md", "no: [yaml"),
            ("shop/charts/db/Chart.yaml", "name: db\nversion: 1.0.0\n"),
            ("shop/charts/db/crds/c.yml", &crd("c")),
        ]))
        .expect("a chart");
        let names: Vec<String> =
            chart.definitions().expect("YAML").iter().map(|o| dtm_cluster::name(o).to_string()).collect();
        assert_eq!(names, ["c", "a", "b"]);
    }
}
