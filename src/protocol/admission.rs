//! Who may open a socket: the checks between the upgrade and `connection_established`.
//!
//! Knows nothing of how many sockets there are; the connection limit is the node's to check.

use super::CloseCode;
use crate::app::App;

/// Protocol versions that are served: Pusher's. pusher-js sends 7, older clients 5 to 7.
const SERVED: std::ops::RangeInclusive<i64> = 4..=7;

/// Checks the app's state, the `protocol` parameter and the `Origin` header, in this order.
pub fn admit(app: &App, protocol: Option<&str>, origin: Option<&str>) -> Result<(), CloseCode> {
    if !app.enabled {
        return Err(CloseCode::ApplicationDisabled);
    }
    check_protocol(protocol, app.require_protocol)?;
    if !app.allowed_origins.allow(origin) {
        return Err(CloseCode::OriginNotAllowed);
    }
    Ok(())
}

/// A missing version is accepted unless it is required: hand-written clients of Reverb and
/// soketi, which ignore the parameter, rely on that.
fn check_protocol(protocol: Option<&str>, required: bool) -> Result<(), CloseCode> {
    let Some(text) = protocol.filter(|text| !text.is_empty()) else {
        return if required { Err(CloseCode::NoProtocolVersion) } else { Ok(()) };
    };
    match text.parse::<i64>() {
        Ok(version) if SERVED.contains(&version) => Ok(()),
        Ok(_) => Err(CloseCode::UnsupportedProtocol),
        Err(_) => Err(CloseCode::InvalidVersion),
    }
}

#[cfg(test)]
mod tests {
    use super::{CloseCode, admit, check_protocol};
    use crate::app::tests::app;
    use crate::app::{App, OriginPattern, Origins};

    #[test]
    fn versions_four_to_seven_are_served() {
        for version in ["4", "5", "6", "7"] {
            assert_eq!(check_protocol(Some(version), true), Ok(()));
        }
        for version in ["0", "3", "8", "99", "-1"] {
            assert_eq!(check_protocol(Some(version), false), Err(CloseCode::UnsupportedProtocol));
        }
        for version in ["seven", "7.0", "7 ", "99999999999999999999"] {
            assert_eq!(check_protocol(Some(version), false), Err(CloseCode::InvalidVersion));
        }
        assert_eq!(check_protocol(None, false), Ok(()));
        assert_eq!(check_protocol(Some(""), false), Ok(()));
        assert_eq!(check_protocol(None, true), Err(CloseCode::NoProtocolVersion));
    }

    #[test]
    fn disabled_apps_and_foreign_origins_are_refused() {
        let disabled = App { enabled: false, ..app() };
        assert_eq!(admit(&disabled, Some("7"), None), Err(CloseCode::ApplicationDisabled));
        let pattern = OriginPattern::parse("laravel.com").unwrap();
        let strict = App { allowed_origins: Origins::new(vec![pattern], false), ..app() };
        assert_eq!(admit(&strict, Some("7"), Some("https://laravel.com")), Ok(()));
        let foreign = admit(&strict, Some("7"), Some("https://evil.example"));
        assert_eq!(foreign, Err(CloseCode::OriginNotAllowed));
    }
}
