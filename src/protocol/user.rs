//! A signed-in user, as the back end signed it in `user_data`.
//!
//! A user belongs to a whole socket, a [`Member`] to one presence channel.

use std::sync::Arc;

use indexmap::IndexSet;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Member;
use super::json::JsonList;
use super::signed_data::{self, InvalidSignedData};
use crate::app::AppLimits;

/// A user with its watchlist: the users whose coming online and going offline it is notified of.
#[derive(Debug, Clone)]
pub struct User {
    /// The id; a number in `user_data` becomes its digits.
    pub id: Arc<str>,
    /// The JSON value of `user_info`.
    pub info: Option<Box<RawValue>>,
    /// The watched user ids, as many as the app allows.
    pub watchlist: Vec<Arc<str>>,
    /// The number of ids in a watchlist that was cut.
    pub watchlist_over: Option<usize>,
}

/// Why `user_data` does not describe a user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUser {
    /// It is not an object with an id that every client can read.
    #[error("user_data {0}")]
    Data(#[from] InvalidSignedData),
    /// The id exceeds the limit of the app.
    #[error("the id has {bytes} bytes; the limit is {bytes_max} (max_presence_user_id_bytes)")]
    IdTooLong {
        /// The size of the id.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The watchlist is not a list.
    #[error("the watchlist in user_data must be a list of user ids")]
    Watchlist,
}

#[derive(Deserialize)]
struct UserData {
    id: Option<Box<RawValue>>,
    user_info: Option<Box<RawValue>>,
    watchlist: Option<Box<RawValue>>,
}

impl User {
    /// Reads signed `user_data`.
    pub fn parse(user_data: &str, limits: &AppLimits) -> Result<Self, InvalidUser> {
        let data: UserData = signed_data::object(user_data)?;
        let id = signed_data::id(data.id.as_deref(), "id")?;
        let (bytes, bytes_max) = (id.len(), limits.presence_user_id_bytes);
        if bytes > bytes_max {
            return Err(InvalidUser::IdTooLong { bytes, bytes_max });
        }
        let ids = watchlist_ids(data.watchlist.as_deref())?;
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

/// The distinct ids of a watchlist.
fn watchlist_ids(list: Option<&RawValue>) -> Result<IndexSet<String>, InvalidUser> {
    let Some(list) = list else { return Ok(IndexSet::new()) };
    let JsonList::<&RawValue>(ids) =
        serde_json::from_str(list.get()).map_err(|_| InvalidUser::Watchlist)?;
    Ok(ids.into_iter().filter_map(|id| signed_data::user_id(id.get())).collect())
}

#[cfg(test)]
mod tests {
    use super::{InvalidSignedData, InvalidUser, User};
    use crate::app::tests::limits;

    #[test]
    fn a_user_needs_an_id_and_may_have_info_and_a_watchlist() {
        let user = User::parse(r#"{"id":"7","user_info":{"a":[]},"watchlist":["1",2]}"#, &limits())
            .unwrap();
        assert_eq!((&*user.id, user.member().info_json()), ("7", r#"{"a":[]}"#));
        assert_eq!(user.watchlist.iter().map(|id| &**id).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(&*User::parse(r#"{"id":7}"#, &limits()).unwrap().id, "7");
        let check = |text: &str, why| assert_eq!(User::parse(text, &limits()).unwrap_err(), why);
        check("[]", InvalidSignedData::NoObject("a list").into());
        check("{}", InvalidSignedData::NoId("id").into());
        let found = "true";
        check(r#"{"id":true}"#, InvalidSignedData::BadId { key: "id", found }.into());
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(129));
        check(&long, InvalidUser::IdTooLong { bytes: 129, bytes_max: 128 });
        for watchlist in ["7", "true", "\"1\""] {
            check(&format!(r#"{{"id":"1","watchlist":{watchlist}}}"#), InvalidUser::Watchlist);
        }
    }

    #[test]
    fn a_list_with_gaps_as_php_encodes_it_is_a_watchlist() {
        let user = User::parse(r#"{"id":"w","watchlist":{"0":"a","2":"b"}}"#, &limits()).unwrap();
        assert_eq!(user.watchlist.iter().map(|id| &**id).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_long_watchlist_is_cut_to_its_first_hundred_ids() {
        let ids: Vec<String> = (0..101).map(|id| id.to_string()).collect();
        let text = serde_json::json!({ "id": "1", "watchlist": ids }).to_string();
        let user = User::parse(&text, &limits()).unwrap();
        assert_eq!((user.watchlist.len(), user.watchlist_over), (100, Some(101)));
    }
}
