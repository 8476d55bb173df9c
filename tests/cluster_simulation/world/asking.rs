//! What belongs to an app as a whole: the list of its channels, asked of all partitions, and the sockets of a user,
//! ended through the partition of the app. And what is done wrong on purpose, for the test of the verdict.

use std::collections::BTreeSet;
use std::sync::Arc;

use resound::cluster::{DirectoryQuery, QueryAnswer};
use resound::protocol::SocketId;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::{USERS, World};
use crate::client::Client;
use crate::server::OUTSIDER;

/// One mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tampering {
    /// Lists are asked of the first partition only.
    OnePartIsAsked,
    /// The link of the last partition is not made again.
    NoNewLink,
    /// A server that has the slot no more is kept.
    StaleOwner,
    /// Answers to the other requests of a batch that was redirected count, and the link is kept.
    RedirectionIsIgnored,
    /// Events for a user go to another partition than the one of the app.
    UserIsElsewhere,
    /// Every tenth message is lost, and the link stays.
    MessagesAreLost,
    /// What is on its way on the last link is executed after the new one is up.
    OldLinkIsKept,
}

/// A request for all channels of the app.
pub(crate) struct Listing {
    pub(crate) machine: usize,
    id: u64,
    /// Channels that had an answered subscriber, which the directory had, and those subscribers.
    known: Vec<(Arc<str>, SocketId, u64)>,
    /// At the end of a schedule, when there is nothing that can be missing.
    is_exact: bool,
    waiting: Vec<(usize, oneshot::Receiver<QueryAnswer>)>,
    answered: Vec<(usize, Answer)>,
}

/// What one partition answered.
enum Answer {
    Directory(Vec<String>),
    /// Its Redis is away: the channels of this node, compared when they were read.
    ThisNode(Vec<String>),
}

/// A user whose sockets were to end.
pub(crate) struct Termination {
    pub(crate) user: &'static str,
    /// Those that were signed in, and whose node the directory knew of it.
    pub(crate) sockets: Vec<SocketId>,
    machine: usize,
    id: u64,
    waiter: Option<oneshot::Receiver<resound::cluster::PublishScope>>,
}

impl Termination {
    /// One that a whole node carries out.
    pub(super) fn asked(
        user: &'static str,
        sockets: Vec<SocketId>,
        machine: usize,
        id: u64,
    ) -> Self {
        Self { user, sockets, machine, id, waiter: None }
    }
}

impl World {
    pub(super) fn back_end_lists(&mut self) {
        let Some(at) = self.some_machine() else { return };
        self.write_down(&format!("machine {at} lists the channels"));
        self.list(at, false);
    }

    /// Every machine lists the channels at the end.
    pub(super) fn everyone_lists(&mut self) {
        (0..self.machines.len()).for_each(|at| self.list(at, true));
    }

    fn list(&mut self, at: usize, is_exact: bool) {
        let is_known = |client: &Client, name: &str| {
            client.views[name].is_answered && self.known_from(client, name) <= self.now
        };
        let views = self.clients.iter().flat_map(|(socket, client)| {
            client.views.keys().map(move |name| (name, socket, client))
        });
        let known =
            views.filter(|(name, _, client)| !name.starts_with('#') && is_known(client, name));
        let known =
            known.map(|(name, socket, client)| (name.clone(), *socket, client.views[name].since));
        let known: Vec<_> = known.collect();
        let id = self.machines[at].id;
        let (mut waiting, mut answered) = (Vec::new(), Vec::new());
        let parts = match self.tampering {
            Some(Tampering::OnePartIsAsked) => 1,
            _ => self.profile.partitions,
        };
        for part in 0..parts {
            let (app_id, prefix) = ("1".to_owned(), String::new());
            let (waiter, answer) = oneshot::channel();
            let (after, most) = (String::new(), usize::MAX);
            let query = DirectoryQuery::Occupied { app_id, prefix, after, most };
            match self.part((at, part)).core.act(|core| core.query(query, waiter)) {
                true => waiting.push((part, answer)),
                false => answered.push((part, self.of_this_node(at, part))),
            }
        }
        self.listings.push(Listing { machine: at, id, known, is_exact, waiting, answered });
        (0..parts).for_each(|part| self.after((at, part), OUTSIDER));
    }

    fn of_this_node(&mut self, at: usize, part: usize) -> Answer {
        let core = &self.machines[at].parts[part].core;
        let occupied = core.look(|core| core.channels().occupied(0, ""));
        let names: Vec<String> = occupied.into_iter().map(|(name, ..)| name).collect();
        let wrong = self.wrong_here((at, part), &names);
        wrong.into_iter().for_each(|why| self.is_wrong(why));
        Answer::ThisNode(names)
    }

    pub(super) fn receive_lists(&mut self) {
        for at in (0..self.listings.len()).rev() {
            let listing = &self.listings[at];
            if !self.is_running(listing.machine, listing.id) {
                self.listings.swap_remove(at);
                continue;
            }
            let mut listing = self.listings.swap_remove(at);
            for (part, mut answer) in std::mem::take(&mut listing.waiting) {
                match answer.try_recv() {
                    Ok(QueryAnswer::Occupied(list)) => {
                        let names = list.into_iter().map(|(name, ..)| name).collect();
                        listing.answered.push((part, Answer::Directory(names)));
                    }
                    Err(TryRecvError::Empty) => listing.waiting.push((part, answer)),
                    _ => listing.answered.push((part, self.of_this_node(listing.machine, part))),
                }
            }
            match listing.waiting.is_empty() {
                true => self.list_is_whole(&listing),
                false => self.listings.push(listing),
            }
        }
        self.receive_terminations();
    }

