//! Injects one fault and waits until all nodes are whole again. A fault that was not seen to happen fails the run.

use crate::harness::TestRedis;
use crate::harness::server::sum_of_series;
use crate::nodes::Cluster;
use crate::oracle::fact::{Cost, Fact};
use crate::plan::Fault;

/// Triggers of all back ends while something is away: a second of them.
const AWAY: u64 = 60;

impl Fault {
    fn cost(self) -> Cost {
        match self {
            Self::Reload | Self::Upgrade | Self::Restart => Cost::default(),
            Self::Kill => Cost { links: false, webhooks: true },
            Self::LinksCut | Self::RedisStall | Self::RedisKill => {
                Cost { links: true, webhooks: true }
            }
        }
    }
}

pub(crate) async fn inject(
    cluster: &mut Cluster,
    redis: &mut TestRedis,
    fault: Fault,
    node: usize,
) {
    let scene = cluster.scene.clone();
    scene.note(Fact::FaultBegins { cost: fault.cost() });
    match fault {
        Fault::Reload => cluster.reload(node).await,
        Fault::Upgrade => cluster.upgrade(node).await,
        Fault::Restart => {
            cluster.end(node, "TERM").await;
            scene.traffic(AWAY).await;
            cluster.start_node(node).await;
        }
        Fault::Kill => {
            cluster.end(node, "KILL").await;
            scene.traffic(AWAY).await;
            cluster.start_node(node).await;
        }
        Fault::LinksCut => {
            cluster.links_lost().await;
            let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
            let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
            cluster.have_lost_links().await;
        }
        Fault::RedisStall => {
            redis.stop();
            is_away(cluster).await;
            scene.traffic(AWAY).await;
            redis.go_on();
        }
        Fault::RedisKill => {
            redis.kill();
            is_away(cluster).await;
            scene.traffic(AWAY).await;
            redis.restart().await;
        }
    }
    cluster.whole().await;
    cluster.links_lost().await;
    scene.note(Fact::FaultEnds);
}

/// Waits until all nodes have noticed that Redis is away.
async fn is_away(cluster: &Cluster) {
    cluster
        .all_are("without Redis", |text| sum_of_series(text, "resound_cluster_connected") == 0.0)
        .await;
}
