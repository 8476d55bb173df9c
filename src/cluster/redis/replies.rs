//! The replies of Redis as the nodes read them; `None` for a form that answers no request.

use redis::{FromRedisValue, Value};
use serde::de::DeserializeOwned;

use crate::cluster::directory::message::StoredMember;
use crate::cluster::directory::reply::{QueryAnswer, Reply};
use crate::cluster::directory::request::{DirectoryQuery, Request};
use crate::cluster::directory::unpack;

pub(super) fn read(request: &Request, reply: Value) -> Option<Reply> {
    Some(match request {
        Request::Subscribe(_) | Request::Unsubscribe(_) | Request::Broadcast(_) => Reply::Done,
        Request::State(_) => Reply::Done,
        Request::Publish(_) => Reply::Published(plain(reply)?),
        Request::Heartbeat { .. } => Reply::Heartbeat(packed(reply)?),
        Request::Reap { .. } => Reply::Reaped(u64::try_from(plain::<i64>(reply)?).ok()),
        Request::ListChannels => {
            // A record that cannot be read was written by another program, and is left out.
            let records: Vec<Vec<u8>> = plain(reply)?;
            Reply::Channels(records.iter().filter_map(|record| unpack(record)).collect())
        }
        Request::Connections { .. } => Reply::Connections(packed(reply)?),
        Request::Query(query) => Reply::Answer(answer(query, reply)?),
    })
}

fn answer(query: &DirectoryQuery, reply: Value) -> Option<QueryAnswer> {
    Some(match query {
        DirectoryQuery::Channel(_) => QueryAnswer::Channel(packed(reply)?),
        DirectoryQuery::Occupied { .. } => QueryAnswer::Occupied(packed(reply)?),
        DirectoryQuery::Members(_) => {
            let stored: Vec<(Vec<u8>, Vec<u8>)> = plain(reply)?;
            let member = |(user_id, value): (Vec<u8>, Vec<u8>)| {
                let StoredMember { arrival, .. } = unpack(&value)?;
                Some((arrival, String::from_utf8(user_id).ok()?))
            };
            let mut members: Vec<(u64, String)> = stored.into_iter().filter_map(member).collect();
            members.sort_unstable();
            QueryAnswer::Members(members.into_iter().map(|(_, user_id)| user_id).collect())
        }
        DirectoryQuery::Connections(_) => {
            QueryAnswer::Connections(plain::<Vec<u32>>(reply)?.into_iter().sum())
        }
    })
}

fn plain<T: FromRedisValue>(reply: Value) -> Option<T> {
    redis::from_redis_value(reply).ok()
}

fn packed<T: DeserializeOwned>(reply: Value) -> Option<T> {
    unpack(&plain::<Vec<u8>>(reply)?)
}
