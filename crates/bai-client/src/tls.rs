//! TLS configurations: with the platform's verifier, without verification on request, and for plain HTTP one that trusts no certificate.
//!
//! The provider is named explicitly in each, so that it does not depend on a provider that the process has installed globally.

use super::error::{ClientError, ErrorKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, SignatureScheme, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;
use std::sync::Arc;

/// Verifies certificates like the operating system; `SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured.
pub(super) fn verified() -> Result<ClientConfig, ClientError> {
    let builder = builder()?.with_platform_verifier().map_err(failed)?;
    Ok(with_alpn(builder.with_no_client_auth()))
}

/// Verifies no certificate. Only for `insecure`.
pub(super) fn unverified() -> Result<ClientConfig, ClientError> {
    tracing::warn!("the server's certificate is not checked, because the options say so");
    let verifier = Arc::new(TrustAnybody(Arc::new(ring::default_provider())));
    let builder = builder()?.dangerous().with_custom_certificate_verifier(verifier);
    Ok(with_alpn(builder.with_no_client_auth()))
}

/// Trusts no certificate, for endpoints without TLS: reading the platform's certificates would cost time, or fail on a
/// machine without certificates.
pub(super) fn unused() -> Result<ClientConfig, ClientError> {
    Ok(builder()?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, ClientError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)
}

fn with_alpn(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn failed(error: rustls::Error) -> ClientError {
    ClientError::new(ErrorKind::Tls, "set up TLS", error.to_string())
        .with_source(error)
        .with_hint("install the system's CA certificates, or name a file of them in SSL_CERT_FILE")
}

#[derive(Debug)]
struct TrustAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
