//! Addresses: where a redirect leads, and how an address is shown.

/// The scheme and the authority of an address.
fn origin(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    Some((scheme, rest.split(['/', '?', '#']).next().unwrap_or(rest)))
}

/// Whether two addresses are of one server: credentials for one are for the other too.
pub(super) fn is_same_server(left: &str, right: &str) -> bool {
    let host =
        |authority: &str| authority.rsplit_once('@').map_or(authority, |(_, h)| h).to_ascii_lowercase();
    match (origin(left), origin(right)) {
        (Some((x, left)), Some((y, right))) => x == y && host(left) == host(right),
        _ => false,
    }
}

/// An address without the name and password in it: they are never shown.
pub fn without_userinfo(url: &str) -> String {
    match origin(url).and_then(|(scheme, authority)| Some((scheme, authority, authority.rsplit_once('@')?.1)))
    {
        Some((scheme, authority, host)) => {
            format!("{scheme}://{host}{}", &url[scheme.len() + 3 + authority.len()..])
        }
        None => url.to_string(),
    }
}

/// Where a `Location` leads, as a whole address.
///
/// # Errors
/// When that is not an address of HTTP.
pub fn resolved(from: &str, to: &str) -> Result<String, String> {
    let (scheme, authority) = origin(from).ok_or("its address has no host")?;
    let path = &from[scheme.len() + 3 + authority.len()..];
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let to = match origin(to) {
        Some(("http" | "https", _)) => to.to_string(),
        Some(_) => return Err("it redirects to a URL that is not HTTP".into()),
        None if to.starts_with("//") => format!("{scheme}:{to}"),
        None if to.starts_with('/') => format!("{scheme}://{authority}{to}"),
        None => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{scheme}://{authority}{folder}/{to}")
        }
    };
    origin(&to).ok_or("it redirects to an address without a host")?;
    Ok(to)
}

/// Where a redirect leads. Credentials in the address stay with the host that they are for, and are never sent in clear where
/// they were not before.
///
/// # Errors
/// When the redirect would take credentials elsewhere, or is not an address of HTTP.
pub fn followed(from: &str, to: &str) -> Result<String, String> {
    let to = resolved(from, to)?;
    let (Some((scheme, authority)), Some((new_scheme, new_authority))) = (origin(from), origin(&to)) else {
        return Ok(to);
    };
    let (credentials, host) = authority.rsplit_once('@').map_or((None, authority), |(c, h)| (Some(c), h));
    let Some(credentials) = credentials else { return Ok(to) };
    let new_host = new_authority.rsplit_once('@').map_or(new_authority, |(_, h)| h);
    if !new_host.eq_ignore_ascii_case(host) || scheme == "https" && new_scheme == "http" {
        return Err(
            "it redirects to another host, and the address holds credentials, which are not sent there"
                .into(),
        );
    }
    let rest = &to[new_scheme.len() + 3 + new_authority.len()..];
    Ok(format!("{new_scheme}://{credentials}@{host}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_keeps_credentials_at_home() {
        let from = "https://user:pw@host.example/a/b?q=1";
        assert_eq!(followed(from, "c").as_deref(), Ok("https://user:pw@host.example/a/c"));
        assert_eq!(followed(from, "/c").as_deref(), Ok("https://user:pw@host.example/c"));
        assert_eq!(followed(from, "https://HOST.example/c").as_deref(), Ok("https://user:pw@host.example/c"));
        for elsewhere in
            ["https://other.example/", "//other.example/", "http://host.example/", "ftp://host.example/"]
        {
            assert!(followed(from, elsewhere).is_err(), "{elsewhere}");
        }
        assert_eq!(followed("http://a/b", "https://other.example/").as_deref(), Ok("https://other.example/"));
    }

    #[test]
    fn a_server_is_a_scheme_a_host_and_a_port() {
        assert!(is_same_server("https://a.example/x", "https://u:p@A.example/y"));
        for other in ["http://a.example", "https://a.example:444", "https://b.example", "https://a.example.b"]
        {
            assert!(!is_same_server("https://a.example/x", other), "{other}");
        }
        assert_eq!(without_userinfo("https://u:p@a.example/x@y"), "https://a.example/x@y");
    }
}
