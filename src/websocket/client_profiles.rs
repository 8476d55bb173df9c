//! What clients bring to their handshakes, kept once for all sockets that brought the same.
//!
//! Bounded in number and in bytes, whatever clients send. One set per worker, so its lock is never waited for.

use std::sync::Arc;

use axum::http::header::{ORIGIN, USER_AGENT};
use axum::http::{HeaderMap, HeaderName};
use indexmap::{Equivalent, IndexSet};
use parking_lot::Mutex;

use crate::hub::ClientProfile;
use crate::protocol::ClientParameters;

/// Different profiles of one worker: about 250 KB at most.
const PROFILES_MAX: usize = 512;

/// Bytes of an origin or a user agent that are kept.
const HEADER_BYTES_MAX: usize = 256;

/// Bytes of a parameter of the handshake that are kept.
const PARAMETER_BYTES_MAX: usize = 48;

/// The profiles of the sockets of one worker.
#[derive(Debug, Default)]
pub(super) struct ClientProfiles(Mutex<IndexSet<Arc<ClientProfile>>>);

/// The same as the handshake has it, without an allocation: its fields are those of [`ClientProfile`], in the
/// same order, so that both have one hash.
#[derive(Debug, Clone, Copy, Default, Hash)]
struct Seen<'a> {
    library: Option<&'a str>,
    version: Option<&'a str>,
    protocol: Option<&'a str>,
    origin: Option<&'a str>,
    user_agent: Option<&'a str>,
}

impl ClientProfiles {
    /// The profile of a handshake. Where there are too many, the user agent is left out, then all of it.
    pub(super) fn of(
        &self,
        parameters: &ClientParameters<'_>,
        headers: &HeaderMap,
    ) -> Option<Arc<ClientProfile>> {
        let seen = Seen::of(parameters, headers);
        let mut all = self.0.lock();
        if let Some(known) = all.get(&seen) {
            return Some(known.clone());
        }
        if all.len() >= PROFILES_MAX {
            all.retain(|profile| Arc::strong_count(profile) > 1);
        }
        let seen = match all.len() < PROFILES_MAX / 4 * 3 {
            true => seen,
            false => Seen { user_agent: None, ..seen },
        };
        if let Some(known) = all.get(&seen) {
            return Some(known.clone());
        }
        let profile = Arc::new(seen.kept());
        (all.len() < PROFILES_MAX).then(|| {
            all.insert(profile.clone());
            profile
        })
    }
}

impl<'a> Seen<'a> {
    fn of(parameters: &ClientParameters<'a>, headers: &'a HeaderMap) -> Self {
        let kept =
            |value: Option<&'a str>| value.map(|value| beginning(value, PARAMETER_BYTES_MAX));
        let header = |name: HeaderName| {
            let value = headers.get(name)?.to_str().ok()?;
            Some(beginning(value, HEADER_BYTES_MAX))
        };
        Self {
            library: kept(parameters.client),
            version: kept(parameters.version),
            protocol: kept(parameters.protocol),
            origin: header(ORIGIN),
            user_agent: header(USER_AGENT),
        }
    }

    fn kept(self) -> ClientProfile {
        let [library, version, protocol, origin, user_agent] =
            self.parts().map(|part| part.map(Box::from));
        ClientProfile { library, version, protocol, origin, user_agent }
    }

    fn parts(self) -> [Option<&'a str>; 5] {
        let Self { library, version, protocol, origin, user_agent } = self;
        [library, version, protocol, origin, user_agent]
    }
}

impl Equivalent<Arc<ClientProfile>> for Seen<'_> {
    fn equivalent(&self, profile: &Arc<ClientProfile>) -> bool {
        let ClientProfile { library, version, protocol, origin, user_agent } = &**profile;
        self.parts() == [library, version, protocol, origin, user_agent].map(Option::as_deref)
    }
}

/// At most so many bytes of a text, without a part of a character.
fn beginning(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::{
        Arc, ClientParameters, ClientProfile, ClientProfiles, HeaderMap, ORIGIN, PROFILES_MAX,
        USER_AGENT,
    };

    /// The profile of one more socket.
    fn one_more(
        all: &ClientProfiles,
        version: usize,
        user_agent: &str,
    ) -> Option<Arc<ClientProfile>> {
        let query = format!("protocol=7&client=js&version={version}");
        let headers = [(ORIGIN, "https://shop.example"), (USER_AGENT, user_agent)];
        let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
        all.of(&ClientParameters::of_query(&query), &HeaderMap::from_iter(headers))
    }

    #[test]
    fn sockets_that_brought_the_same_share_it() {
        let all = ClientProfiles::default();
        let first = one_more(&all, 8, "Firefox").unwrap();
        assert!(Arc::ptr_eq(&first, &one_more(&all, 8, "Firefox").unwrap()));
        let parts = [&first.library, &first.version, &first.protocol, &first.origin];
        let parts = parts.map(|part| part.as_deref().unwrap());
        assert_eq!(parts, ["js", "8", "7", "https://shop.example"]);
        assert_eq!(first.user_agent.as_deref(), Some("Firefox"));
        assert!(!Arc::ptr_eq(&first, &one_more(&all, 9, "Firefox").unwrap()));
    }

    #[test]
    fn any_number_of_different_ones_takes_bounded_memory() {
        let all = ClientProfiles::default();
        let kept: Vec<_> =
            (0..10 * PROFILES_MAX).map(|number| one_more(&all, number, "x")).collect();
        assert_eq!(kept.iter().flatten().count(), PROFILES_MAX);
        assert!(kept[0].as_ref().unwrap().user_agent.is_some());
        assert!(kept[PROFILES_MAX - 1].as_ref().unwrap().user_agent.is_none());
        assert_eq!(all.0.lock().len(), PROFILES_MAX);
        drop(kept);
        assert!(one_more(&all, 99_999, "x").is_some(), "closed sockets make room");
        assert_eq!(all.0.lock().len(), 1);
    }

    #[test]
    fn a_part_that_is_too_long_is_cut() {
        let all = ClientProfiles::default();
        let user_agent = "a".repeat(4000);
        let kept = one_more(&all, 1, &user_agent).unwrap();
        assert_eq!(kept.user_agent.as_ref().unwrap().len(), 256);
    }
}
