//! Every event reached each subscriber, or was counted as missed.
//!
//! `receive` has already made sure that no client received one twice, nor one of another channel.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use resound::protocol::SocketId;

use super::{ensure, nothing_broke};
use crate::client::Client;
use crate::profile::Faults;
use crate::server::Accepted;
use crate::world::World;

pub(super) fn are_accounted_for(world: &World) -> Result<(), String> {
    (0..world.profile.partitions).try_for_each(|part| {
        let named = |why| format!("partition {part}: {why}");
        are_accounted_for_in(world, part).map_err(named)
    })
}

fn are_accounted_for_in(world: &World, part: usize) -> Result<(), String> {
    order_is_kept(world, part)?;
    let lost = lost_events(world, part);
    if nothing_broke(world, part) {
        return nothing_was_lost(world, part, &lost);
    }
    if world.profile.streams {
        kept_ones_arrived(world, part)?;
    }
    nothing_else_is_missed(world, part)?;
    no_gap_is_suspected_without_a_reason(world, part)?;
    numbered_ones_are_missed(world, part, &lost)?;
    others_are_unshared(world, part, &lost)
}

/// Whatever breaks in other partitions.
fn nothing_was_lost(world: &World, part: usize, lost: &Lost) -> Result<(), String> {
    ensure(lost.is_empty(), || format!("nothing broke, and was lost: {lost:?}"))?;
    for machine in &world.machines {
        let missed: Vec<_> = of_part(world, part, machine.missed.keys()).collect();
        ensure(missed.is_empty(), || {
            format!("nothing broke, and was counted as missed: {missed:?}")
        })?;
        let in_doubt: Vec<_> = of_part(world, part, &machine.in_doubt).collect();
        ensure(in_doubt.is_empty(), || {
            format!("nothing broke, and there was doubt: {in_doubt:?}")
        })?;
        let unshared = machine.parts[part].unshared;
        ensure(unshared == 0, || format!("nothing broke, and {unshared} events were not shared"))?;
        let outages = machine.parts[part].link.outages.len();
        ensure(outages == 0, || format!("nothing broke, and a link ended {outages} times"))?;
    }
    Ok(())
}

/// The channels of a partition.
fn of_part<'a>(
    world: &'a World,
    part: usize,
    names: impl IntoIterator<Item = &'a Arc<str>>,
) -> impl Iterator<Item = &'a Arc<str>> {
    names.into_iter().filter(move |name| world.profile.part_of(name) == part)
}

/// How long a vacated channel counts on, in microseconds of the simulation.
const FORGOTTEN: u64 = 10_000_000;

/// An event that a client did not receive: which, and on which machine.
pub(crate) type Lost = BTreeSet<(usize, usize)>;

/// What subscribers did not receive although it was published after `from`.
fn lost(world: &World, part: usize, from: impl Fn(&Client, &str) -> u64) -> Lost {
    let mut lost = Lost::new();
    let all = world.events.iter().enumerate();
    for (number, event) in all.filter(|(_, event)| world.profile.part_of(&event.channel) == part) {
        let missing = |socket: &&SocketId| {
            let Some(client) = world.clients.get(socket) else { return false };
            let Some(view) = client.views.get(&event.channel) else { return false };
            let is_missing = view.since <= event.at && !view.received.contains(&number);
            is_missing && event.at >= from(client, &event.channel)
        };
        let missing = event.expected.iter().filter(missing);
        lost.extend(missing.map(|socket| (number, world.clients[socket].machine)));
    }
    lost
}

/// What the subscribers of a partition did not receive although it was published after their subscription.
pub(crate) fn lost_events(world: &World, part: usize) -> Lost {
    lost(world, part, |client, channel| client.views[channel].since)
}

fn accepted(world: &World, event: usize) -> Option<&Accepted> {
    let part = world.profile.part_of(&world.events[event].channel);
    world.servers[part].accepted.iter().find(|accepted| accepted.event == event)
}

/// Where events are kept, those that Redis had and did not lose with its data come late rather than
/// never, but to a channel whose node began it without Redis, and cannot compute since when.
fn kept_ones_arrived(world: &World, part: usize) -> Result<(), String> {
    if world.servers[part].life > 1 {
        return Ok(());
    }
    let mut lost = lost(world, part, |client, channel| world.known_from(client, channel));
    lost.retain(|(event, _)| accepted(world, *event).is_some());
    ensure(lost.is_empty(), || format!("events are kept, and were lost: {lost:?}"))
}

