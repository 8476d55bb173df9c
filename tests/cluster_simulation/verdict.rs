//! What must be so at the end, when nothing is broken and time has passed: clients, mirrors and
//! directory agree, nothing is left over, every event and every webhook is accounted for.
//!
//! The truth is what clients requested and were not refused; nothing here looks at how the cluster
//! comes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use resound::cluster::Core;

use crate::client::{Client, View};
use crate::machine::Part;
use crate::profile::Faults;
use crate::server::Server;
use crate::world::{CHANNELS, USERS, World};

mod events;
mod tampered;
mod webhooks;
mod whole_nodes;

/// Whether everything is as it must be. `Err` names what is not.
pub(crate) fn verdict(world: &mut World) -> Result<(), String> {
    every_machine_is_connected(world)?;
    let own = USERS.iter().map(|user| format!("#server-to-user-{user}"));
    let names: Vec<String> = CHANNELS.iter().map(|name| (*name).to_owned()).chain(own).collect();
    for name in &names {
        all_know_the_same(world, name)?;
    }
    connections_are_counted(world)?;
    for part in 0..world.profile.partitions {
        nothing_is_left(world, part, &names)?;
    }
    watchers_know(world)?;
    events::are_accounted_for(world)?;
    lists_are_answered(world)?;
    users_are_terminated(world)?;
    whole_nodes::are_at_rest(world)?;
    webhooks::alternate(world)
}

pub(crate) use events::lost_events;
pub(crate) use whole_nodes::FILTERED;

fn ensure(is_so: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(text()) }
}

fn every_machine_is_connected(world: &World) -> Result<(), String> {
    for (at, machine) in world.machines.iter().enumerate() {
        for (part, Part { core, .. }) in machine.parts.iter().enumerate() {
            let here = format!("machine {at} in partition {part}");
            let is_connected = core.look(Core::is_connected);
            ensure(machine.is_up && is_connected, || format!("{here} is away"))?;
            // A beat may be under way at any time.
            let unsettled = core.look(Core::pending_requests);
            ensure(unsettled <= 1, || format!("{unsettled} things are under way on {here}"))?;
            let bytes = core.look(Core::queued_bytes);
            ensure(bytes == 0, || format!("{bytes} bytes of events wait on {here}"))?;
            let alive = core.look(Core::live_nodes) as usize;
            ensure(alive == world.machines.len(), || format!("{here} sees {alive} nodes"))?;
        }
    }
    Ok(())
}

/// Who is subscribed to a channel.
fn subscribed<'a>(world: &'a World, name: &'a str) -> impl Iterator<Item = (&'a Client, &'a View)> {
    world.clients.values().filter_map(move |client| Some((client, client.views.get(name)?)))
}

pub(crate) fn all_know_the_same(world: &World, name: &str) -> Result<(), String> {
    let (topic, part) = (world.topic_of(name), world.profile.part_of(name));
    let directory = &world.servers[part].directory;
    let sockets = subscribed(world, name).count() as i64;
    let there = directory.sockets(&topic);
    ensure(there == sockets, || {
        format!("{name} has {sockets} sockets, the directory has {there}")
    })?;
    let is_presence = name.starts_with("presence-");
    let users: BTreeSet<&str> = match (is_presence, name.starts_with('#')) {
        (true, _) => subscribed(world, name).map(|(client, _)| client.user).collect(),
        (_, true) => subscribed(world, name).map(|_| "").collect(),
        _ => BTreeSet::new(),
    };
    let roster = directory.roster(&topic);
    let known: BTreeSet<&str> = roster.iter().map(|user| &**user).collect();
    ensure(known == users, || format!("{name} has {users:?}, the directory says {roster:?}"))?;
    for (at, machine) in world.machines.iter().enumerate().filter(|(_, machine)| machine.is_up) {
        let core = &machine.parts[part].core;
        let mirror = core.look(|core| core.channels().members(&world.spot_of(name)));
        let mirrored: BTreeSet<&str> = mirror.iter().map(|user| &**user).collect();
        let is_needed = world
            .clients
            .values()
            .any(|client| client.machine == at && client.views.contains_key(name));
        ensure(mirrored == users || !is_needed && mirrored.is_empty(), || {
            format!("{name} has {users:?}, machine {at} says {mirrored:?}")
        })?;
        let seats = machine.seats(name);
        let here = subscribed(world, name).filter(|(client, _)| client.machine == at).count();
        ensure(seats == here, || format!("{here} of machine {at} are in {name}, {seats} seated"))?;
    }
    for (socket, client) in &world.clients {
        let Some(view) = client.views.get(name) else { continue };
        let received: BTreeSet<&str> = view.members.keys().map(|user| &**user).collect();
        ensure(!is_presence || received == users, || {
            format!("{name} has {users:?}, {socket} received {received:?}")
        })?;
        let wrong_info =
            view.members.iter().find(|(user, info)| **info != format!("{{\"name\":\"{user}\"}}"));
        ensure(wrong_info.is_none(), || format!("{socket} in {name} received {wrong_info:?}"))?;
        let counted = view.count.is_none_or(|count| count == sockets as u64);
        ensure(counted, || format!("{name} has {sockets}, {socket} received {:?}", view.count))?;
    }
    Ok(())
}

