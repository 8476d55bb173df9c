// @ts-check
// The page Cluster: the nodes with their leases, the links of each to Redis, where they disagree, what was lost, and the inputs.

import { get, poll } from '../api.js';
import { fill, h, keyed, merge, write } from '../dom.js';
import { bytes, counted, date, duration, milliseconds, number } from '../format.js';
import { figures, showFailure } from '../lists.js';
import { copyButton, empty, notice, section, status } from '../parts.js';
import { redisInputs } from '../redis_inputs.js';
import { table } from '../table.js';

/** @typedef {{ node: string, ends_in_ms: number, held_for_ms: number }} Lease */
/**
 * @typedef {{ partition?: number, address: string, state: 'connected' | 'away', for_ms: number, reconnects: number, cause: string | null,
 *   software: string | null, version: string | null, role: string | null, replicas: number | null,
 *   round_trip_last_ms: number | null, round_trip_p50_ms: number | null, pending_requests: number, queue_bytes: number, losses?: Counts }} Link
 */
/** @typedef {Link & { node: string, partition: number, of: number }} LinkRow */
/** @typedef {{ about: string, app?: string, nodes: string[], sentence: string }} Disagreement */
/** @typedef {{ reason: string, count: number, sentence: string }} Dropped */
/** @typedef {{ events_missed: number, possible_gaps: number, events_not_replicated: number, links_lost: number }} Counts Of a node, or of one partition there. */
/** @typedef {Counts & { invalid_messages: Dropped[] }} Losses */
/**
 * @typedef {{ node: string, version: string, up_for_ms: number, sockets: number, prefix: string, transport: string, lease_ms: number,
 *   last_heartbeat_ago_ms: number | null, links: Link[], losses: Losses, disagreements: Disagreement[] }} NodeView
 */
/** @typedef {{ now_ms: number, state: 'off' | 'connected' | 'away', nodes: NodeView[], leases: Lease[] | null, other_nodes?: { answered: number, missing: number | null } }} ClusterView */
/** @typedef {{ name: string, view: NodeView | null, lease: Lease | null, isThis: boolean, isAnswered: boolean, isAsked: boolean }} NodeRow */
/** @typedef {{ cause: string, title: string, means: string, count: number, nodes: string[], partitions: string[] }} Loss */
/** @typedef {{ node: string, partitions: number[], of: number, for_ms: number, cause: string | null }} Outage Links of one node that are away for one reason. */

const EVERY_MS = 2000;

/** What starts a cluster, in the configuration and in a Laravel `.env`. */
const EXAMPLE = '[cluster]\nenabled = true\nurl = "redis://127.0.0.1:6379"';

