//! Every event reached whoever was there, or somebody counted that it did not.
//!
//! `hear` has already made sure that nobody heard one twice, nor one that was not for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use resound::protocol::SocketId;

use super::{ensure, nothing_broke};
use crate::profile::Faults;
use crate::server::Accepted;
use crate::world::World;

pub(super) fn are_accounted_for(world: &World) -> Result<(), String> {
    order_is_kept(world)?;
    let lost = lost(world);
    if nothing_broke(world) {
        ensure(lost.is_empty(), || format!("nothing broke, and was lost: {lost:?}"))?;
        let missed: Vec<_> = world.machines.iter().map(|machine| &machine.missed).collect();
        return ensure(missed.iter().all(|missed| missed.is_empty()), || {
            format!("nothing broke, and was counted as missed: {missed:?}")
        });
    }
    let lost = unexcused(world, lost);
    if world.profile.streams {
        let was_accepted = |(event, _): &&(usize, usize)| {
            world.server.accepted.iter().any(|one| one.event == *event)
        };
        let kept: Vec<_> = lost.iter().filter(was_accepted).collect();
        ensure(kept.is_empty(), || format!("events are kept, and were lost: {kept:?}"))?;
    }
    nothing_else_is_missed(world)?;
    numbered_ones_are_missed(world, &lost)?;
    others_are_unshared(world, &lost)
}

/// An event that somebody did not hear: which, and on which machine.
type Lost = BTreeSet<(usize, usize)>;

fn lost(world: &World) -> Lost {
    let mut lost = Lost::new();
    for (number, event) in world.events.iter().enumerate() {
        let missing = |socket: &&SocketId| {
            let Some(client) = world.clients.get(socket) else { return false };
            let Some(view) = client.views.get(&event.channel) else { return false };
            let is_missing = view.since <= event.at && !view.heard.contains(&number);
            is_missing && event.at >= world.known_from(client, &event.channel)
        };
        let missing = event.expected.iter().filter(missing);
        lost.extend(missing.map(|socket| (number, world.clients[socket].machine)));
    }
    lost
}

/// What nobody can count is left out:
/// - an event whose node crashed before Redis had it: whoever published it was told nothing;
/// - an event that Redis had, and lost with its data;
/// - an event that was published while Redis had forgotten a node: it had lost its data and the
///   node had not spoken again, or the node had been silent for longer than its lease. Where events
///   are kept the second is no excuse;
/// - an event that was published before the directory had told a node the number of a channel that its
///   sockets joined while Redis was away: the node cannot know that there was one.
fn unexcused(world: &World, lost: Lost) -> Lost {
    let is_excused = |&(event, machine): &(usize, usize)| {
        let node = world.machines[machine].id;
        let accepted = world.server.accepted.iter().find(|accepted| accepted.event == event);
        let lost_data = accepted.is_some_and(|accepted| accepted.life != world.server.life);
        let forgotten = world.server.life > 1
            || !world.profile.streams && world.server.reaped.iter().any(|(of, _)| *of == node);
        match accepted {
            None => world.ended.contains(&world.events[event].origin),
            Some(_) => lost_data || forgotten,
        }
    };
    lost.into_iter().filter(|lost| !is_excused(lost)).collect()
}

/// A hole in the numbers of a channel is counted where it is.
fn numbered_ones_are_missed(world: &World, lost: &Lost) -> Result<(), String> {
    let mut holes: BTreeMap<(usize, &Arc<str>), Vec<usize>> = BTreeMap::new();
    for &(event, machine) in lost {
        if world.server.accepted.iter().any(|accepted| accepted.event == event) {
            holes.entry((machine, &world.events[event].channel)).or_default().push(event);
        }
    }
    for ((machine, channel), events) in holes {
        let missed = world.machines[machine].missed.get(channel).copied().unwrap_or_default();
        ensure(missed >= events.len() as u64, || {
            format!("machine {machine} did not get {events:?} of {channel}, and counted {missed}")
        })?;
    }
    Ok(())
}

/// Nothing is counted as missed but events of others that Redis had and this node did not deliver.
/// After Redis has lost its data it cannot be said what it had.
fn nothing_else_is_missed(world: &World) -> Result<(), String> {
    if world.server.life > 1 {
        return Ok(());
    }
    for (at, machine) in world.machines.iter().enumerate() {
        for (channel, &missed) in &machine.missed {
            let may_be_missed = |accepted: &&Accepted| {
                let event = &world.events[accepted.event];
                let is_of_others = event.channel == *channel && event.origin != machine.id;
                is_of_others && !machine.delivered.contains(&accepted.event)
            };
            let most = world.server.accepted.iter().filter(may_be_missed).count() as u64;
            ensure(missed <= most, || {
                format!("machine {at} counts {missed} of {channel} as missed, {most} may be")
            })?;
        }
    }
    Ok(())
}

/// What never reached Redis is counted where it came from.
fn others_are_unshared(world: &World, lost: &Lost) -> Result<(), String> {
    let mut kept_back: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
    for &(event, _) in lost {
        if world.server.accepted.iter().all(|accepted| accepted.event != event) {
            kept_back.entry(world.events[event].origin).or_default().insert(event);
        }
    }
    for (origin, events) in kept_back {
        let machine = world.machines.iter().find(|machine| machine.id == origin);
        let unshared = machine.map(|machine| machine.unshared);
        let unshared = unshared.or(world.unshared.get(&origin).copied()).unwrap_or_default();
        ensure(unshared >= events.len() as u64, || {
            format!("node {origin} shared {events:?} with nobody, and counted {unshared}")
        })?;
        let shared: Vec<_> =
            events.iter().filter(|&&event| world.was_shared(event).is_some()).collect();
        ensure(shared.is_empty(), || format!("{shared:?} were said to be shared, and were not"))?;
    }
    Ok(())
}

/// Whoever publishes after an answer is heard after what was answered, wherever. That is so for what
/// went through Redis; what a node gave its own sockets alone was heard there at once.
fn order_is_kept(world: &World) -> Result<(), String> {
    if world.profile.faults == Faults::All {
        return Ok(());
    }
    for (socket, client) in &world.clients {
        for (channel, view) in &client.views {
            let mut latest: Option<(u64, usize)> = None;
            for &event in &view.heard {
                let Some(answered) = world.was_shared(event) else { continue };
                if let Some((made, before)) = latest.filter(|(made, _)| *made > answered) {
                    let text = format!(
                        "{socket} in {channel} heard {before}, made at {made}, before {event}, which was answered at {answered}"
                    );
                    return Err(text);
                }
                latest = latest.max(Some((world.events[event].at, event)));
            }
        }
    }
    Ok(())
}
