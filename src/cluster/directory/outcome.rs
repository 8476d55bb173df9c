//! What the directory answers when a node says what it has in a channel.
//!
//! Arrives on the node's own topic, so that it stands in one order with everything else the node
//! hears: what came before it on the channel is in it, what comes after is not.

use super::message::Reader;

/// The answer of `state.lua`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The number of the channel's last event.
    pub number: u64,
    /// The serial of this node's last event there, if the roster was to be compared.
    pub own: u64,
    /// Subscribed sockets of all nodes.
    pub total: u32,
    /// This made the channel occupied and webhooks are to be told so, by this node.
    pub tell_occupied: bool,
    /// Subscribers are to be told how many they are, now or later.
    pub count: Count,
    /// Webhooks are to be told that a newcomer found no cached event, by this node.
    pub tell_miss: bool,
    /// Users that were refused: the channel is full.
    pub refused: Vec<&'a str>,
    /// Users who are in the channel because of this.
    pub added: Vec<&'a str>,
    /// Users who are in it no more.
    pub removed: Vec<&'a str>,
    /// Of the added, those webhooks are to be told of, by this node.
    pub tell_added: Vec<&'a str>,
    /// Everybody who is there, if that was asked for.
    pub roster: Option<Vec<RosterEntry<'a>>>,
    /// The cached event, if that was asked for and there is one.
    pub cached: Option<&'a str>,
    /// Events since the number the node had, if they are kept.
    pub missed: Vec<&'a [u8]>,
    /// There may be more of them: ask again.
    pub more: bool,
}

/// Whether subscribers are told how many they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Count {
    /// Nothing changed, or the app does not want it.
    #[default]
    No,
    /// This request told all other nodes.
    Told,
    /// Told too recently: ask again.
    Later,
}

/// One member of a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterEntry<'a> {
    /// Its place in the order of arrival.
    pub arrival: u64,
    /// Its id.
    pub user_id: &'a str,
    /// Its info, as JSON.
    pub info: &'a str,
}

const TELL_OCCUPIED: u8 = 1;
const COUNT_TOLD: u8 = 2;
const COUNT_LATER: u8 = 4;
const HAS_ROSTER: u8 = 8;
const HAS_CACHED: u8 = 16;
const TELL_MISS: u8 = 32;
const MORE_MISSED: u8 = 64;

impl<'a> Outcome<'a> {
    pub(in crate::cluster) fn read(rest: &mut Reader<'a>) -> Option<Self> {
        let (number, own) = (rest.u64()?, rest.u64()?);
        let (total, flags) = (rest.u32()?, rest.byte()?);
        let has = |flag: u8| flags & flag != 0;
        let present = |rest: &mut Reader<'a>| {
            Some(RosterEntry { arrival: rest.u64()?, user_id: rest.text()?, info: rest.text()? })
        };
        Some(Self {
            number,
            own,
            total,
            tell_occupied: has(TELL_OCCUPIED),
            count: match (has(COUNT_TOLD), has(COUNT_LATER)) {
                (true, _) => Count::Told,
                (_, true) => Count::Later,
                _ => Count::No,
            },
            tell_miss: has(TELL_MISS),
            refused: rest.list(Reader::text)?,
            added: rest.list(Reader::text)?,
            removed: rest.list(Reader::text)?,
            tell_added: rest.list(Reader::text)?,
            roster: if has(HAS_ROSTER) { Some(rest.list(present)?) } else { None },
            cached: if has(HAS_CACHED) { Some(rest.text()?) } else { None },
            missed: rest.list(Reader::bytes)?,
            more: has(MORE_MISSED),
        })
    }
}

/// Reads a member of the directory: arrival, nodes, info.
pub(in crate::cluster) fn arrival_of(value: &[u8]) -> Option<u64> {
    Reader(value).u64()
}