/** @type {{ cause: keyof Counts, title: string, means: string }[]} */
const LOSSES = [
  { cause: 'links_lost', title: 'Links lost', means: 'The connection to Redis ended, or Redis did not answer in time. The log has each cause.' },
  { cause: 'events_missed', title: 'Events missed', means: 'Events of other nodes that did not arrive, by the numbers of their channels. With cluster.transport = "streams" a node reads them again.' },
  { cause: 'possible_gaps', title: 'Possible gaps', means: 'Channels that may have lost events, which nothing counts: sockets joined without Redis, or Redis lost its data.' },
  { cause: 'events_not_replicated', title: 'Events not sent on', means: 'Events that waited too long for Redis, or beyond cluster.queue_bytes: they reached the sockets of their own node alone.' },
];

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Cluster',
  render(root) {
    const [failed, causes, head, body] = [h('div', { role: 'alert' }), h('div', { class: 'stack' }), h('div'), h('div', { class: 'stack' })];
    const [nodes, inputs] = [nodeTable(), redisInputs()];
    const [linkBox, lossBox] = [h('div'), h('div')];
    /** Known once the number of partitions is. @type {{ links: ReturnType<typeof linkTable>, losses: ReturnType<typeof lossTable> } | null} */
    let tables = null;
    const disagreements = h('ul', { class: 'disagreements' });
    const missing = h('p', { class: 'soft' });
    const parts = [section('Nodes', nodes.element, missing), section('Redis', linkBox), section('Agreement', disagreements), section('Losses', h('p', { class: 'soft' }, 'Since the start of each node.'), lossBox)];
    /** What each node reported last, for while it cannot be asked. @type {Map<string, NodeView>} */
    const known = new Map();
    let isShown = false;

    /** @param {ClusterView} view */
    function show(view) {
      showFailure(failed, null);
      if (view.state === 'off') {
        merge(body, alone());
        return;
      }
      if (!isShown) fill(body, parts);
      isShown = true;
      const rows = nodeRows(view, known);
      merge(head, summary(view, rows));
      const all = linkRows(view.nodes);
      keyed(causes, outages(all), outageKey, (one) => notice('bad', awaySentence(one)), (element, one) => write(element, awaySentence(one)));
      nodes.update(rows);
      write(missing, notAsked(view));
      if (!tables) {
        const hasPartitions = all.some(({ of }) => of > 1);
        tables = { links: linkTable(hasPartitions), losses: lossTable(hasPartitions) };
        linkBox.append(tables.links.element);
        lossBox.append(tables.losses.element);
      }
      tables.links.update(all);
      showDisagreements(disagreements, view);
      tables.losses.update(lossRows(view.nodes, all));
    }

    root.append(failed, causes, inputs.causes, head, body, inputs.element);
    const stop = poll(EVERY_MS, async (signal) => show(await get('cluster', {}, { signal })), (failure) => showFailure(failed, failure));
    return () => {
      inputs.stop();
      stop();
    };
  },
};

function alone() {
  const text = ['This server serves all sockets by itself. Several servers share their channels through a Redis; these keys of the configuration start that, and in a Laravel .env ', h('code', null, 'REVERB_SCALING_ENABLED=true'), ' with ', h('code', null, 'REDIS_HOST'), ':'];
  return empty('There is no cluster', text, h('pre', null, EXAMPLE), copyButton('Copy', () => EXAMPLE));
}

/**
 * Each node that has answered, has a lease, or was known before and cannot be asked.
 * @param {ClusterView} view
 * @param {Map<string, NodeView>} known
 * @returns {NodeRow[]}
 */
function nodeRows({ nodes, leases, other_nodes: others }, known) {
  const leaseOf = new Map((leases ?? []).map((lease) => [lease.node, lease]));
  const answered = new Map(nodes.map((node) => [node.node, node]));
  for (const node of nodes) known.set(node.node, node);
  for (const name of known.keys()) if (others?.missing === 0 && !answered.has(name)) known.delete(name);
  const names = new Set([...answered.keys(), ...leaseOf.keys(), ...known.keys()]);
  return [...names].map((name, at) => ({ name, view: answered.get(name) ?? known.get(name) ?? null, lease: leaseOf.get(name) ?? null, isThis: at === 0, isAnswered: answered.has(name), isAsked: others?.missing !== null }));
}

/**
 * @param {ClusterView} view
 * @param {NodeRow[]} rows
 */
function summary({ nodes }, rows) {
  const [own] = nodes;
  const away = own.links.filter(({ state }) => state === 'away').length;
  const connected = nodes.filter(({ links }) => links.every((link) => link.state === 'connected')).length;
  /** @type {[string, string][]} */
  const partitions = own.links.length > 1 ? [['Partitions', away > 0 ? `${number(own.links.length)}, ${number(away)} away` : number(own.links.length)]] : [];
  return figures([
    ['Nodes', number(rows.length)],
    ['Connected to Redis', away === own.links.length ? 'not this node' : away > 0 ? 'in part' : `${connected} of ${rows.length}`],
    ...partitions,
    ['Transport', own.transport === 'streams' ? 'streams' : 'pub/sub'],
    ['Lease', duration(own.lease_ms)],
    ['Prefix', own.prefix.replace(/:\d+:\{\d+\}$/, '')],
  ]);
}

