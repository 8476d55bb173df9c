//! The check of the certificate of the public URL, as a browser checks it.

use std::time::{Duration, SystemTime};

use crate::doctor::check::{Method, SetupCheck};
use crate::doctor::destinations::{Destination, Place};
use crate::doctor::finding::{CheckOutcome, Finding, Remedy};
use crate::doctor::setup::Setup;
use crate::network_fault::NetworkFault;
use crate::probe::{Handshake, PresentedCertificate, ProbeError};

/// Certificates of 90 days are renewed 30 days before their end.
const EXPIRY_WARN: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) const CHECKS: [SetupCheck; 1] = [SetupCheck {
    id: "R064",
    title: "Browsers accept the certificate of the public URL.",
    looks_at: "a TLS handshake with the root certificates of this system",
    says: &[
        "The certificate is for …, and browsers connect to ….",
        "The certificate is self-signed, and no browser trusts it.",
        "The server sends its certificate without that of its issuer ….",
        "The certificate was issued by …, which no browser trusts.",
        "The certificate expired … days ago.",
        "The certificate is not valid yet.",
        "The certificate expires in … days.",
        "The TLS handshake fails: …",
    ],
    change: "the certificate of the proxy or of `[tls]`, or the name in the setting",
    needs: &["R063"],
    method: Method::Ask(|setup| Box::pin(async move { is_accepted(&setup).await })),
}];

async fn is_accepted(setup: &Setup) -> CheckOutcome {
    let network = &setup.network;
    let Some(at) = network.destinations.at(Place::Public) else { return super::public::no_url() };
    if !at.url.tls {
        return CheckOutcome::Inapplicable("the public URL has no TLS".to_owned());
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    judge(at, network.handshake(Place::Public, at).await, now)
}

fn judge(at: &Destination, shaken: &Result<Handshake, ProbeError>, now: Duration) -> CheckOutcome {
    let handshake = match shaken {
        Ok(handshake) => handshake,
        Err(error) => return broken(error, None),
    };
    let certificate = handshake.certificate.as_ref();
    match &handshake.outcome {
        Ok((version, took)) => {
            let left = certificate.and_then(|certificate| certificate.not_after);
            let left = left.map(|end| end.saturating_sub(now));
            let mut seen = vec![format!("{version}, handshake in {} ms", took.as_millis())];
            seen.extend(certificate.map(described));
            let ends = left.filter(|left| *left < EXPIRY_WARN).map(|left| {
                Finding::warn(format!("The certificate expires in {} days.", days(left)))
                    .change(Remedy::advice("renew it, and look why that was not done by itself"))
            });
            CheckOutcome::of(ends.into_iter().collect(), seen)
        }
        Err(ProbeError::Fault(fault)) => match certificate {
            Some(certificate) => refused(at, fault, certificate, handshake, now),
            None => broken(&ProbeError::Fault(fault.clone()), certificate),
        },
        Err(error) => broken(error, certificate),
    }
}

fn refused(
    at: &Destination,
    fault: &NetworkFault,
    certificate: &PresentedCertificate,
    handshake: &Handshake,
    now: Duration,
) -> CheckOutcome {
    let host = &at.url.host;
    let (says, remedy) = match fault {
        NetworkFault::WrongName => {
            let names = handshake.for_names.clone().unwrap_or_else(|| certificate.names.clone());
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            (
                format!("The certificate is for {names}, and browsers connect to {host}."),
                format!("a certificate for {host}, or one of its names in {}", at.named_by),
            )
        }
        NetworkFault::UnknownIssuer | NetworkFault::CaCertificate if certificate.is_self_signed => (
            "The certificate is self-signed, and no browser trusts it.".to_owned(),
            "a certificate of an authority (Let's Encrypt), or of a local one that the system trusts (mkcert)"
                .to_owned(),
        ),
        NetworkFault::UnknownIssuer if certificate.intermediates == 0 => (
            format!(
                "The server sends its certificate without that of its issuer {:?}.",
                certificate.issuer
            ),
            "the file of the certificate to fullchain.pem, which has the issuer's behind it; if the issuer is an \
             authority of your own, let this system trust it"
                .to_owned(),
        ),
        NetworkFault::UnknownIssuer | NetworkFault::CaCertificate => (
            format!("The certificate was issued by {:?}, which no browser trusts.", certificate.issuer),
            "a certificate of an authority that browsers trust".to_owned(),
        ),
        NetworkFault::Expired => match certificate.not_after.filter(|end| *end < now) {
            Some(end) => (
                format!("The certificate expired {} days ago.", days(now - end)),
                "renew it, and let the proxy read it again".to_owned(),
            ),
            None => (
                "The certificate is not valid yet.".to_owned(),
                "the clock of this machine, or wait".to_owned(),
            ),
        },
        other => return broken(&ProbeError::Fault(other.clone()), Some(certificate)),
    };
    let finding = Finding::fail(says).seen(described(certificate)).change(Remedy::advice(remedy));
    CheckOutcome::Found(vec![finding])
}

fn broken(error: &ProbeError, certificate: Option<&PresentedCertificate>) -> CheckOutcome {
    let mut finding = Finding::fail(format!("The TLS handshake fails: {error}."));
    finding.seen.extend(certificate.map(described));
    CheckOutcome::Found(vec![finding.change(Remedy::advice("the TLS settings of the proxy"))])
}

fn described(certificate: &PresentedCertificate) -> String {
    let PresentedCertificate { names, subject, issuer, intermediates, .. } = certificate;
    let names = if names.is_empty() { "no host name".to_owned() } else { names.join(", ") };
    format!(
        "certificate {subject:?} for {names}, issued by {issuer:?}, {intermediates} intermediates sent"
    )
}

fn days(time: Duration) -> u64 {
    time.as_secs() / (24 * 60 * 60)
}
