//! TLS to a server that made its own certificate.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;

/// Trust in the certificates of one file.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Trusts what is in a PEM file.
    ///
    /// # Panics
    /// When there is none in it.
    pub fn in_file(path: &Path) -> Trust {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(path).expect("a PEM file") {
            roots.add(certificate.expect("a certificate")).expect("a root");
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        Trust(Arc::new(builder.expect("TLS").with_root_certificates(roots).with_no_client_auth()))
    }

    /// A connection to a port of loopback.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn connect(&self, port: u16) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let connection = ClientConnection::new(self.0.clone(), name).map_err(std::io::Error::other)?;
        Ok(StreamOwned::new(connection, stream))
    }
}
