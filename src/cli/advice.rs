//! The text of an error of the network, with what to change.
//!
//! Owns the advice for `trigger` and `bench`. The causes are named as everywhere in the program.

use std::io::{self, ErrorKind};

use resound::network_fault::NetworkFault;
use resound_load::LoadError;

/// The text for the terminal.
pub(super) fn text(error: &LoadError) -> String {
    match error {
        LoadError::Unreachable { cause, .. } => format!("{error}: {}", unreachable(cause)),
        LoadError::Unanswered { cause, .. } => match NetworkFault::of(cause) {
            Some(fault) => format!("{error}: {fault}"),
            None => format!("{error}: {cause}"),
        },
        _ => error.to_string(),
    }
}

fn unreachable(cause: &io::Error) -> String {
    let Some(fault) = NetworkFault::of(cause) else {
        return match cause.kind() {
            ErrorKind::AddrNotAvailable => {
                "this machine has no local port left for it; ask for fewer connections".to_owned()
            }
            _ => format!("this machine does not take the address ({cause})"),
        };
    };
    let advice = match fault {
        NetworkFault::Refused => "start the server, or give the address it listens on",
        NetworkFault::UnknownHost => "check its spelling",
        NetworkFault::TimedOut => "check the address, and the firewalls on the way",
        NetworkFault::NotTls => "give it as http://",
        NetworkFault::Tls(_) => "check its certificate, or give it as http:// if it has none",
        NetworkFault::UnknownIssuer | NetworkFault::CaCertificate => {
            "name its authority with --ca-file, or accept it with --insecure"
        }
        NetworkFault::WrongName => "give one of its names, or accept it with --insecure",
        NetworkFault::Expired => "renew it, or accept it with --insecure",
        _ => "check the address",
    };
    format!("{fault}; {advice}")
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use resound_load::{LoadError, Target, TlsTrust};

    use super::text;

    fn target() -> Target {
        Target::parse("http://a:1/ws", &TlsTrust::System).unwrap()
    }

    #[test]
    fn an_address_out_of_reach_comes_with_what_to_change() {
        for (cause, expected) in [
            (
                ErrorKind::ConnectionRefused.into(),
                "nothing listens on that port; start the server, or give the address it listens on",
            ),
            (
                ErrorKind::TimedOut.into(),
                "no answer came in time; check the address, and the firewalls on the way",
            ),
            (ErrorKind::HostUnreachable.into(), "there is no route to the host; check the address"),
            (
                ErrorKind::AddrNotAvailable.into(),
                "this machine has no local port left for it; ask for fewer connections",
            ),
            (Error::other("odd"), "this machine does not take the address (odd)"),
        ] {
            let error = LoadError::Unreachable { target: target(), cause };
            let expected = format!("http://a:1/ws cannot be reached: {expected}");
            assert_eq!(text(&error), expected);
        }
    }

    #[test]
    fn a_missing_answer_is_named_by_its_cause() {
        for (cause, expected) in
            [(ErrorKind::TimedOut.into(), "no answer came in time"), (Error::other("odd"), "odd")]
        {
            let error = LoadError::Unanswered { target: target(), cause };
            let expected = format!("http://a:1/ws did not confirm the event: {expected}");
            assert_eq!(text(&error), expected);
        }
    }
}