fn connections_are_counted(world: &World) -> Result<(), String> {
    // Whole nodes count in any case.
    if world.profile.bound.is_none() && !world.profile.is_whole {
        return Ok(());
    }
    let home = world.profile.home();
    for (at, machine) in world.machines.iter().enumerate() {
        let open = world.clients.values().filter(|client| client.machine == at).count();
        let counted = machine.parts[home].core.look(|core| core.open_sockets(0)) as usize;
        ensure(open == counted, || format!("machine {at} has {open} sockets, counts {counted}"))?;
    }
    let (open, counted) = (world.clients.len() as u32, world.servers[home].directory.open("1"));
    ensure(open == counted, || format!("{open} sockets are open, the directory says {counted}"))
}

/// Of an empty channel there are no keys, of a node that is gone neither. A partition has none of another one's.
fn nothing_is_left(world: &mut World, part: usize, names: &[String]) -> Result<(), String> {
    let now = Server::clock(world.now);
    let views = world.clients.values().flat_map(|client| client.views.keys().cloned());
    let occupied: BTreeSet<Arc<str>> =
        views.filter(|name| world.profile.part_of(name) == part).collect();
    let head = format!("{}{{1:", world.profile.prefix(part));
    for topic in world.servers[part].directory.topics() {
        let name = topic.trim_start_matches(&*head).trim_end_matches('}');
        let keys = world.servers[part].directory.keys(&topic, now);
        let is_known = names.iter().any(|known| known == name);
        let is_here = is_known && world.profile.part_of(name) == part;
        ensure(is_here && (keys.is_empty() || occupied.contains(name)), || {
            format!("nobody is in {name}, and there is still {keys:?}")
        })?;
    }
    let listed: BTreeSet<String> = world.servers[part].directory.listed("1").into_iter().collect();
    let should: BTreeSet<String> = occupied
        .iter()
        .filter(|name| !name.starts_with('#'))
        .map(|name| name.to_string())
        .collect();
    ensure(listed == should, || format!("listed are {listed:?}, occupied {should:?}"))?;
    let living: BTreeSet<u64> = world.machines.iter().map(|machine| machine.id).collect();
    let remembered = world.servers[part].directory.remembered_nodes();
    ensure(remembered.is_subset(&living), || {
        format!("nodes {living:?} live, the directory remembers {remembered:?}")
    })
}

fn watchers_know(world: &World) -> Result<(), String> {
    let is_online = |user: &str| {
        world.clients.values().any(|client| client.is_signed_in && client.user == user)
    };
    for (socket, client) in world.clients.iter().filter(|(_, client)| client.is_signed_in) {
        if client.watchlist.is_empty() {
            continue;
        }
        let Some(online) = &client.online else {
            return Err(format!("{socket} never received its watchlist"));
        };
        // Sockets of one user are not notified of each other.
        let should: BTreeMap<&str, bool> = client
            .watchlist
            .iter()
            .filter(|user| **user != client.user)
            .map(|user| (*user, is_online(user)))
            .collect();
        let received: BTreeMap<&str, bool> = online
            .iter()
            .filter(|(user, _)| **user != client.user)
            .map(|(user, is_online)| (&**user, *is_online))
            .collect();
        ensure(received == should, || {
            format!("{socket} watches {should:?}, received {received:?}")
        })?;
    }
    Ok(())
}

/// Each list was compared when its last answer came.
fn lists_are_answered(world: &World) -> Result<(), String> {
    let open = world.listings.len();
    ensure(open == 0, || format!("{open} lists were never answered"))
}

/// Whoever was signed in when a back end ended the sockets of the user is gone, if no message of the partition of
/// the app can have got lost.
fn users_are_terminated(world: &World) -> Result<(), String> {
    if !nothing_broke(world, world.profile.home()) {
        return Ok(());
    }
    for terminated in &world.terminations {
        let left = terminated.sockets.iter().find(|socket| world.clients.contains_key(socket));
        ensure(left.is_none(), || format!("{left:?} of {} was to end", terminated.user))?;
    }
    Ok(())
}

/// In a partition nothing can have got lost on the way.
fn nothing_broke(world: &World, part: usize) -> bool {
    world.profile.faults[part] == Faults::None
}
