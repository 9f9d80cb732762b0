//! `helm.Release`

mod apply;
mod failure;
mod objects;
mod observe;
mod preview;
mod watch;

use crate::chart::{Chart, Wanted, plain};
use crate::interface::release::{Inputs, Outputs};
use crate::storage::{newest, newest_of};
use crate::{chart, cluster};
use dtm_cluster::{Cluster, Fault};
use dtm_plugin::protocol::{Fields, Listed, Method, Preview};
use dtm_plugin::serde_json::{Value, json};
use dtm_plugin::wire::{self, has_unknown};
use dtm_plugin::{Change, Ctx, Failure, Kind, Object, Observed, Recorded};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) struct Release;

/// The longest name of a release: Helm writes it into a label.
const LONGEST: usize = 53;

/// The id of a release.
fn id(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// The namespace and the name in an id.
fn named(id: &str) -> (&str, &str) {
    id.split_once('/').unwrap_or(("default", id))
}

/// Values, which are empty where none are given.
fn given(values: Value) -> Value {
    if values.is_null() { json!({}) } else { values }
}

/// Why records of Helm cannot be read.
fn unreadable(namespace: &str) -> impl Fn(Fault) -> Failure + Copy + '_ {
    move |fault| fault.failure(&format!("the releases in `{namespace}` cannot be read"))
}

impl Inputs {
    fn chart(&self) -> Chart {
        let credentials = self.credentials.as_ref();
        Chart {
            chart: self.chart.clone(),
            repository: self.repository.clone(),
            version: self.version.clone(),
            digest: self.digest.clone(),
            credentials: credentials
                .map(|c| chart::Credentials { username: c.username.clone(), password: c.password.clone() }),
        }
    }
    /// The values, as Helm gets them.
    fn plain_values(&self) -> Value {
        given(wire::plain(&self.values))
    }
    fn id(&self) -> String {
        id(&self.namespace, &self.name)
    }
}

/// The inputs that say which chart is meant; `None` while one of them is unknown.
fn chart_of(inputs: &Fields) -> Option<Chart> {
    const NAMES: [&str; 5] = ["chart", "repository", "version", "digest", "credentials"];
    if NAMES.iter().filter_map(|name| inputs.get(*name)).any(has_unknown) {
        return None;
    }
    let text = |name: &str| inputs.get(name).and_then(Value::as_str).map(String::from);
    let credentials = inputs.get("credentials").map(wire::plain);
    let part = |name: &str| Some(credentials.as_ref()?.get(name)?.as_str()?.to_string());
    let credentials = part("username").zip(part("password"));
    Some(Chart {
        chart: text("chart")?,
        repository: text("repository"),
        version: text("version"),
        digest: text("digest"),
        credentials: credentials.map(|(username, password)| chart::Credentials {
            username,
            password: dtm_plugin::Secret(password),
        }),
    })
}

/// The version of the release that is there, for a range: a later one is no reason to change it.
async fn deployed(ctx: &Ctx, inputs: &Fields, wanted: &Wanted) -> Option<String> {
    let text = |name: &str| inputs.get(name).and_then(Value::as_str);
    let (namespace, name) = (text("namespace")?, text("name")?);
    let cluster = cluster(ctx).await.ok()?;
    let revision = newest_of(&cluster, namespace, name).await.ok()??;
    let record = crate::storage::record(&cluster, &revision).await.ok()??;
    Some(plain(record.chart_version()).to_string()).filter(|version| wanted.fits(version))
}

