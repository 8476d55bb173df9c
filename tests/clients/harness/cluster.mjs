// Owns several nodes over one Redis, queries of all of them at once, and the proxy in front of them.

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { after, before } from 'node:test';
import { channelInfo, sdk, startBackend } from './backend.mjs';
import { layCable } from './cable.mjs';
import { subscribed } from './clients.mjs';
import { startRedis } from './redis.mjs';
import { startRedisCluster } from './redis-cluster.mjs';
import { APP, freePort, HOST, startServer } from './server.mjs';
import { Inbox, until } from './until.mjs';

const PREFIX = 'resound';

/**
 * Starts Redis and `nodes` servers that share it.
 *
 * `app`: settings of the app, or a function that returns them; `cluster`: keys of [cluster]; `websocket`, `server`: those of the sections;
 * `redis`: how Redis is started, or `false`: its port is known and nothing listens there; `redisCluster`: a Redis Cluster takes
 * its place; `cables`: each node reaches Redis
 * through a cable of its own; `hosts`: where the nodes listen, all on one port.
 */
export async function startCluster({ nodes = 3, app, cluster = {}, websocket = {}, server = {}, redis = {}, redisCluster = false, cables = false, hosts } = {}) {
  const made = new Cluster(nodes, typeof app === 'function' ? app() : app, { cluster, websocket, server });
  if (hosts) made.places = await samePort(hosts);
  try {
    made.redis = redisCluster ? await startRedisCluster() : await startRedis(redis || {});
    if (!redis) await made.redis.kill();
    await made.start(cables);
  } catch (failure) {
    await made.dispose();
    throw failure;
  }
  return made;
}

/** The same for one test. */
export async function ownCluster(t, options) {
  const cluster = await startCluster(options);
  t.after(() => cluster.dispose());
  return cluster;
}

/** For clusters whose Redis does not break, as all shared ones: a machine that is busy must not look like one that did. */
export const PATIENT = { lease_seconds: 60, timeout_ms: 20_000, local_delivery_after_ms: 10_000 };

/** The same for all tests of a file or of a `describe`; the object is filled before the first one runs. */
export function sharedCluster(options = {}) {
  const shared = {};
  before(async () => {
    shared.cluster = await startCluster({ ...options, cluster: { ...PATIENT, ...options.cluster } });
    shared.nodes = shared.cluster.nodes;
  });
  after(() => shared.cluster?.dispose());
  return shared;
}

export class Cluster {
  /** Each is a world of its own: `server`, `backend` and `pusher`, as the harness of one server takes them. */
  nodes = [];
  places = [];
  #wanted;
  #proxy = null;

  constructor(wanted, app, sections) {
    this.#wanted = wanted;
    this.app = app;
    this.sections = sections;
  }