/**
 * The links of all nodes, those of the same partition beside each other.
 * @param {NodeView[]} nodes
 * @returns {LinkRow[]}
 */
function linkRows(nodes) {
  const all = nodes.flatMap(({ node, links }) => links.map((link, at) => ({ ...link, node, partition: link.partition ?? at, of: links.length })));
  return all.sort((one, other) => one.partition - other.partition);
}

/** @param {LinkRow} link */
const linkKey = ({ node, partition }) => `${node} ${partition}`;

/**
 * A Redis that is away takes all of its partitions from a node: one sentence has them.
 * @param {LinkRow[]} links
 * @returns {Outage[]}
 */
function outages(links) {
  /** @type {Map<string, Outage>} */
  const all = new Map();
  for (const { node, partition, of, state, address, for_ms: ms, cause } of links) {
    if (state !== 'away') continue;
    const key = JSON.stringify([node, address, cause]);
    const known = all.get(key);
    if (!known) all.set(key, { node, partitions: [partition], of, for_ms: ms, cause });
    else {
      known.partitions.push(partition);
      known.for_ms = Math.max(known.for_ms, ms);
    }
  }
  return [...all.values()];
}

/** @param {Outage} outage */
const outageKey = ({ node, partitions }) => `${node} ${partitions[0]}`;

/** @param {Outage} outage */
function awaySentence({ node, partitions, of, for_ms: ms, cause }) {
  const why = cause ? `: ${cause}` : '';
  if (of === 1) return `Redis is away from node ${node} since ${duration(ms)}${why}. The node serves its own sockets.`;
  const [which, whose] = partitions.length === 1 ? [`partition ${partitions[0]}`, 'this partition'] : [`partitions ${spans(partitions)}`, 'these partitions'];
  return `Redis of ${which} is away from node ${node} since ${duration(ms)}${why}. The node serves its own sockets in the channels of ${whose}.`;
}

/** Numbers that rise, in short: `0–2, 5`. @param {number[]} numbers */
function spans(numbers) {
  /** @type {[number, number][]} */
  const all = [];
  for (const one of numbers) {
    const last = all[all.length - 1];
    if (last?.[1] === one - 1) last[1] = one;
    else all.push([one, one]);
  }
  return all.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}

/** @param {ClusterView} view */
function notAsked({ other_nodes: others }) {
  if (!others) return '';
  if (others.missing === null) return 'Redis is away: the other nodes cannot be asked, and what stands there is from before.';
  return others.missing > 0 ? `${counted(others.missing, 'node')} did not answer within half a second.` : '';
}

/** @param {NodeRow} row */
function nodeStatus({ view, lease, isAnswered, isAsked }) {
  if (isAnswered && view) {
    const away = view.links.filter(({ state }) => state === 'away').length;
    if (away === 0) return status('good', 'Well');
    return away === view.links.length ? status('bad', 'Redis away') : status('bad', `${counted(away, 'partition')} of ${view.links.length} away`);
  }
  if (!isAsked) return status('off', 'Cannot be asked');
  return lease && lease.ends_in_ms <= 0 ? status('bad', 'Lease has ended') : status('warn', 'Does not answer');
}

/** How long ago the last heartbeat was, by the clock of Redis where it has the lease. @param {NodeRow} row */
function heartbeat({ view, lease, isAnswered }) {
  if (view && lease) return Math.max(0, view.lease_ms - lease.ends_in_ms);
  return isAnswered ? (view?.last_heartbeat_ago_ms ?? null) : null;
}