impl Kind for Release {
    const NAME: &'static str = "Release";
    type Inputs = Inputs;
    type Outputs = Outputs;
    const ANSWERS: &'static [Method] = &[
        Method::Validate,
        Method::Normalize,
        Method::ReadMany,
        Method::FindMany,
        Method::Preview,
        Method::List,
    ];

    fn validate(inputs: &Fields) -> Result<(), Failure> {
        let text = |name: &str| inputs.get(name).and_then(Value::as_str);
        if let Some(name) = text("name").filter(|name| !is_name(name)) {
            return Err(Failure::clean(format!(
                "`{name}` is not a name of a release: up to {LONGEST} small letters, digits, `-` and `.`, a letter or digit at both ends"
            ))
            .input("name"));
        }
        if let Some(version) = text("version") {
            Wanted::of(Some(version))?;
        }
        if inputs.get("history").and_then(Value::as_i64).is_some_and(|history| history < 0) {
            return Err(Failure::clean("`history` is negative; 0 keeps all revisions").input("history"));
        }
        let Some(values) = inputs.get("values").filter(|values| !has_unknown(values)) else { return Ok(()) };
        let values = wire::plain(values);
        apply::check(&values)?;
        match chart_of(inputs) {
            Some(chart) => chart.check_offline(&given(values)),
            None => Ok(()),
        }
    }

    async fn normalize(ctx: &Ctx, inputs: Fields, prior: Option<Recorded>) -> Result<Fields, Failure> {
        let Some(chart) = chart_of(&inputs) else { return Ok(inputs) };
        let mut out = inputs;
        if let Some(digest) = chart.digest.is_none().then(|| chart.folder_digest()).transpose()?.flatten() {
            out.insert("digest".into(), digest.into());
            return Ok(out);
        }
        let wanted = Wanted::of(chart.version.as_deref())?;
        if let Some(exact) = wanted.exact() {
            out.insert("version".into(), exact.into());
            return Ok(out);
        }
        let version = match &prior {
            Some(prior) => {
                let same = |name: &str| {
                    out.get(name).unwrap_or(&Value::Null) == prior.inputs.get(name).unwrap_or(&Value::Null)
                };
                let version = prior.inputs.get("version").or_else(|| prior.outputs.get("chart_version"));
                let version = version.and_then(Value::as_str).map(|version| plain(version).to_string());
                version.filter(|version| same("chart") && same("repository") && wanted.fits(version))
            }
            None => deployed(ctx, &out, &wanted).await,
        };
        let version = match version {
            Some(version) => Some(version),
            None => chart.newest(ctx).await?,
        };
        if let Some(version) = version {
            out.insert("version".into(), version.into());
        }
        Ok(out)
    }

    async fn read(ctx: &Ctx, object: Object<Self>) -> Result<Option<Observed<Self>>, Failure> {
        Self::read_many(ctx, vec![object]).await.pop().unwrap_or(Ok(None))
    }

    async fn read_many(
        ctx: &Ctx,
        objects: Vec<Object<Self>>,
    ) -> Vec<Result<Option<Observed<Self>>, Failure>> {
        match cluster(ctx).await {
            Ok(cluster) => observe::all(&cluster, objects).await,
            Err(failure) => objects.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn find(ctx: &Ctx, key: Fields) -> Result<Vec<String>, Failure> {
        Self::find_many(ctx, vec![key]).await.pop().unwrap_or(Ok(vec![]))
    }

    async fn find_many(ctx: &Ctx, keys: Vec<Fields>) -> Vec<Result<Vec<String>, Failure>> {
        let text =
            |key: &Fields, name: &str| key.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        let wanted: Vec<(String, String)> =
            keys.iter().map(|key| (text(key, "namespace"), text(key, "name"))).collect();
        let found = async {
            let cluster: Arc<Cluster> = cluster(ctx).await?;
            let mut there = BTreeSet::new();
            for namespace in wanted.iter().map(|(namespace, _)| namespace).collect::<BTreeSet<_>>() {
                let all = newest(&cluster, Some(namespace)).await.map_err(unreadable(namespace))?;
                there.extend(
                    all.into_values().filter(|r| r.status != "uninstalled").map(|r| (r.namespace, r.name)),
                );
            }
            Ok::<_, Failure>(there)
        };
        match found.await {
            Ok(there) => wanted
                .iter()
                .map(|key| Ok(there.contains(key).then(|| id(&key.0, &key.1)).into_iter().collect()))
                .collect(),
            Err(failure) => wanted.iter().map(|_| Err(failure.clone())).collect(),
        }
    }

    async fn preview(ctx: &Ctx, prior: Option<Object<Self>>, inputs: Inputs) -> Result<Preview, Failure> {
        preview::preview(ctx, prior.is_some(), &inputs).await
    }

    async fn list(ctx: &Ctx, within: Fields) -> Result<Vec<Listed>, Failure> {
        let namespace = within.get("namespace").and_then(Value::as_str);
        let cluster: Arc<Cluster> = cluster(ctx).await?;
        let all = newest(&cluster, namespace).await;
        let all = all.map_err(|fault| fault.failure("the releases of the cluster cannot be read"))?;
        let there = all.into_values().filter(|revision| revision.status != "uninstalled");
        Ok(there
            .map(|revision| Listed {
                id: id(&revision.namespace, &revision.name),
                key: Fields::from_iter([
                    ("name".to_string(), json!(revision.name)),
                    ("namespace".to_string(), json!(revision.namespace)),
                ]),
            })
            .collect())
    }

    async fn create(ctx: &Ctx, inputs: Inputs) -> Result<Change<Self>, Failure> {
        apply::deploy(ctx, &inputs, None).await
    }

    async fn update(ctx: &Ctx, prior: Object<Self>, inputs: Inputs) -> Result<Change<Self>, Failure> {
        apply::deploy(ctx, &inputs, Some(&prior.private)).await
    }

    async fn delete(ctx: &Ctx, object: Object<Self>) -> Result<(), Failure> {
        let (namespace, name) = named(&object.id);
        apply::uninstall(ctx, namespace, name).await
    }
}

/// Whether a text is the name of a release.
fn is_name(text: &str) -> bool {
    let end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.len() <= LONGEST
        && end(text.chars().next())
        && end(text.chars().next_back())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_helm() {
        for name in ["shop", "a", "shop-2.web"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "Shop", "-shop", "shop_2", &"a".repeat(54)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
