//! What Redis answers, as the core takes it; `None` for a form that no request is answered with.

use std::time::Duration;

use redis::{FromRedisValue, Value};

use crate::cluster::NodeId;
use crate::cluster::directory::outcome::arrival_of;
use crate::cluster::directory::request::{
    ChannelInfo, DirectoryQuery, HeartbeatReply, QueryAnswer, Reply, Request,
};

pub(super) fn read(request: &Request, answer: Value) -> Option<Reply> {
    Some(match request {
        Request::Subscribe(_) | Request::Unsubscribe(_) | Request::Broadcast(_) => Reply::Done,
        Request::State(_) => Reply::Done,
        Request::Publish(_) => Reply::Published(take(answer)?),
        Request::Heartbeat { .. } => Reply::Heartbeat(beat(answer)?),
        Request::Reap { .. } => Reply::Reaped(u64::try_from(take::<i64>(answer)?).ok()),
        Request::References => Reply::References(texts(answer)?),
        Request::Connections { .. } => {
            let (granted, total) = take(answer)?;
            Reply::Connections { granted, total }
        }
        Request::Query(query) => Reply::Answer(looked_up(query, answer)?),
    })
}

fn take<T: FromRedisValue>(answer: Value) -> Option<T> {
    redis::from_redis_value(answer).ok()
}

/// User ids and names are text; what is not was written by somebody else, and is left out.
fn texts(answer: Value) -> Option<Vec<String>> {
    let all: Vec<Vec<u8>> = take(answer)?;
    Some(all.into_iter().filter_map(|text| String::from_utf8(text).ok()).collect())
}

fn beat(answer: Value) -> Option<HeartbeatReply> {
    let (lapsed, alive, dead, due, epoch): (u8, u32, Vec<Vec<u8>>, Value, String) = take(answer)?;
    let node = |id: Vec<u8>| Some(NodeId(u64::from_be_bytes(id.try_into().ok()?)));
    Some(HeartbeatReply {
        lapsed: lapsed == 1,
        alive,
        dead: dead.into_iter().filter_map(node).collect(),
        due: texts(due)?,
        epoch,
    })
}

fn looked_up(query: &DirectoryQuery, answer: Value) -> Option<QueryAnswer> {
    Some(match query {
        DirectoryQuery::Channel(_) => {
            let (sockets, users, cached, left): (i64, u32, Option<String>, i64) = take(answer)?;
            let left = Duration::from_millis(u64::try_from(left).unwrap_or_default());
            let sockets = u32::try_from(sockets).unwrap_or_default();
            QueryAnswer::Channel(ChannelInfo {
                sockets,
                users,
                cached: cached.map(|text| (text, left)),
            })
        }
        DirectoryQuery::Occupied { .. } => QueryAnswer::Occupied(take(answer)?),
        DirectoryQuery::Members(_) => {
            let all: Vec<(Vec<u8>, Vec<u8>)> = take(answer)?;
            let member = |(user_id, value): (Vec<u8>, Vec<u8>)| {
                Some((arrival_of(&value)?, String::from_utf8(user_id).ok()?))
            };
            let mut members: Vec<(u64, String)> = all.into_iter().filter_map(member).collect();
            members.sort_unstable();
            QueryAnswer::Members(members.into_iter().map(|(_, user_id)| user_id).collect())
        }
        DirectoryQuery::Connections(_) => {
            QueryAnswer::Connections(take::<Vec<u32>>(answer)?.into_iter().sum())
        }
    })
}