function nodeTable() {
  /** @type {import('../table.js').TableOptions<NodeRow>} */
  const options = {
    caption: 'The nodes of the cluster',
    key: ({ name }) => name,
    empty: () => h('p', null, 'No node has answered.'),
    columns: [
      { title: 'Node', cell: ({ name, isThis }) => h('span', null, h('span', { class: 'mono' }, name), isThis && h('span', { class: 'soft' }, ' this one')), sort: ({ name }) => name },
      { title: 'State', cell: nodeStatus },
      { title: 'Version', cell: ({ view }) => view?.version ?? '–', sort: ({ view }) => view?.version ?? '' },
      { title: 'Up for', cell: ({ view }) => (view ? h('span', { title: `since ${date(Date.now() - view.up_for_ms)}` }, duration(view.up_for_ms)) : '–'), sort: ({ view }) => view?.up_for_ms ?? -1, numeric: true },
      { title: 'Sockets', cell: ({ view }) => number(view?.sockets), sort: ({ view }) => view?.sockets ?? -1, numeric: true },
      { title: 'Last heartbeat', cell: (row) => (heartbeat(row) === null ? '–' : `${milliseconds(heartbeat(row))} ago`), sort: (row) => heartbeat(row) ?? -1, numeric: true },
      { title: 'Lease ends in', cell: ({ lease }) => (lease ? leaseEnd(lease) : '–'), sort: ({ lease }) => lease?.ends_in_ms ?? 0, numeric: true },
    ],
  };
  return table(options);
}

/** @param {Lease} lease */
function leaseEnd({ ends_in_ms: end, held_for_ms: held }) {
  return h('span', { title: `held without a break for ${duration(held)}` }, end > 0 ? milliseconds(end) : `ended ${milliseconds(-end)} ago`);
}

/** Of several addresses that are configured, and of sentinels: the one at the end of the link. @param {string} address */
const serverOf = (address) => /\(at (.+)\)$/.exec(address)?.[1] ?? address;

/** @param {LinkRow} link */
function serverFacts({ software, version, role, replicas }) {
  const parts = [software && `${software} ${version ?? ''}`.trim(), role, replicas ? counted(replicas, 'replica') : null].filter(Boolean);
  return parts.length > 0 ? parts.join(', ') : '–';
}

/** @param {boolean} hasPartitions */
function linkTable(hasPartitions) {
  /** @type {import('../table.js').Column<LinkRow>[]} */
  const partition = hasPartitions ? [{ title: 'Partition', cell: ({ partition }) => String(partition), numeric: true, sort: ({ partition }) => partition }] : [];
  /** @type {import('../table.js').TableOptions<LinkRow>} */
  const options = {
    caption: 'The links to Redis',
    key: linkKey,
    empty: () => h('p', null, 'No node has answered.'),
    columns: [
      { title: 'Node', cell: ({ node }) => node, sort: ({ node }) => node, mono: true },
      ...partition,
      { title: 'State', cell: ({ state }) => (state === 'connected' ? status('good', 'Connected') : status('bad', 'Away')) },
      { title: 'For', cell: ({ for_ms: ms }) => h('span', { title: `since ${date(Date.now() - ms)}` }, duration(ms)), sort: ({ for_ms: ms }) => ms, numeric: true },
      { title: 'Address', cell: ({ address }) => h('span', { title: address }, serverOf(address)), sort: ({ address }) => serverOf(address), mono: true },
      { title: 'Server', cell: serverFacts },
      { title: 'Round trip', cell: ({ round_trip_last_ms: last, state }) => (state === 'connected' ? milliseconds(last) : '–'), sort: ({ round_trip_last_ms: last }) => last ?? -1, numeric: true },
      { title: 'p50', cell: ({ round_trip_p50_ms: half }) => milliseconds(half), sort: ({ round_trip_p50_ms: half }) => half ?? -1, numeric: true },
      { title: 'Waiting', cell: ({ queue_bytes: waiting }) => bytes(waiting), sort: ({ queue_bytes: waiting }) => waiting, numeric: true },
      { title: 'Reconnects', cell: ({ reconnects }) => number(reconnects), sort: ({ reconnects }) => reconnects, numeric: true },
    ],
  };
  return table(options);
}

/**
 * What this node sees, and what others see of each other: of two that differ, both report it.
 * @param {HTMLElement} list
 * @param {ClusterView} view
 */