/// An event that Redis had is counted, or reported as a possible gap, where it did not arrive. If Redis lost it with its
/// data, its publisher has to be alive to report it.
fn numbered_ones_are_missed(world: &World, part: usize, lost: &Lost) -> Result<(), String> {
    let mut holes: BTreeMap<(usize, &Arc<str>), Vec<usize>> = BTreeMap::new();
    let is_forgotten = |event: usize| {
        !world.servers[part].behind.is_empty() && world.ended.contains(&world.events[event].origin)
    };
    let known =
        |(event, _): &&(usize, usize)| accepted(world, *event).is_some() && !is_forgotten(*event);
    for &(event, machine) in lost.iter().filter(known) {
        holes.entry((machine, &world.events[event].channel)).or_default().push(event);
    }
    for ((at, channel), events) in holes {
        let machine = &world.machines[at];
        let missed = machine.missed.get(channel).copied().unwrap_or_default();
        ensure(missed >= events.len() as u64 || machine.in_doubt.contains(channel), || {
            format!("machine {at} did not get {events:?} of {channel}, and counted {missed}")
        })?;
    }
    Ok(())
}

/// A machine that reports a possible gap has accepted a member without Redis, or Redis has lost its
/// count: with its data, or because the channel was empty for so long that the count expired.
fn no_gap_is_suspected_without_a_reason(world: &World, part: usize) -> Result<(), String> {
    for (at, machine) in world.machines.iter().enumerate() {
        let mut outages = machine.parts[part].link.outages.iter();
        if world.servers[part].life > 1 || outages.any(|(from, to)| to - from > FORGOTTEN) {
            continue;
        }
        let without = machine.in_doubt.difference(&machine.alone_in);
        let text = || format!("machine {at} doubts {:?} without a reason", machine.in_doubt);
        ensure(of_part(world, part, without).next().is_none(), text)?;
    }
    Ok(())
}

/// Nothing is counted as missed but events of others that Redis had and this node did not deliver, and
/// its own of which it has given up knowing. After Redis has lost its data it is unknown what it
/// had.
fn nothing_else_is_missed(world: &World, part: usize) -> Result<(), String> {
    if world.servers[part].life > 1 {
        return Ok(());
    }
    for (at, machine) in world.machines.iter().enumerate() {
        for channel in of_part(world, part, machine.missed.keys()) {
            let missed = machine.missed[channel];
            let may_be_missed = |accepted: &&Accepted| {
                let event = &world.events[accepted.event];
                let is_of_others =
                    event.origin != machine.id && !machine.delivered.contains_key(&accepted.event);
                event.channel == *channel && (is_of_others || machine.parts[part].unshared > 0)
            };
            let most = world.servers[part].accepted.iter().filter(may_be_missed).count() as u64;
            ensure(missed <= most, || {
                format!("machine {at} counts {missed} of {channel} as missed, {most} may be")
            })?;
        }
    }
    Ok(())
}

/// What never reached Redis is counted where it came from.
fn others_are_unshared(world: &World, part: usize, lost: &Lost) -> Result<(), String> {
    let mut kept_back: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for &(event, _) in lost {
        // Its publisher received no answer, or one of a delivery on its own node only, if its node ended.
        let has_ended = world.ended.contains(&world.events[event].origin);
        if accepted(world, event).is_none() && !has_ended {
            kept_back.entry(world.events[event].origin).or_default().insert(event);
        }
    }
    for (origin, events) in kept_back {
        let machine = world.machines.iter().find(|machine| machine.id == origin);
        let unshared = machine.map(|machine| machine.parts[part].unshared);
        let ended = || world.unshared.get(&(origin, part)).copied();
        let unshared = unshared.or_else(ended).unwrap_or_default();
        ensure(unshared >= events.len() as u64, || {
            format!("node {origin} shared {events:?} with nobody, and counted {unshared}")
        })?;
        let shared: Vec<_> =
            events.iter().filter(|&&event| world.was_shared(event).is_some()).collect();
        ensure(shared.is_empty(), || format!("{shared:?} were reported as shared, and were not"))?;
    }
    Ok(())
}

/// Whoever publishes after an answer is received after what was answered, wherever. That is so for what
/// went through Redis; what a node gave its own sockets alone was received there at once.
fn order_is_kept(world: &World, part: usize) -> Result<(), String> {
    if world.profile.faults[part] == Faults::All {
        return Ok(());
    }
    for (socket, client) in &world.clients {
        for channel in of_part(world, part, client.views.keys()) {
            let view = &client.views[channel];
            let mut latest: Option<(u64, usize)> = None;
            for &event in &view.received {
                let Some(answered) = world.was_shared(event) else { continue };
                if let Some((made, before)) = latest.filter(|(made, _)| *made > answered) {
                    let text = format!(
                        "{socket} in {channel} received {before}, made at {made}, before {event}, which was answered at {answered}"
                    );
                    return Err(text);
                }
                latest = latest.max(Some((world.events[event].at, event)));
            }
        }
    }
    Ok(())
}
