// Owns a real Redis Cluster: three masters with a replica each or with none, on free ports; killing a master.

import { Redis } from './redis.mjs';
import { freePort, HOST } from './server.mjs';
import { until } from './until.mjs';

const MASTERS = 3;
const SLOTS = 16_384;
// A node that does not answer for so long is replaced by its replica: late on a busy machine, soon once one is killed.
const PATIENT_MS = 15_000;
const HASTY_MS = 1_000;

/** Starts its nodes and waits until each says that all slots are served. Without replicas, the others go on where a master is gone. */
export async function startRedisCluster({ hasReplicas = true } = {}) {
  const cluster = new RedisCluster(hasReplicas);
  try {
    await cluster.start();
  } catch (failure) {
    await cluster.dispose();
    throw failure;
  }
  return cluster;
}

export class RedisCluster {
  /** The last three are the replicas of the first three, where it has replicas. */
  nodes = [];

  constructor(hasReplicas) {
    this.hasReplicas = hasReplicas;
  }

  async start() {
    const started = Array.from({ length: this.hasReplicas ? 2 * MASTERS : MASTERS }, async () => {
      const bus = await freePort();
      const options = ['--cluster-enabled', 'yes', '--cluster-port', bus, '--cluster-node-timeout', this.hasReplicas ? PATIENT_MS : HASTY_MS];
      const own = [...options, '--cluster-replica-validity-factor', 0, '--repl-diskless-sync-delay', 0, ...(this.hasReplicas ? [] : ['--cluster-require-full-coverage', 'no'])];
      const node = new Redis(await freePort(), false, own.map(String));
      this.nodes.push(node);
      await node.start();
      node.bus = bus;
    });
    await Promise.all(started);
    await this.#form();
  }

  async #form() {
    for (const [at, node] of this.nodes.entries()) {
      // Before it knows another node.
      await node.ask('CLUSTER', 'SET-CONFIG-EPOCH', at + 1);
      const edge = (master) => Math.floor((SLOTS * master) / MASTERS);
      if (at < MASTERS) await node.ask('CLUSTER', 'ADDSLOTSRANGE', edge(at), edge(at + 1) - 1);
    }
    for (const node of this.nodes) {
      for (const other of this.nodes) await node.ask('CLUSTER', 'MEET', HOST, other.port, other.bus);
    }
    for (let at = 0; this.hasReplicas && at < MASTERS; at += 1) {
      const master = await this.nodes[at].ask('CLUSTER', 'MYID');
      const replica = this.nodes[at + MASTERS];
      const accepted = () => replica.ask('CLUSTER', 'REPLICATE', master).then(() => true, () => false);
      await until(accepted, 'a node knowing its master');
    }
    await this.untilWhole();
  }

  /** Waits until every node that runs says that all slots are served, and is in step with its master. */
  async untilWhole() {
    const isWhole = async (node) => {
      const info = await node.ask('CLUSTER', 'INFO');
      const replication = await node.ask('INFO', 'replication');
      return info.includes('cluster_state:ok') && !replication.includes('master_link_status:down');
    };
    const whole = async () => (await Promise.all(this.running.map((node) => isWhole(node).catch(() => false)))).every(Boolean);
    await until(whole, 'the Redis Cluster being whole');
  }

  get running() {
    return this.nodes.filter(({ isRunning }) => isRunning);
  }

  /** Addresses of some nodes, as a server is configured. */
  get url() {
    return `redis://${[0, 1, this.nodes.length - 1].map((at) => `${HOST}:${this.nodes[at].port}`).join(',')}`;
  }

  /** Ends a master without any warning, and waits until its replica is the master. */
  async killMaster(at) {
    const replica = this.nodes[at + MASTERS];
    await Promise.all(this.nodes.map((node) => node.ask('CONFIG', 'SET', 'cluster-node-timeout', HASTY_MS)));
    await this.nodes[at].kill();
    const leads = async () => (await replica.ask('INFO', 'replication')).includes('role:master');
    await until(leads, 'the replica being the master');
    await this.untilWhole();
  }

  async dispose() {
    await Promise.all(this.nodes.map((node) => node.dispose()));
  }
}
