//! Objects in S3, or in anything that speaks like it and honours conditional writes.

use super::objects::{Condition, Fault, Object, Objects};
use super::runtime::{PATIENCE, Runtime, chain};
use super::store_on;
use crate::Fields;
use crate::state::helpers::{Helper, of_profile};
use crate::state::place::{Backend, Opening, Place, cannot_open, canonical, typed};
use crate::state::{StateError, StateStore};
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use dtm_plugin::in_words;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// Where a state is in S3: the options of `s3 { ... }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Place {
    /// The bucket; it must be there.
    pub bucket: String,
    /// What the names of the objects begin with; without a `/` at its end.
    pub key: String,
    /// The region.
    pub region: String,
    /// The address of the server, if it is not that of AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the path instead of the host.
    #[serde(default)]
    pub path_style: bool,
    /// The profile of the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Server-side encryption: `AES256`, `aws:kms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sse: Option<String>,
    /// The key of `aws:kms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

/// The backend `s3`.
pub struct S3;

impl Backend for S3 {
    fn name(&self) -> &'static str {
        "s3"
    }
    fn interface(&self) -> &'static str {
        include_str!("s3.dts")
    }
    fn options(&self, written: Fields) -> Result<Fields, String> {
        canonical::<S3Place>(written)
    }
    fn shown(&self, options: &Fields) -> String {
        let place: Option<S3Place> = typed(options);
        place.map(|place| format!("s3://{}/{}", place.bucket, place.key)).unwrap_or_default()
    }
    fn helpers(&self, options: &Fields, root: &Path, env: &BTreeMap<String, String>) -> Vec<Helper> {
        let profile = options.get("profile").and_then(|profile| profile.as_str());
        of_profile(profile, root, env)
    }
    fn open(&self, place: &Place, with: Opening<'_>) -> Result<Box<dyn StateStore>, StateError> {
        let unfit = || cannot_open(place, "its options are not those of `s3`".into(), "");
        let objects = S3Objects::open(typed(place.options()).ok_or_else(unfit)?);
        Ok(store_on(objects.map_err(|e| cannot_open(place, e.to_string(), ""))?, with))
    }
}

/// Objects below one key of a bucket.
pub struct S3Objects {
    place: S3Place,
    client: Client,
    runtime: Runtime,
}

impl S3Objects {
    /// Connects; credentials are looked for as the SDK does: environment, profile, web identity, instance.
    ///
    /// # Errors
    /// When no runtime can be started.
    pub fn open(place: S3Place) -> std::io::Result<S3Objects> {
        S3Objects::connect(place, None)
    }

    /// Connects with these credentials, wherever others may be.
    ///
    /// # Errors
    /// As [`S3Objects::open`].
    pub fn open_as(place: S3Place, key_id: &str, secret: &str) -> std::io::Result<S3Objects> {
        S3Objects::connect(place, Some(Credentials::new(key_id, secret, None, None, "given")))
    }

    fn connect(place: S3Place, credentials: Option<Credentials>) -> std::io::Result<S3Objects> {
        let runtime = Runtime::new("s3")?;
        // Who calls decides what is sent again: a conditional write that is repeated blindly refuses itself.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_timeout(PATIENCE)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new(place.region.clone()))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(endpoint) = &place.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(credentials) = credentials {
            loader = loader.credentials_provider(credentials);
        }
        if let Some(profile) = &place.profile {
            loader = loader.profile_name(profile);
        }
        let shared = runtime.wait(async move { loader.load().await });
        // Checksums of our own are in every object; many servers know none of the newer ones.
        let config = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(place.path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Ok(S3Objects { place, client: Client::from_conf(config), runtime })
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.place.key)
    }
}

/// The first error of a type among the causes of another.
fn cause<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    causes(error).find_map(|e| e.downcast_ref())
}

/// An error and its causes.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |e: &&'e (dyn Error + 'static)| (*e).source())
}

/// What a failed request means; the address is that of a server that is not AWS.
fn fault<E>(error: &SdkError<E>, endpoint: Option<&str>) -> Fault
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let response = error.raw_response();
    let status = response.map_or(0, |r| r.status().as_u16());
    let code = error.as_service_error().and_then(|e| e.code()).unwrap_or_default();
    let message = error.as_service_error().and_then(|e| e.message()).unwrap_or_default();
    let told = match (code, message) {
        ("", "") => chain(error),
        ("", message) => message.to_string(),
        (code, "") => code.to_string(),
        (code, message) => format!("{code}: {message}"),
    };
    let deny = |help: &str| Fault::Denied { why: told.clone(), help: help.into() };
    let credentials = cause::<CredentialsError>(error).filter(|_| status == 0);
    if credentials.is_some() || matches!(error, SdkError::ConstructionFailure(_)) {
        return no_credentials(&told, credentials);
    }
    if let (SdkError::DispatchFailure(_), Some(endpoint)) = (error, endpoint) {
        let said = in_words(&told);
        let last = said.rsplit(": ").next().unwrap_or_default();
        return Fault::Unsure { why: format!("`{endpoint}` does not answer: {last}"), after: None };
    }
    match (status, code) {
        (412, _) => Fault::Refused,
        (_, "NoSuchBucket") => deny("create the bucket, or name the right one in `settings`"),
        (_, "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired") => {
            deny("the credentials have expired: get new ones, then do it again")
        }
        (_, "RequestTimeTooSkewed") => deny("set the clock of this machine"),
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => {
            deny("look at the credentials: `AWS_PROFILE`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`")
        }
        (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
            deny("name the region of the bucket in `settings`")
        }
        (401 | 403, _) => {
            deny("these credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket")
        }
        // Credentials go to no other host than the one that the program names.
        (300..400, _) => {
            deny("the server redirects to another address: set `endpoint`, or `region`, to that one")
        }
        (501, _) => deny("the server has no conditional writes, which keep two runs apart: use another one"),
        (400, "RequestTimeout" | "IncompleteBody") | (0 | 200 | 408 | 409 | 425 | 429, _) | (500.., _) => {
            let after = response.and_then(|r| r.headers().get("retry-after")).and_then(|v| v.parse().ok());
            Fault::Unsure { why: told, after: after.map(Duration::from_secs) }
        }
        _ => deny(""),
    }
}