function showDisagreements(list, { state, nodes: [own, ...others] }) {
  const between = others.flatMap((one) => one.disagreements.filter((found) => !found.nodes.includes(own.node)).map((found) => ({ node: one.node, ...found })));
  const all = [...own.disagreements.map((found) => ({ node: own.node, ...found })), ...between];
  if (all.length === 0 && state === 'away') keyed(list, ['away'], (key) => key, () => h('li', { class: 'row' }, status('off', 'Not compared'), 'The nodes compare their configuration through Redis.'));
  else if (all.length === 0) keyed(list, ['agreed'], (key) => key, () => h('li', { class: 'row' }, status('good', 'Agreed'), 'All nodes have the same apps, keys, secrets, transport and format of messages.'));
  else keyed(list, all, (one) => JSON.stringify(one), ({ node, nodes, sentence }) => h('li', { class: 'card' }, status('warn', 'Differs'), h('span', { class: 'mono' }, nodes.join(', ')), h('span', { class: 'soft' }, `seen by ${node}`), h('p', null, `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`)));
}

/**
 * @param {NodeView[]} nodes
 * @param {LinkRow[]} links
 * @returns {Loss[]}
 */
function lossRows(nodes, links) {
  const of = (/** @type {(losses: Losses) => number} */ count) => {
    const some = nodes.filter(({ losses }) => count(losses) > 0);
    return { count: some.reduce((sum, { losses }) => sum + count(losses), 0), nodes: some.map(({ node, losses }) => (some.length > 1 ? `${node}: ${number(count(losses))}` : node)) };
  };
  const dropped = new Map(nodes.flatMap(({ losses }) => losses.invalid_messages.map((one) => [one.reason, one.sentence])));
  const counted = LOSSES.map(({ cause, title, means }) => ({ cause, title, means, ...of((losses) => losses[cause]), partitions: byPartition(links, cause) }));
  const invalid = [...dropped].map(([reason, sentence]) => ({
    cause: reason,
    title: `Messages dropped: ${reason.replaceAll('_', ' ')}`,
    means: `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`,
    ...of(({ invalid_messages: all }) => all.find((one) => one.reason === reason)?.count ?? 0),
    // Whose topic it came on is not counted.
    partitions: [],
  }));
  return [...counted, ...invalid];
}

/**
 * What all nodes lost in each partition, where they lost something.
 * @param {LinkRow[]} links
 * @param {keyof Counts} cause
 */
function byPartition(links, cause) {
  /** @type {Map<number, number>} */
  const sums = new Map();
  for (const { partition, losses } of links) {
    const count = losses?.[cause] ?? 0;
    if (count > 0) sums.set(partition, (sums.get(partition) ?? 0) + count);
  }
  return [...sums].map(([partition, count]) => `${partition}: ${number(count)}`);
}

/** @param {boolean} hasPartitions */
function lossTable(hasPartitions) {
  /** @type {import('../table.js').Column<Loss>[]} */
  const partition = hasPartitions ? [{ title: 'In partition', cell: ({ partitions }) => places(partitions), mono: true }] : [];
  /** @type {import('../table.js').TableOptions<Loss>} */
  const options = {
    caption: 'What was lost',
    key: ({ cause }) => cause,
    empty: () => h('p', null, 'No node has answered.'),
    columns: [
      { title: 'Cause', cell: ({ title }) => h('span', { class: 'at-node' }, title) },
      { title: 'Count', cell: ({ count }) => (count > 0 ? h('strong', { class: 'lost' }, number(count)) : '0'), numeric: true },
      { title: 'At node', cell: ({ nodes }) => places(nodes), mono: true },
      ...partition,
      { title: 'What it means', cell: ({ means }) => h('span', { class: 'means' }, means) },
    ],
  };
  return table(options);
}

/** Each on a line of its own. @param {string[]} all */
function places(all) {
  return all.length > 0 ? h('span', null, all.map((one) => h('span', { class: 'at-node' }, one))) : '–';
}
