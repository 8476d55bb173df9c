//! The checks between the upgrade and `connection_established`: app, protocol version, origin.
//!
//! The node checks the limit of connections.

use super::CloseCode;
use crate::app::App;

/// The supported protocol versions. pusher-js sends 7, other clients 5 to 7.
const SUPPORTED: std::ops::RangeInclusive<i64> = 4..=7;

/// Checks whether the app is enabled, then the `protocol` parameter, then the `Origin` header.
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

/// A missing version is accepted unless the app requires one: hand-written clients leave it out,
/// since Reverb and soketi ignore the parameter.
fn check_protocol(protocol: Option<&str>, is_required: bool) -> Result<(), CloseCode> {
    let Some(text) = protocol.filter(|text| !text.is_empty()) else {
        return if is_required { Err(CloseCode::NoProtocolVersion) } else { Ok(()) };
    };
    match text.parse::<i64>() {
        Ok(version) if SUPPORTED.contains(&version) => Ok(()),
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
    fn versions_four_to_seven_are_accepted() {
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
