//! Repositories of charts over HTTP: a file `index.yaml` that names every version of every chart.

use super::credentials::{self, Credentials};
use super::digest;
use crate::yaml;
use dtm_plugin::http::{Auth, Client, Options, Verb, resolved};
use dtm_plugin::{Ctx, Failure, Secret};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

/// For how long the index of a repository is taken to be the same: the releases of one plan share it.
const FRESH: Duration = Duration::from_secs(60);

/// The index of a repository.
#[derive(Debug, Deserialize)]
pub(super) struct Index {
    #[serde(default)]
    entries: BTreeMap<String, Vec<Entry>>,
    #[serde(skip)]
    url: String,
}

/// One version of a chart in an index.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entry {
    /// Its version.
    pub(super) version: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    digest: Option<String>,
}

impl Index {
    /// The versions of a chart.
    ///
    /// # Errors
    /// When the repository does not have it: with charts of similar names.
    pub(super) fn entries(&self, name: &str) -> Result<&[Entry], Failure> {
        if let Some(entries) = self.entries.get(name) {
            return Ok(entries);
        }
        let close = self.entries.keys().filter(|known| known.contains(name) || name.contains(&***known));
        let close: Vec<String> = close.take(3).map(|known| format!("`{known}`")).collect();
        let close = match &*close {
            [] => String::new(),
            close => format!(": it has {}", close.join(", ")),
        };
        Err(Failure::clean(format!("the repository {} has no chart `{name}`{close}", self.url))
            .input("chart"))
    }

    /// The archive of a version.
    ///
    /// # Errors
    /// When it cannot be fetched, or is not the one that the index describes.
    pub(super) fn archive(
        &self,
        ctx: &Ctx,
        entry: &Entry,
        given: Option<&Credentials>,
    ) -> Result<Vec<u8>, Failure> {
        let Some(url) = entry.urls.first() else {
            return Err(Failure::clean(format!(
                "the index of {} gives no address for its version {}",
                self.url, entry.version
            )));
        };
        let url = resolved(&format!("{}/", self.url), url).map_err(|why| {
            Failure::clean(format!("the index of {} gives an address that is none: `{url}`: {why}", self.url))
        })?;
        // Credentials are for the repository, not for where its archives happen to be.
        let same = host(&url) == host(&self.url);
        let known = given.cloned().or_else(|| credentials::of_repository(&self.url));
        let bytes = download(ctx, &url, known.as_ref().filter(|_| same))?;
        match entry.digest.as_deref().map(|wanted| wanted.trim_start_matches("sha256:")) {
            Some(wanted) if !wanted.is_empty() && wanted != digest(&bytes) => Err(Failure::clean(format!(
                "{url} is not the archive that the index of its repository describes: the digests differ"
            ))),
            _ => Ok(bytes),
        }
    }
}

/// The host of an address.
fn host(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default()
}

type Known = HashMap<String, (Arc<Index>, Instant)>;
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

/// The index of a repository.
///
/// # Errors
/// When the repository does not answer, or answers with something else.
pub(super) fn of(ctx: &Ctx, url: &str, given: Option<&Credentials>) -> Result<Arc<Index>, Failure> {
    // Held while it is fetched: the other releases of a plan wait for the same index.
    let mut known = KNOWN.lock().unwrap_or_else(|e| e.into_inner());
    let name = format!("{url} {}", given.map(|c| c.username.clone()).unwrap_or_default());
    if let Some((index, asked)) = known.get(&name)
        && asked.elapsed() < FRESH
    {
        return Ok(index.clone());
    }
    let own = given.cloned().or_else(|| credentials::of_repository(url));
    let bytes = download(ctx, &format!("{url}/index.yaml"), own.as_ref())?;
    let text = String::from_utf8_lossy(&bytes);
    let index: Index = yaml::read(&text).map_err(|why| {
        Failure::clean(format!(
            "{url} is not a repository of charts: its `index.yaml` is not an index: {why}"
        ))
        .input("repository")
    })?;
    let index = Arc::new(Index { url: url.into(), ..index });
    known.insert(name, (index.clone(), Instant::now()));
    Ok(index)
}

/// What is at an address.
///
/// # Errors
/// When it cannot be fetched.
pub(super) fn download(ctx: &Ctx, url: &str, given: Option<&Credentials>) -> Result<Vec<u8>, Failure> {
    let auth = given.map(|c| Auth::Basic(c.username.clone(), Secret(c.password.0.clone())));
    let client = Client::new(Options { base: url.into(), auth, ..Options::default() })?;
    let answer = client.answer(ctx, Verb::Get, url, None)?;
    match answer.status {
        200..=299 => Ok(answer.body),
        401 | 403 => Err(Failure::clean(format!(
            "{} refuses the credentials, or needs some: set `credentials`, or run `helm repo add`",
            host(url)
        ))
        .input("credentials")),
        404 | 410 => Err(Failure::clean(format!("there is nothing at {url}")).input("repository")),
        status => Err(Failure::clean(format!("{url} answers {status}")).input("repository")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_that_is_missing_is_told_with_those_that_are_there() {
        let text = "apiVersion: v1\nentries:\n  shop:\n  - version: 1.0.0\n    urls: [shop-1.0.0.tgz]\n    created: 2026-01-01T00:00:00Z\n  shop-web: []\n";
        let index: Index = yaml::read(text).expect("an index");
        assert_eq!(index.entries("shop").map(|entries| entries[0].version.clone()), Ok("1.0.0".into()));
        let failure = index.entries("sho").expect_err("missing");
        assert!(
            failure.message().ends_with("has no chart `sho`: it has `shop`, `shop-web`"),
            "{}",
            failure.message()
        );
    }
}
