//! Certificates for servers that speak TLS.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test that has no certificate fails")]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// Returns the certificate of a new authority, and what signs for it.
#[must_use]
pub fn new_authority() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    (certificate, Issuer::new(params, key))
}

/// Returns the certificate of a server whose name is `localhost`, and its key.
#[must_use]
pub fn certificate_of_localhost(issuer: &Issuer<'static, KeyPair>) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}
