//! A whole run: starts everything, plays pages with one fault each, ends everything, and prints what was found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::checkpoint::{broken, is_empty, turn_page};
use crate::faults::inject;
use crate::figures::Usage;
use crate::harness::{TestRedis, within};
use crate::lane::{Lane, Line};
use crate::nodes::{Cluster, doors};
use crate::oracle::fact::Fact;
use crate::oracle::finding::Broken;
use crate::plan::{Act, FaultPlan, LANES, LanePlan, NODES, Order, Plan, SEATS, user_of_seat};
use crate::scene::Scene;
use crate::seat::{Command, Seat};
use crate::settings::Settings;
use crate::sink::Sink;
use crate::table::{name, table};

/// Between two acts of all clients together.
const BEAT: Duration = Duration::from_millis(20);

/// Triggers before and after the fault of a page.
const AROUND: u64 = 60;

pub(crate) struct Run {
    /// The name of the transport, since both runs print at once.
    what: String,
    plan: Option<Plan>,
    fault_plan: FaultPlan,
    scene: Arc<Scene>,
    cluster: Cluster,
    redis: TestRedis,
    seats: Vec<UnboundedSender<Command>>,
    seated: JoinSet<()>,
    lanes: Vec<Lane>,
    faults: BTreeMap<String, u64>,
    usage: Vec<Usage>,
    _sink: Sink,
}

/// Plays a run; fails if a promise was broken.
pub(crate) async fn play(what: &str, settings: Settings, redis: TestRedis, transport: &str) {
    println!("{what}: begins with SOAK_SEED={}", settings.seed);
    let mut run = Run::start(what, settings.seed, redis, transport).await;
    loop {
        run.page().await;
        if run.fault_plan.is_round() && run.scene.elapsed() >= settings.lasts {
            break;
        }
    }
    run.end().await;
    let seconds = run.scene.elapsed().as_secs();
    let title = format!("\n{what}: SOAK_SEED={}, {seconds} s", settings.seed);
    println!("{}", table(&title, &run.scene, &run.faults, &run.usage));
    let report = run.scene.with_oracle(|oracle, _| oracle.findings.report());
    if let Some(report) = report {
        panic!("SOAK_SEED={}: broken promises\n{report}", settings.seed);
    }
}

impl Run {
    async fn start(what: &str, seed: u64, redis: TestRedis, transport: &str) -> Self {
        let scene = Arc::new(Scene::new(doors(NODES)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let webhook = format!("http://{}/", listener.local_addr().expect("an address"));
        let sink = Sink::start(listener, scene.clone());
        let lines = format!(
            "cluster.enabled = true\ncluster.url = \"{}\"\ncluster.transport = \"{transport}\"\n",
            redis.url
        );
        let cluster = Cluster::start(scene.clone(), lines, webhook).await;
        scene.note(Fact::FaultEnds);
        let mut usage: Vec<Usage> = (0..NODES).map(|_| Usage::default()).collect();
        Usage::sample(&cluster, &mut usage).await;
        let (mut seats, mut seated) = (Vec::new(), JoinSet::new());
        for number in 0..SEATS {
            let (commands, of_seat) = unbounded_channel();
            seated.spawn(Seat::new(number, scene.clone()).run(of_seat));
            seats.push(commands);
        }
        let lanes = (0..LANES).map(|lane| Lane::new(LanePlan::new(seed, lane), scene.clone()));
        let lanes = lanes.collect();
        Self {
            what: what.to_owned(),
            plan: Some(Plan::new(seed)),
            fault_plan: FaultPlan::new(seed),
            scene,
            cluster,
            redis,
            seats,
            seated,
            lanes,
            faults: BTreeMap::new(),
            usage,
            _sink: sink,
        }
    }

    /// Traffic with one fault in the middle, and then the judgement.
    async fn page(&mut self) {
        let plan = self.plan.take().expect("the plan");
        let (fault, node) = self.fault_plan.fault();
        *self.faults.entry(name(fault)).or_default() += 1;
        let page_ends = CancellationToken::new();
        let lanes: Vec<JoinHandle<Lane>> =
            self.lanes.drain(..).map(|lane| tokio::spawn(lane.run(page_ends.clone()))).collect();
        let acts =
            tokio::spawn(churn(plan, self.seats.clone(), self.scene.clone(), page_ends.clone()));
        self.scene.traffic(AROUND).await;
        println!("{}: {:?} {fault:?} at node {node}", self.what, self.scene.elapsed());
        inject(&mut self.cluster, &mut self.redis, fault, node).await;
        self.scene.traffic(AROUND).await;
        page_ends.cancel();
        for lane in lanes {
            self.lanes.push(lane.await.expect("no panic"));
        }
        self.plan = Some(acts.await.expect("no panic"));
        self.settle().await;
        // Of terminated users the clients come back.
        self.scene.until(|oracle| oracle.outstanding() == 0).await;
        self.settle().await;
        turn_page(&mut self.cluster).await;
        Usage::sample(&self.cluster, &mut self.usage).await;
    }

    /// Waits until all clients are as they were ordered to be.
    async fn settle(&mut self) {
        for (number, seat) in self.seats.iter().enumerate() {
            let (settled, is_settled) = oneshot::channel();
            let _ = seat.send(Command::Settle(settled));
            let what = format!("client {number} to be connected and subscribed as it was ordered");
            if within(&what, is_settled).await.is_err() {
                // The task of a seat ends with the run, or with a panic.
                self.seated.join_next().await.expect("a seat").expect("no panic");
            }
        }
    }

    /// All clients leave: what they leave behind is nothing.
    async fn end(&mut self) {
        for seat in &self.seats {
            let _ = seat.send(Command::Order(Order::Leave));
        }
        self.settle().await;
        self.lanes.clear();
        turn_page(&mut self.cluster).await;
        is_empty(&self.cluster).await;
        Usage::sample(&self.cluster, &mut self.usage).await;
        for (number, usage) in self.usage.iter().enumerate() {
            // The plan ends no process of the first node.
            usage.judge(&self.cluster, number, number == 0);
        }
        let panics = self.cluster.panics();
        if panics > 0 {
            broken(&self.scene, Broken::NotReturned, format!("{panics} panics in the logs"));
        }
    }
}

/// Gives the clients their orders until the page ends.
async fn churn(
    mut plan: Plan,
    seats: Vec<UnboundedSender<Command>>,
    scene: Arc<Scene>,
    page_ends: CancellationToken,
) -> Plan {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !page_ends.is_cancelled() {
        beat.tick().await;
        match plan.act() {
            Act::Seat(seat, order) => drop(seats[seat].send(Command::Order(order))),
            Act::Terminate { seat, node } => terminate(&scene, seat, node).await,
        }
    }
    plan
}

async fn terminate(scene: &Scene, seat: usize, node: usize) {
    let Some(mut line) = Line::open(scene, node).await else { return };
    let user = user_of_seat(seat);
    scene.note(Fact::Terminating { user: user.clone() });
    let path = format!("/users/{user}/terminate_connections");
    if line.post(scene, &path, &json!({})).await.is_some() {
        scene.note(Fact::Terminated { user });
    }
}