    /// Each partition names its own channels alone, and all that stayed occupied; without its Redis those of this node.
    fn list_is_whole(&mut self, listing: &Listing) {
        let at = listing.machine;
        let stayed: BTreeSet<&str> = listing
            .known
            .iter()
            .filter_map(|(name, socket, since)| {
                // One that has left and joined again meanwhile has not stayed.
                let view = self.clients.get(socket)?.views.get(name)?;
                (view.since == *since).then_some(&**name)
            })
            .collect();
        let mut listed = BTreeSet::new();
        let mut wrong = None;
        for (part, answer) in &listing.answered {
            let (Answer::Directory(names) | Answer::ThisNode(names)) = answer;
            let foreign = names.iter().find(|name| self.profile.part_of(name) != *part);
            if let Some(name) = foreign {
                wrong = Some(format!("partition {part} lists {name}"));
            }
            let of_part = |name: &&&str| self.profile.part_of(name) == *part;
            let server = &self.servers[*part];
            let missing =
                stayed.iter().filter(of_part).find(|name| !names.iter().any(|one| one == **name));
            let may_miss = match answer {
                Answer::Directory(_) => server.life > 1 || !server.reaped.is_empty(),
                Answer::ThisNode(_) => true,
            };
            if let Some(name) = missing.filter(|_| !may_miss) {
                wrong = Some(format!("{name} is not listed by machine {at}"));
            }
            listed.extend(names.iter().map(String::as_str));
        }
        if listing.is_exact && listed != stayed {
            wrong = Some(format!("machine {at} lists {listed:?}, occupied are {stayed:?}"));
        }
        wrong.into_iter().for_each(|why| self.is_wrong(why));
    }

    /// What a node lists of a partition without its Redis: the channels of its own sockets.
    fn wrong_here(&self, (at, part): super::Line, names: &[String]) -> Option<String> {
        let here = self.clients.values().filter(|client| client.machine == at);
        let own: BTreeSet<&str> =
            here.flat_map(|client| client.views.keys()).map(|name| &**name).collect();
        let missing = own.iter().find(|name| {
            let is_listed = names.iter().any(|one| one == **name);
            !name.starts_with('#') && self.profile.part_of(name) == part && !is_listed
        });
        let unknown = names.iter().find(|name| !own.contains(name.as_str()));
        let wrong = missing.is_some() || unknown.is_some();
        wrong.then(|| format!("machine {at} lists {names:?} without Redis, and has {own:?}"))
    }

    pub(super) fn back_end_terminates(&mut self) {
        let (Some(at), Some(user)) = (self.some_machine(), self.random.pick(&USERS)) else {
            return;
        };
        self.write_down(&format!("machine {at} terminates {user}"));
        if self.profile.is_whole {
            return self.whole_node_terminates(at, user);
        }
        let (waiter, sent) = oneshot::channel();
        let home = (at, self.profile.home());
        let sockets = self.signed_in(user, None);
        let (id, waiter_of_node) = (self.machines[at].id, Some(sent));
        self.terminations.push(Termination {
            user,
            sockets,
            machine: at,
            id,
            waiter: waiter_of_node,
        });
        self.part(home).core.act(|core| core.terminate(0, user, waiter));
        self.after(home, OUTSIDER);
    }

    /// The sockets of a user, on one machine or on all.
    pub(super) fn signed_in(&self, user: &str, at: Option<usize>) -> Vec<SocketId> {
        let is_theirs = |client: &Client| {
            client.is_signed_in && client.user == user && at.is_none_or(|at| client.machine == at)
        };
        let theirs = self.clients.iter().filter(|(_, client)| is_theirs(client));
        theirs.map(|(&socket, _)| socket).collect()
    }

    /// Where the message to all nodes was not sent, at least the sockets of the node itself are closed.
    fn receive_terminations(&mut self) {
        for at in 0..self.terminations.len() {
            let Termination { user, machine, id, waiter, .. } = &mut self.terminations[at];
            let Some(Err(TryRecvError::Closed)) = waiter.as_mut().map(|sent| sent.try_recv())
            else {
                continue;
            };
            *waiter = None;
            let (user, machine, id) = (*user, *machine, *id);
            if self.is_running(machine, id) {
                let theirs = self.signed_in(user, Some(machine));
                self.closing.extend(theirs);
            }
        }
    }

    /// Whether this message is one that is lost on purpose.
    pub(super) fn is_lost_on_purpose(&mut self) -> bool {
        self.tampering == Some(Tampering::MessagesAreLost) && self.random.percent(10)
    }

    /// The partition to which an event is given.
    pub(super) fn publishing_part(&self, name: &str) -> usize {
        let part = self.profile.part_of(name);
        match self.tampering {
            Some(Tampering::UserIsElsewhere) if name.starts_with('#') => {
                (part + 1) % self.profile.partitions
            }
            _ => part,
        }
    }
}