  async start(cables) {
    this.backend = await startBackend({ host: HOST, port: 1 });
    const starts = Array.from({ length: this.#wanted }, (_, at) => this.#startNode(cables, this.places[at]));
    const outcomes = await Promise.allSettled(starts);
    this.nodes = outcomes.flatMap(({ value }) => value ?? []);
    const failed = outcomes.find(({ reason }) => reason);
    if (failed) throw failed.reason;
  }

  /** Another suite may take a port between the moment it was found free and the start: then the node is started once more. */
  async #startNode(cables, place, attempts = 3) {
    const cable = cables ? await layCable(this.redis) : null;
    const metrics = await freePort();
    const { url, port } = cable ?? this.redis;
    const sections = {
      ...this.sections,
      cluster: { enabled: true, ...(url ? { url } : { port }), ...this.sections.cluster },
      metrics: { listen: `${HOST}:${metrics}` },
    };
    try {
      return new Node(await startServer({ app: this.app, sections, ...place }), this, metrics, cable);
    } catch (failure) {
      cable?.dispose();
      if (attempts > 1 && failure.message.includes('another process listens there')) return this.#startNode(cables, place, attempts - 1);
      throw failure;
    }
  }

  /** One more node; it is started when this resolves. */
  async add() {
    const node = await this.#startNode(false);
    this.nodes.push(node);
    return node;
  }

  /** A world whose connections go to one running node after another, as through a load balancer. */
  async proxy() {
    this.#proxy ??= await openProxy(this);
    return { server: this.#proxy, backend: this.backend };
  }

  /** Has Redis end the connections that come through the cable of `node`, as `CLIENT KILL` of an operator does. */
  async killLink({ cable }) {
    const kill = (address) => this.redis.ask('CLIENT', 'KILL', 'ADDR', address).then(() => true, () => false);
    await until(async () => (await Promise.all(cable.addresses.map(kill))).includes(true), 'a connection being killed');
  }

  /** Users of a presence channel as Redis has them, sorted. */
  async directory(channel) {
    return (await this.redis.ask('HKEYS', `${PREFIX}{${APP.id}:${channel}}:members`)).sort();
  }

  /** Waits until every running node reports this of a channel. */
  async untilAllReport(channel, info, wanted, deadline) {
    const said = async () => Promise.all(this.running.map((node) => channelInfo(node.pusher, channel, info)));
    let last;
    const agreed = async () => {
      last = await said();
      return last.every((one) => Object.entries(wanted).every(([key, value]) => one[key] === value));
    };
    await until(agreed, () => `${channel} being ${JSON.stringify(wanted)} on all nodes, not ${JSON.stringify(last)},`, deadline);
  }

  /** Waits until the HTTP API of every running node, and Redis, have exactly these users; `[]` is a vacant channel. */
  async untilPresent(channel, users, deadline) {
    const wanted = [...users].sort();
    let last;
    const agreed = async () => {
      last = await Promise.all([this.directory(channel), ...this.running.map((node) => node.users(channel))]);
      return last.every((one) => JSON.stringify(one) === JSON.stringify(wanted));
    };
    await until(agreed, () => `${channel} having ${wanted} in Redis and on each node, not ${JSON.stringify(last)},`, deadline);
  }

  /** Waits until all running nodes are connected, and count this many. */
  async untilJoined(count = this.running.length, deadline) {
    const joined = async () => {
      const all = await Promise.all(this.running.map(({ metric }) => Promise.all([metric('connected'), metric('nodes')])));
      return all.every(([connected, nodes]) => connected === 1 && nodes === count);
    };
    await until(joined, `${count} nodes in the cluster`, deadline);
  }

  get running() {
    return this.nodes.filter(({ server }) => server.isRunning);
  }

  /** No node has ended by itself. */
  assertAllRun() {
    for (const { server } of this.nodes) assert.ok(server.isRunning, `a node has ended; its log:\n${server.log}`);
  }

  async dispose() {
    this.#proxy?.close();
    await this.backend?.stop();
    await Promise.all(this.nodes.map((node) => node.dispose()));
    await this.redis?.dispose();
  }
}

class Node {
  constructor(server, cluster, metrics, cable) {
    this.server = server;
    this.backend = cluster.backend;
    this.pusher = sdk(server);
    this.cable = cable;
    this.#metrics = `http://${HOST}:${metrics}/metrics`;
  }

  #metrics;

  /** The text of its metrics. */
  async metrics() {
    return (await fetch(this.#metrics, { headers: { connection: 'close' } })).text();
  }

  /** What the node counts under resound_cluster_`name`, a counter's `_total` included. */
  metric = async (name) => {
    const text = await this.metrics();
    const line = new RegExp(`^resound_cluster_${name} (\\d+)$`, 'm').exec(text);
    if (!line) throw new Error(`no metric resound_cluster_${name} among\n${text}`);
    return Number(line[1]);
  };

  /** Waits until the metric is this. */
  untilMetric(name, wanted, deadline) {
    let last;
    const is = async () => (last = await this.metric(name)) === wanted;
    return until(is, () => `resound_cluster_${name} being ${wanted}, not ${last},`, deadline);
  }

  /** The state in the cluster that the node reports. */
  async ready() {
    const answer = await fetch(`${this.server.url}/ready`, { headers: { connection: 'close' } });
    return { status: answer.status, ...(await answer.json()) };
  }

  /** Users of a presence channel as the HTTP API has them, sorted. */
  async users(channel) {
    const answer = await this.pusher.get({ path: `/channels/${channel}/users` });
    return (await answer.json()).users.map(({ id }) => id).sort();
  }

  async dispose() {
    await this.server.dispose();
    this.cable?.dispose();
  }
}

async function samePort(hosts) {
  const port = await freePort();
  return hosts.map((host) => ({ host, port }));
}

async function openProxy(cluster) {
  let turn = 0;
  const open = new Set();
  const server = createServer((near) => {
    near.setNoDelay(true);
    near.on('error', () => near.destroy());
    open.add(near);
    near.on('close', () => open.delete(near));
    turn += 1;
    const { running } = cluster;
    forward(near, running.map((_, at) => running[(turn + at) % running.length].server.port));
  });
  const port = await freePort();
  await new Promise((ready) => server.listen(port, HOST, ready));
  const close = () => {
    server.close();
    open.forEach((socket) => socket.destroy());
  };
  return { host: HOST, port, url: `http://${HOST}:${port}`, close };
}

/** To the first of `ports` that accepts. */
function forward(near, [port, ...others]) {
  if (port === undefined) return near.destroy();
  const far = connect(port, HOST);
  far.once('error', () => forward(near, others));
  return far.once('connect', () => {
    far.removeAllListeners('error');
    far.on('error', () => near.destroy());
    far.on('close', () => near.destroy());
    near.on('close', () => far.destroy());
    far.setNoDelay(true);
    near.pipe(far).pipe(near);
  });
}

/**
 * What one client receives of one presence channel, from now on: `present` (null while it is not subscribed), everything in
 * order in `received`, and in `faults` what contradicts what was received before.
 */
export function ledger(pusher, channel) {
  const book = { present: null, received: new Inbox(channel), faults: [] };
  const fault = (what) => book.faults.push(`${what} (${pusher.connection.socket_id})`);
  const take = {
    'pusher_internal:subscription_succeeded': ({ presence: list }) => (book.present = new Set(list?.ids)),
    'pusher_internal:member_added': ({ user_id: id }) => {
      if (!book.present || book.present.has(id)) fault(`added, but not new: ${id}`);
      book.present?.add(id);
    },
    'pusher_internal:member_removed': ({ user_id: id }) => {
      if (!book.present?.delete(id)) fault(`removed, but not there: ${id}`);
    },
  };
  pusher.connection.bind('connected', () => (book.present = null));
  pusher.connection.bind('message', ({ event, channel: name, data }) => {
    if (name !== channel) return;
    take[event]?.(data);
    book.received.put([event.replace('pusher_internal:', ''), data?.user_id ?? data]);
  });
  return book;
}

/** Subscribes and keeps the ledger from the first word. */
export async function present(pusher, channel) {
  const book = ledger(pusher, channel);
  await subscribed(pusher.subscribe(channel));
  return book;
}

let marks = 0;

/**
 * Triggers a marker on `node` and waits until all of `inboxes`, which hold [event, data] of one channel, have it: what was
 * said there before it is in them. Gives the items of each without any markers.
 */
export async function mark(node, channel, inboxes, deadline) {
  marks += 1;
  const number = marks;
  await node.pusher.trigger(channel, 'marker', number);
  const marked = (items) => items.some(([event, data]) => event === 'marker' && data === number);
  const all = await Promise.all(inboxes.map((inbox) => inbox.until(marked, deadline)));
  return all.map((items) => items.filter(([event]) => event !== 'marker'));
}