/// Whether those who give credentials may give them later: they did not answer, or said that the fault is theirs.
fn is_temporary(error: &CredentialsError) -> bool {
    let refused = |status: u16| status >= 500;
    matches!(error, CredentialsError::ProviderTimedOut(_))
        || causes(error)
            .any(|e| e.downcast_ref::<ConnectorError>().is_some_and(|e| e.is_io() || e.is_timeout()))
        || cause::<SdkError<AssumeRoleWithWebIdentityError>>(error)
            .and_then(|e| e.raw_response())
            .is_some_and(|answer| refused(answer.status().as_u16()))
        || cause::<SdkError<AssumeRoleError>>(error)
            .and_then(|e| e.raw_response())
            .is_some_and(|answer| refused(answer.status().as_u16()))
}

/// No credentials, and so no request.
fn no_credentials(told: &str, error: Option<&CredentialsError>) -> Fault {
    // What the client says of its own layers says nothing to a person.
    let layers = [
        "dispatch failure: other: ",
        "an error occurred while loading credentials: ",
        "unexpected credentials error: ",
        "service error: ",
    ];
    let cause = layers.iter().fold(told, |told, layer| told.strip_prefix(layer).unwrap_or(told));
    let why = match error {
        Some(CredentialsError::CredentialsNotLoaded(_)) => "no credentials were found".to_string(),
        _ => format!("no credentials could be obtained: {}", in_words(cause)),
    };
    if error.is_some_and(is_temporary) {
        return Fault::Unsure { why, after: None };
    }
    let set = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let others = "`AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`";
    let help = match (set("AWS_WEB_IDENTITY_TOKEN_FILE"), set("AWS_ROLE_ARN")) {
        (Some(file), role) => format!(
            "check whether the token in `{file}` (`AWS_WEB_IDENTITY_TOKEN_FILE`) exists, is valid, and lets you assume `{}` (`AWS_ROLE_ARN`); or set other credentials: {others}",
            role.unwrap_or_default()
        ),
        (None, _) => format!("set credentials: {others}"),
    };
    Fault::Denied { why, help }
}

impl Objects for S3Objects {
    fn get(&self, name: &str) -> Result<Option<Object>, Fault> {
        let request = self.client.get_object().bucket(&self.place.bucket).key(self.path(name));
        let endpoint = self.place.endpoint.clone();
        self.runtime.wait(async move {
            let found = match request.send().await {
                Ok(found) => found,
                Err(e) if e.as_service_error().is_some_and(|e| e.is_no_such_key()) => return Ok(None),
                Err(e) => return Err(fault(&e, endpoint.as_deref())),
            };
            let version = found.e_tag().unwrap_or_default().to_string();
            let whole = tokio::time::timeout(PATIENCE, found.body.collect()).await;
            let cut = |why: String| Fault::Unsure { why, after: None };
            let whole = whole.map_err(|_| cut("the answer did not end".into()))?;
            let bytes = whole.map_err(|e| cut(format!("the answer was cut: {}", chain(&e))))?;
            Ok(Some(Object { bytes: bytes.to_vec(), version }))
        })
    }

    fn put(&self, name: &str, bytes: &[u8], condition: &Condition) -> Result<String, Fault> {
        let mut request = self
            .client
            .put_object()
            .bucket(&self.place.bucket)
            .key(self.path(name))
            .set_server_side_encryption(self.place.sse.as_deref().map(ServerSideEncryption::from))
            .set_ssekms_key_id(self.place.kms_key.clone())
            .body(ByteStream::from(bytes.to_vec()));
        request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Same(version) => request.if_match(version),
        };
        let endpoint = self.place.endpoint.clone();
        self.runtime.wait(async move {
            match request.send().await {
                Ok(done) => Ok(done.e_tag().unwrap_or_default().to_string()),
                // What is to be replaced is not there.
                Err(e) if e.as_service_error().and_then(|e| e.code()) == Some("NoSuchKey") => {
                    Err(Fault::Refused)
                }
                Err(e) => Err(fault(&e, endpoint.as_deref())),
            }
        })
    }

    fn list(&self) -> Result<Vec<String>, Fault> {
        let prefix = self.path("");
        let mut names = vec![];
        let mut more: Option<String> = None;
        loop {
            let request = self
                .client
                .list_objects_v2()
                .bucket(&self.place.bucket)
                .prefix(&prefix)
                .set_continuation_token(more.take());
            let page = self
                .runtime
                .wait(async move { request.send().await })
                .map_err(|e| fault(&e, self.place.endpoint.as_deref()))?;
            let found = page.contents().iter().filter_map(|o| o.key()?.strip_prefix(&prefix));
            names.extend(found.map(String::from));
            match page.next_continuation_token() {
                Some(token) => more = Some(token.to_string()),
                None => return Ok(names),
            }
        }
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        let request = self.client.delete_object().bucket(&self.place.bucket).key(self.path(name));
        self.runtime
            .wait(async move { request.send().await })
            .map(drop)
            .map_err(|e| fault(&e, self.place.endpoint.as_deref()))
    }

    fn describe(&self) -> String {
        format!("s3://{}/{}", self.place.bucket, self.place.key)
    }

    fn never(&self) -> Option<String> {
        Some("\"00000000000000000000000000000000\"".into())
    }
}
