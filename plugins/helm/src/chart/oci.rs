//! Charts in registries (OCI): a tag is a version, in which `+` is written `_`.

use super::credentials::{self, Credentials};
use super::version::plain;
use dtm_plugin::{Ctx, Failure};
use oci_client::Reference;
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use std::time::Duration;

/// The type of a chart's archive.
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// So many tags are asked for at a time.
const PAGE: usize = 1_000;

/// Whether a registry is on this machine, where it need not be encrypted.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

fn reference(text: &str, tag: &str) -> Result<Reference, Failure> {
    let whole = if tag.is_empty() { text.to_string() } else { format!("{text}:{}", tag.replace('+', "_")) };
    whole
        .parse()
        .map_err(|_| Failure::clean(format!("`oci://{text}` is not an address in a registry")).input("chart"))
}

fn connect(ctx: &Ctx, reference: &Reference, given: Option<&Credentials>) -> (Client, RegistryAuth) {
    let host = reference.registry();
    let config = ClientConfig {
        protocol: if is_local(host) { ClientProtocol::Http } else { ClientProtocol::Https },
        connect_timeout: Some(Duration::from_secs(10)),
        read_timeout: Some(Duration::from_secs(60)),
        user_agent: concat!("dtm/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    let known = given.cloned().or_else(|| credentials::of_registry(ctx, host));
    let auth = known.map_or(RegistryAuth::Anonymous, |c| RegistryAuth::Basic(c.username, c.password.0));
    (Client::new(config), auth)
}

/// The versions of a chart.
///
/// # Errors
/// When the registry does not answer, or does not have it.
pub(super) async fn tags(
    ctx: &Ctx,
    chart: &str,
    given: Option<&Credentials>,
) -> Result<Vec<String>, Failure> {
    let reference = reference(chart, "")?;
    let (client, auth) = connect(ctx, &reference, given);
    let mut all: Vec<String> = vec![];
    loop {
        let last = all.last().cloned();
        let page = client.list_tags(&reference, &auth, Some(PAGE), last.as_deref()).await;
        let page = page.map_err(|error| failure(&error, chart, "its versions cannot be listed"))?.tags;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all.into_iter().map(|tag| tag.replace('_', "+")).collect());
        }
    }
}

/// The archive of a version.
///
/// # Errors
/// When the registry does not answer, does not have it, or has something else there.
pub(super) async fn pull(
    ctx: &Ctx,
    chart: &str,
    version: &str,
    given: Option<&Credentials>,
) -> Result<Vec<u8>, Failure> {
    // A tag is as the chart writes its version, which may begin with `v`.
    let spellings = [version.to_string(), format!("v{}", plain(version))];
    let mut missing = None;
    for tag in spellings {
        let reference = reference(chart, &tag)?;
        let (client, auth) = connect(ctx, &reference, given);
        match client.pull(&reference, &auth, vec![CHART]).await {
            Ok(image) => {
                let layer = image.layers.into_iter().find(|layer| layer.media_type == CHART);
                return match layer {
                    Some(layer) => Ok(layer.data.to_vec()),
                    None => {
                        Err(Failure::clean(format!("`oci://{chart}` is not a chart of Helm")).input("chart"))
                    }
                };
            }
            Err(error) if is_missing(&error) => {
                missing.get_or_insert(error);
            }
            Err(error) => {
                return Err(failure(&error, chart, &format!("its version {version} cannot be fetched")));
            }
        }
    }
    Err(Failure::clean(format!("`oci://{chart}` has no version {version}")).input("version"))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "every other error is not about what is missing")]
fn is_missing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().any(|e| format!("{:?}", e.code).to_lowercase().contains("unknown"))
        }
        _ => false,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the client has words for the others")]
fn failure(error: &OciDistributionError, chart: &str, what: &str) -> Failure {
    let host = chart.split('/').next().unwrap_or_default();
    let refused = || {
        Failure::clean(format!(
            "`oci://{chart}`: {host} refuses the credentials, or needs some: set `credentials`, or run `helm registry login {host}`"
        ))
        .input("credentials")
    };
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            refused()
        }
        OciDistributionError::ServerError { code: 401 | 403, .. } => refused(),
        OciDistributionError::ServerError { code, .. } if *code == 429 || *code >= 500 => {
            Failure::retryable(format!("`oci://{chart}`: {what}: {host} answers {code}"), None)
        }
        OciDistributionError::RequestError(e) if e.is_connect() || e.is_timeout() => {
            Failure::retryable(format!("`oci://{chart}`: {what}: {host} cannot be reached"), None)
        }
        error if is_missing(error) => {
            Failure::clean(format!("there is no chart at `oci://{chart}`")).input("chart")
        }
        error => {
            Failure::clean(format!("`oci://{chart}`: {what}: {}", dtm_plugin::in_words(&error.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_with_its_version() {
        let read = reference("localhost:5000/charts/shop", "1.0.0+a").expect("an address");
        assert_eq!(
            (read.registry(), read.repository(), read.tag()),
            ("localhost:5000", "charts/shop", Some("1.0.0_a"))
        );
        assert!(reference("Not An Address", "").is_err());
        assert!(is_local("127.0.0.1:5000") && is_local("localhost") && !is_local("localhost.acme.dev"));
    }
}
