//! A signed-in user, as the back end signed them in `user_data`.
//!
//! Distinct from a [`Member`]: a user is known on the whole connection, a member in one channel.

use std::sync::Arc;

use indexmap::IndexSet;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Member;
use super::member::user_id;
use crate::app::AppLimits;

/// Who signed in, and whose coming and going they want to know.
#[derive(Debug, Clone)]
pub struct User {
    /// The id; a number in `user_data` becomes its text.
    pub id: Arc<str>,
    /// The JSON value of `user_info`.
    pub info: Option<Box<RawValue>>,
    /// At most the app's bound of ids.
    pub watchlist: Vec<Arc<str>>,
    /// How long the watchlist was, if it was longer than that.
    pub watchlist_over: Option<usize>,
}

/// `user_data` that names nobody.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidUser;

#[derive(Deserialize)]
struct UserData {
    id: Box<RawValue>,
    #[serde(default)]
    user_info: Option<Box<RawValue>>,
    #[serde(default)]
    watchlist: Option<Vec<Box<RawValue>>>,
}

impl User {
    /// Reads signed `user_data`.
    pub fn parse(user_data: &str, limits: &AppLimits) -> Result<Self, InvalidUser> {
        let data: UserData = serde_json::from_str(user_data).map_err(|_| InvalidUser)?;
        let id = user_id(data.id.get()).ok_or(InvalidUser)?;
        if id.len() > limits.presence_user_id_bytes {
            return Err(InvalidUser);
        }
        let watched = data.watchlist.unwrap_or_default();
        // An id that stands twice is one user.
        let ids: IndexSet<String> = watched.iter().filter_map(|id| user_id(id.get())).collect();
        let (count, most) = (ids.len(), limits.watchlist_users);
        Ok(Self {
            id: id.into(),
            info: data.user_info,
            watchlist: ids.into_iter().take(most).map(Arc::from).collect(),
            watchlist_over: (count > most).then_some(count),
        })
    }

    /// The user as a member of a presence channel joined without `channel_data`.
    pub fn member(&self) -> Member {
        Member { user_id: self.id.clone(), user_info: self.info.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidUser, User};
    use crate::app::tests::limits;

    #[test]
    fn a_user_needs_an_id_and_may_have_info_and_a_watchlist() {
        let user = User::parse(r#"{"id":"7","user_info":{"a":[]},"watchlist":["1",2]}"#, &limits())
            .unwrap();
        assert_eq!((&*user.id, user.member().info_json()), ("7", r#"{"a":[]}"#));
        assert_eq!(user.watchlist.iter().map(|id| &**id).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(&*User::parse(r#"{"id":7}"#, &limits()).unwrap().id, "7");
        for text in [
            "",
            "x",
            "{}",
            "[]",
            r#"{"id":""}"#,
            r#"{"id":null}"#,
            r#"{"id":{}}"#,
            r#"{"id":"1","watchlist":7}"#,
        ] {
            assert_eq!(User::parse(text, &limits()).unwrap_err(), InvalidUser, "{text}");
        }
    }

    #[test]
    fn of_a_long_watchlist_the_first_hundred_count() {
        let ids: Vec<String> = (0..101).map(|id| id.to_string()).collect();
        let text = serde_json::json!({ "id": "1", "watchlist": ids }).to_string();
        let user = User::parse(&text, &limits()).unwrap();
        assert_eq!((user.watchlist.len(), user.watchlist_over), (100, Some(101)));
    }
}
