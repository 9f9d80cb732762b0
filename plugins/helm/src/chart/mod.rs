//! Charts: where one comes from, which version is meant, and its archive, which is fetched once and kept.

mod archive;
mod credentials;
mod folder;
mod index;
mod oci;
mod schema;
mod version;

pub(crate) use archive::Archive;
pub(crate) use version::{Wanted, plain};

pub(crate) use credentials::Credentials;
use dtm_plugin::serde_json::Value;
use dtm_plugin::{Ctx, Failure};
use semver::Version;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The inputs that say which chart is meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chart {
    /// `chart`
    pub(crate) chart: String,
    /// `repository`
    pub(crate) repository: Option<String>,
    /// `version`
    pub(crate) version: Option<String>,
    /// `digest`
    pub(crate) digest: Option<String>,
    /// `credentials`
    pub(crate) credentials: Option<Credentials>,
}

/// Where a chart comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// A folder.
    Folder(PathBuf),
    /// An archive on this machine.
    File(PathBuf),
    /// An archive at an address.
    Address(String),
    /// A repository with an index.
    Repository {
        /// Its address.
        url: String,
        /// The name of the chart in it.
        name: String,
    },
    /// A registry.
    Registry {
        /// `registry.acme.dev/charts/shop`
        reference: String,
    },
}

impl Chart {
    /// Where it comes from.
    ///
    /// # Errors
    /// When the inputs name no place, with the input that is wrong.
    pub(crate) fn source(&self) -> Result<Source, Failure> {
        let chart = &*self.chart;
        if let Some(reference) = chart.strip_prefix("oci://") {
            return Ok(Source::Registry { reference: reference.trim_end_matches('/').into() });
        }
        if chart.starts_with("http://") || chart.starts_with("https://") {
            return Ok(Source::Address(chart.into()));
        }
        if let Some(url) = &self.repository {
            let url = url.trim_end_matches('/');
            return match url.strip_prefix("oci://") {
                Some(reference) => Ok(Source::Registry { reference: format!("{reference}/{chart}") }),
                None if url.starts_with("http://") || url.starts_with("https://") => {
                    Ok(Source::Repository { url: url.into(), name: chart.into() })
                }
                None => Err(Failure::clean(format!(
                    "`{url}` is not the address of a repository: it begins with `https://` or `oci://`"
                ))
                .input("repository")),
            };
        }
        let path = PathBuf::from(chart);
        let is_path = chart.starts_with(['.', '/', '~']) || path.exists();
        match (is_path, chart.split_once('/')) {
            (true, _) if path.is_dir() => Ok(Source::Folder(path)),
            (true, _) if path.is_file() => Ok(Source::File(path)),
            (true, _) => Err(Failure::retryable(format!("there is no chart at `{chart}`"), None).input("chart")),
            (false, Some((repository, name))) => credentials::repository(repository)
                .map(|known| Source::Repository { url: known.url, name: name.into() })
                .ok_or_else(|| {
                    Failure::clean(format!(
                        "the repository `{repository}` is not known: set `repository` to its address, or run `helm repo add {repository} ADDRESS`"
                    ))
                    .input("chart")
                }),
            (false, None) => {
                Err(Failure::clean(format!("set `repository` to the address of the repository that has `{chart}`"))
                    .input("chart"))
            }
        }
    }

