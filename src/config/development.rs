//! The development app: what is served when no app was configured.
//!
//! Owns its credentials and the rule that it is reachable from this machine only. The banner presents it.

use std::net::{IpAddr, Ipv4Addr};

use config::Value;

use super::apps::AppEntry;
use super::error::{ConfigError, ValueOrigin};
use super::listen::ListenAddress;

/// The secret of `config/reverb.toml`; an app that has it was copied without a secret of its own.
pub const EXAMPLE_SECRET: &str = "app-secret-change-me";

/// Fixed, so that what was pasted from the banner stays valid after a restart.
const CREDENTIALS: [(&str, &str); 3] =
    [("id", "100001"), ("key", "resound-dev-key"), ("secret", "resound-dev-secret")];

const ADVICE: &str = r#"no app is configured, and the development app is
served on 127.0.0.1 only, since its secret is public. Configure an app, in a file
given with --config:

  [[apps]]
  id = "123456"
  key = "your-app-key"
  secret = "your-app-secret"

or in the environment, as in the .env of your Laravel app:

  REVERB_APP_ID=123456
  REVERB_APP_KEY=your-app-key
  REVERB_APP_SECRET=your-app-secret"#;

pub(super) fn credentials() -> AppEntry {
    let origin = "the development app".to_owned();
    let value = |text: &str| Value::new(Some(&origin), text);
    let table = CREDENTIALS.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect();
    AppEntry { origin, table }
}

/// The address for the development app: loopback, and an error if another address is configured.
pub(super) fn host(host: IpAddr, origin: &ValueOrigin) -> Result<IpAddr, ConfigError> {
    if host.is_loopback() {
        Ok(host)
    } else if origin.is_default() {
        Ok(IpAddr::V4(Ipv4Addr::LOCALHOST))
    } else {
        Err(origin.refuse(host, ADVICE))
    }
}

/// An error if an address of a list is reachable from other machines.
pub(super) fn ensure_local(
    addresses: &[ListenAddress],
    origin: &ValueOrigin,
) -> Result<(), ConfigError> {
    let public = addresses.iter().find(|address| !address.is_local());
    public.map_or(Ok(()), |address| Err(origin.refuse(address, ADVICE)))
}
