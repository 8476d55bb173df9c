//! Whole nodes at the end: nothing is under way within them, each subscription is answered, and they have the sockets of
//! their clients and no other.

use super::ensure;
use crate::world::World;

/// How channels begin of which the second endpoint receives members.
pub(crate) const FILTERED: &str = "presence-c";

pub(super) fn are_at_rest(world: &mut World) -> Result<(), String> {
    if !world.profile.is_whole {
        return Ok(());
    }
    for (at, machine) in world.machines.iter_mut().enumerate() {
        let Some(whole) = &mut machine.whole else { continue };
        ensure(whole.is_idle(), || format!("something waits on machine {at}"))?;
        let waiting = whole.waiting();
        ensure(waiting == 0, || format!("{waiting} sockets of machine {at} wait for their joins"))?;
        let open = world.clients.values().filter(|client| client.machine == at).count();
        let counted = whole.socket_count();
        ensure(open == counted, || format!("{open} clients of machine {at}, {counted} sockets"))?;
    }
    for (socket, client) in &world.clients {
        ensure(client.line.is_established, || format!("{socket} was never established"))?;
        let mut views = client.views.iter();
        let open = views.find(|(_, view)| !view.is_answered).map(|(name, _)| name);
        ensure(open.is_none(), || format!("{socket} was never answered in {open:?}"))?;
        let mut attempts = client.line.attempts.iter();
        let open = attempts.find(|(_, attempts)| !attempts.is_empty()).map(|(name, _)| name);
        ensure(open.is_none(), || format!("{socket} asked for {open:?}, without an answer"))?;
    }
    let calls = world.frames.calls.len();
    ensure(calls == 0, || format!("{calls} calls of back ends have no answer"))?;
    let is_filtered = |decision: &crate::directory::Decision| {
        decision.user.is_some() && decision.channel.starts_with(FILTERED)
    };
    let due = world.announced.iter().filter(|one| is_filtered(&one.decision)).count();
    let sent = world.frames.filtered;
    ensure(due == sent, || format!("the second endpoint is due {due} events, and got {sent}"))
}