    /// The digest of a folder, which is what decides whether it changed.
    pub(crate) fn folder_digest(&self) -> Result<Option<String>, Failure> {
        match self.source() {
            Ok(Source::Folder(path)) => Ok(Some(digest(&folder::packed(&path)?))),
            Ok(Source::File(path)) => Ok(Some(digest(&read(&path)?))),
            Ok(Source::Address(_) | Source::Repository { .. } | Source::Registry { .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The newest version that fits; `None` where there is only one, as with a folder.
    ///
    /// # Errors
    /// When the repository does not answer, has no such chart, or none of its versions fits.
    pub(crate) async fn newest(&self, ctx: &Ctx) -> Result<Option<String>, Failure> {
        let wanted = Wanted::of(self.version.as_deref())?;
        let versions = match self.source()? {
            Source::Folder(_) | Source::File(_) | Source::Address(_) => return Ok(None),
            Source::Repository { url, name } => {
                let index = index::of(ctx, &url, self.credentials.as_ref())?;
                let entries = index.entries(&name)?;
                entries.iter().map(|entry| entry.version.clone()).collect()
            }
            Source::Registry { reference } => oci::tags(ctx, &reference, self.credentials.as_ref()).await?,
        };
        match wanted.newest(&versions) {
            Some(version) => Ok(Some(version)),
            None => Err(self.no_version(&versions)),
        }
    }

    fn no_version(&self, versions: &[String]) -> Failure {
        let (chart, wanted) = (&self.chart, self.version.as_deref().unwrap_or("*"));
        let mut known: Vec<(Version, &String)> =
            versions.iter().filter_map(|text| Some((plain(text).parse().ok()?, text))).collect();
        known.sort();
        let newest: Vec<&str> = known.iter().rev().take(5).map(|(_, text)| &***text).collect();
        let known = match &*newest {
            [] => "the repository has no version of it".to_string(),
            newest => format!("the newest versions are {}", newest.join(", ")),
        };
        Failure::clean(format!("the chart `{chart}` has no version `{wanted}`: {known}")).input("version")
    }

    /// The chart itself: from the cache where it is there, and otherwise fetched. Its version is that of the input, or the newest.
    ///
    /// # Errors
    /// When it cannot be had, is not a chart, or has another digest than is wanted.
    pub(crate) async fn fetch(&self, ctx: &Ctx) -> Result<Archive, Failure> {
        let archive = match self.source()? {
            Source::Folder(path) => Archive::new(folder::packed(&path)?)?,
            Source::File(path) => Archive::new(read(&path)?)?,
            Source::Address(url) => Archive::new(index::download(ctx, &url, self.credentials.as_ref())?)?,
            source @ (Source::Repository { .. } | Source::Registry { .. }) => {
                self.remote(ctx, source).await?
            }
        };
        let wanted = Wanted::of(self.version.as_deref())?;
        let version = &archive.metadata.version;
        if !wanted.fits(version) && self.version.is_some() {
            return Err(Failure::clean(format!("the chart `{}` has the version {version}", self.chart))
                .input("version"));
        }
        let found = archive.digest();
        match self.digest.as_deref().map(|digest| digest.trim_start_matches("sha256:")) {
            Some(wanted) if !wanted.eq_ignore_ascii_case(found) => Err(Failure::clean(format!(
                "the chart `{}` has the digest {found}, not {wanted}",
                self.chart
            ))
            .input("digest")),
            _ => Ok(archive),
        }
    }

    async fn remote(&self, ctx: &Ctx, source: Source) -> Result<Archive, Failure> {
        let wanted = Wanted::of(self.version.as_deref())?;
        let version = match wanted.exact() {
            Some(version) => version,
            None => self.newest(ctx).await?.unwrap_or_default(),
        };
        let cache = Cache::of(&source, &version);
        if let Some(known) = cache.read(self.digest.as_deref()) {
            return Archive::new(known);
        }
        ctx.progress(format!("fetching the chart {} {version}", self.chart));
        let bytes = match source {
            Source::Registry { reference } => {
                oci::pull(ctx, &reference, &version, self.credentials.as_ref()).await?
            }
            Source::Repository { url, name } => {
                let index = index::of(ctx, &url, self.credentials.as_ref())?;
                let entries = index.entries(&name)?;
                let Some(entry) = entries.iter().find(|entry| plain(&entry.version) == plain(&version))
                else {
                    let all: Vec<String> = entries.iter().map(|entry| entry.version.clone()).collect();
                    return Err(self.no_version(&all));
                };
                index.archive(ctx, entry, self.credentials.as_ref())?
            }
            Source::Folder(path) | Source::File(path) => read(&path)?,
            Source::Address(url) => index::download(ctx, &url, self.credentials.as_ref())?,
        };
        let archive = Archive::new(bytes)?;
        cache.write(&archive);
        Ok(archive)
    }

    /// What is wrong with values, by the schemas of the chart, if it is on this machine: nothing is fetched.
    pub(crate) fn check_offline(&self, values: &Value) -> Result<(), Failure> {
        let archive = match self.source()? {
            Source::Folder(path) => Archive::new(folder::packed(&path)?)?,
            Source::File(path) => Archive::new(read(&path)?)?,
            Source::Address(_) => return Ok(()),
            source @ (Source::Repository { .. } | Source::Registry { .. }) => {
                let Some(version) = Wanted::of(self.version.as_deref())?.exact() else { return Ok(()) };
                match Cache::of(&source, &version).read(self.digest.as_deref()) {
                    Some(known) => Archive::new(known)?,
                    None => return Ok(()),
                }
            }
        };
        archive.check(values)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| {
        let why = dtm_plugin::in_words(&e.to_string());
        Failure::clean(format!("the chart `{}` cannot be read: {why}", path.display())).input("chart")
    })
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where the archives of one version of a chart are kept on this machine: a file by its digest, and a file that names it by the
/// source and the version.
struct Cache {
    folder: Option<PathBuf>,
    name: String,
}

impl Cache {
    fn of(source: &Source, version: &str) -> Cache {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        let name = digest(format!("{source:?} {}", plain(version)).as_bytes());
        Cache { folder: base.map(|base| base.join("dtm/charts")), name }
    }

    fn read(&self, wanted: Option<&str>) -> Option<Vec<u8>> {
        let folder = self.folder.as_ref()?;
        let known = std::fs::read_to_string(folder.join(&self.name)).ok()?;
        if wanted.is_some_and(|wanted| !wanted.trim_start_matches("sha256:").eq_ignore_ascii_case(&known)) {
            return None;
        }
        let bytes = std::fs::read(folder.join(format!("{known}.tgz"))).ok()?;
        (digest(&bytes) == known).then_some(bytes)
    }

    /// Without a cache, a chart is fetched again.
    fn write(&self, archive: &Archive) {
        let Some(folder) = &self.folder else { return };
        let write = |name: &str, bytes: &[u8]| -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut file, bytes)?;
            file.persist(folder.join(name)).map(|_| ()).map_err(|e| e.error)
        };
        let digest = archive.digest();
        if write(&format!("{digest}.tgz"), archive.bytes()).is_ok() {
            let _ = write(&self.name, digest.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(chart: &str, repository: Option<&str>) -> Result<Source, Failure> {
        Chart { chart: chart.into(), repository: repository.map(String::from), ..Chart::default() }.source()
    }

    #[test]
    fn a_chart_comes_from_where_its_inputs_say() {
        let registry = |reference: &str| Source::Registry { reference: reference.into() };
        assert_eq!(source("oci://r.dev/charts/shop", None), Ok(registry("r.dev/charts/shop")));
        assert_eq!(source("shop", Some("oci://r.dev/charts/")), Ok(registry("r.dev/charts/shop")));
        let repository = Source::Repository { url: "https://charts.dev".into(), name: "shop".into() };
        assert_eq!(source("shop", Some("https://charts.dev/")), Ok(repository));
        let address = "https://charts.dev/shop-1.0.0.tgz";
        assert_eq!(source(address, None), Ok(Source::Address(address.into())));
        assert_eq!(source("./src", None), Ok(Source::Folder("./src".into())));
        assert_eq!(source("./Cargo.toml", None), Ok(Source::File("./Cargo.toml".into())));
        for (chart, repository, why) in [
            ("shop", None, "set `repository` to the address"),
            ("no-such-repository/shop", None, "helm repo add no-such-repository ADDRESS"),
            ("shop", Some("charts.dev"), "it begins with `https://` or `oci://`"),
            ("./missing", None, "there is no chart at `./missing`"),
        ] {
            let failure = source(chart, repository).expect_err(chart);
            assert!(failure.message().contains(why), "{}", failure.message());
        }
    }
}
