//! What holds of the events whatever happened: coming and going alternate, and once
//! all sockets are gone nothing is left open.

use std::collections::BTreeSet;

use resound::channel_rules::{WebhookEvent, WebhookPayload};

/// What is open, as a receiver of webhooks would have it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    occupied: BTreeSet<String>,
    present: BTreeSet<(String, String)>,
}

impl Ledger {
    /// Enters one event; `Err` names what it contradicts.
    pub(crate) fn enter(&mut self, event: &WebhookEvent) -> Result<(), String> {
        let channel = event.channel.as_str().to_owned();
        let there = self.occupied.contains(&channel);
        let is_right = match &event.payload {
            WebhookPayload::ChannelOccupied => self.occupied.insert(channel),
            WebhookPayload::ChannelVacated => {
                let nobody = self.present.iter().all(|(other, _)| *other != channel);
                nobody && self.occupied.remove(&channel)
            }
            WebhookPayload::MemberAdded(user) => {
                there && self.present.insert((channel, user.to_string()))
            }
            WebhookPayload::MemberRemoved(user) => {
                there && self.present.remove(&(channel, user.to_string()))
            }
            WebhookPayload::ClientEvent { .. } | WebhookPayload::CacheMiss => there,
            WebhookPayload::SubscriptionCount(count) => there && *count > 0,
        };
        if is_right { Ok(()) } else { Err(format!("{event:?} contradicts {self:?}")) }
    }

    /// Enters all of them; at the end all sockets are gone.
    pub(crate) fn balance(all: &[WebhookEvent]) -> Result<(), String> {
        let mut ledger = Self::default();
        for (n, event) in all.iter().enumerate() {
            let channel = &event.channel;
            let before = all[..n].iter().filter(|before| before.channel == *channel);
            let before =
                || before.map(|before| format!("\n  {:?}", before.payload)).collect::<String>();
            ledger.enter(event).map_err(|why| format!("{why}\nbefore it:{}", before()))?;
        }
        let is_closed = ledger == Self::default();
        if is_closed { Ok(()) } else { Err(format!("left open: {ledger:?}")) }
    }
}
