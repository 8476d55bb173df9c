//! One client: does what the plan orders, notes what it receives, and comes back when its connection ends, as pusher-js does.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::client::{Client, Incoming};
use crate::harness::within;
use crate::oracle::fact::{Fact, Name};
use crate::plan::{NODES, Order, user_of_seat};
use crate::scene::Scene;

pub(crate) enum Command {
    Order(Order),
    /// Answers when the seat is as it was ordered to be: connected or not, subscribed, signed in.
    Settle(oneshot::Sender<()>),
}

pub(crate) struct Seat {
    number: usize,
    scene: Arc<Scene>,
    /// What it was ordered; it outlives connections.
    is_wanted: bool,
    wanted: BTreeSet<Name>,
    signs_in: bool,
    /// Where it connects first.
    node: usize,
    client: Option<Client>,
    whispers: u64,
    settling: Vec<oneshot::Sender<()>>,
}

impl Seat {
    pub(crate) fn new(number: usize, scene: Arc<Scene>) -> Self {
        Self {
            number,
            scene,
            is_wanted: false,
            wanted: BTreeSet::new(),
            signs_in: false,
            node: 0,
            client: None,
            whispers: 0,
            settling: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        loop {
            if self.is_wanted && self.client.is_none() {
                self.connect().await;
            }
            if self.is_settled() {
                for settled in self.settling.drain(..) {
                    let _ = settled.send(());
                }
            }
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Order(order)) => self.follow(order).await,
                    Some(Command::Settle(settled)) => self.settling.push(settled),
                    None => return,
                },
                incoming = receive(&mut self.client) => self.take(incoming).await,
            }
        }
    }

    fn is_settled(&self) -> bool {
        match &self.client {
            Some(client) => {
                let granted = client.granted();
                self.is_wanted
                    && granted.is_some_and(|granted| granted.eq(&self.wanted))
                    && client.is_signed_in == self.signs_in
            }
            None => !self.is_wanted,
        }
    }

    async fn follow(&mut self, order: Order) {
        match order {
            Order::Connect { node, signs_in } => {
                (self.is_wanted, self.node, self.signs_in) = (true, node, signs_in);
            }
            Order::Subscribe(channel) => {
                self.wanted.insert(channel.clone());
                if let Some(client) = &mut self.client {
                    client.subscribe(&channel).await;
                }
            }
            Order::Unsubscribe(channel) => {
                self.wanted.remove(&channel);
                if let Some(client) = &mut self.client {
                    client.unsubscribe(&channel).await;
                }
            }
            Order::Whisper(channel) => {
                if let Some(client) = &mut self.client
                    && client.is_granted(&channel)
                {
                    let number = self.whispers;
                    self.whispers += 1;
                    client.whisper(&channel, number).await;
                }
            }
            Order::Leave | Order::Cut => {
                (self.is_wanted, self.signs_in) = (false, false);
                self.wanted.clear();
                self.scene.seat(self.number, None);
                if let Some(client) = self.client.take() {
                    client.leave(order == Order::Cut).await;
                }
            }
        }
    }

    /// Connects to the first node from its own on that lets it in, and asks for all that it had.
    async fn connect(&mut self) {
        let user = user_of_seat(self.number);
        let mut client = within("a node that lets the client in", async {
            loop {
                for node in (0..NODES).map(|next| (self.node + next) % NODES) {
                    if let Some(client) = Client::connect(&self.scene, node, &user).await {
                        return client;
                    }
                }
            }
        })
        .await;
        self.scene.seat(self.number, Some((client.number, client.id.clone())));
        if self.signs_in {
            client.sign_in().await;
        }
        for channel in &self.wanted {
            client.subscribe(channel).await;
        }
        self.client = Some(client);
    }

    async fn take(&mut self, incoming: Incoming) {
        let client = self.client.as_mut().expect("the client that has received it");
        match incoming {
            Incoming::Text(text) => client.take(&text).await,
            Incoming::Other => {}
            Incoming::End(code) => {
                self.scene.note(Fact::Closed { socket: client.number, code });
                self.scene.seat(self.number, None);
                client.finish().await;
                self.client = None;
            }
        }
    }
}

async fn receive(client: &mut Option<Client>) -> Incoming {
    match client {
        Some(client) => client.receive().await,
        None => std::future::pending().await,
    }
}

/// The data of a presence channel and of a sign-in.
pub(crate) fn member(user: &str) -> String {
    json!({ "user_id": user }).to_string()
}
