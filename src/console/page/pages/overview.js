// @ts-check
// The page Overview: what needs attention on top, the figures of now with ten minutes of each, and the nodes side by side.

import { get, poll } from '../api.js';
import { sparkline } from '../chart.js';
import { fill, h, keyed, merge, set, write } from '../dom.js';
import { bytes, counted, date, duration, milliseconds, number, percent, rate } from '../format.js';
import { notice, section, status } from '../parts.js';
import { table } from '../table.js';

/** @typedef {{ refused: number, slow_sockets: number, failed_writes: number, lost_webhook_events: number, lost_redis_events: number }} Errors */
/** @typedef {Record<string, number | null> & { errors: Errors }} Figures */
/** @typedef {{ code: string, severity: 'bad' | 'warn', sentence: string, since_ms?: number, page?: string }} Attention */
/** @typedef {{ node?: string, version: string, uptime_seconds: number, redis: string, figures: Figures, attention: Attention[] }} NodeOverview */
/** @typedef {{ now_ms: number, nodes: NodeOverview[], total: Figures, other_nodes?: { answered: number, missing: number | null } }} Overview */
/** @typedef {{ now_ms: number, start_ms: number, step_ms: number, series: Record<string, (number | null)[]> }} Timeline */
/** @typedef {{ title: string, figure: string, series: string, scale?: number, format: (value: number | null) => string, note?: (figures: Figures) => string }} Tile */

const SPAN_MS = 600_000;
const STEP_SECONDS = 5;
const FIGURES_EVERY_MS = 2000;
const CHARTS_EVERY_MS = 5000;

/** @type {Tile[]} */
const TILES = [
  { title: 'Sockets', figure: 'sockets', series: 'sockets', format: number },
  { title: 'Subscriptions', figure: 'subscriptions', series: 'subscriptions', format: number },
  { title: 'Events in, a second', figure: 'events_in_per_second', series: 'events_in_per_second', format: rate },
  { title: 'Events out, a second', figure: 'events_out_per_second', series: 'events_out_per_second', format: rate },
  { title: 'Latency p99', figure: 'latency_p99_ms', series: 'latency_p99_ms', format: milliseconds, note: (figures) => `p50 ${milliseconds(figures.latency_p50_ms)}` },
  { title: 'Errors, a minute', figure: 'errors_per_minute', series: 'errors_per_second', scale: 60, format: number, note: errorParts },
  { title: 'Memory', figure: 'memory_bytes', series: 'memory_bytes', format: bytes },
  { title: 'CPU', figure: 'cpu_cores', series: 'cpu_cores', format: percent, note: () => 'of one core' },
];

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Overview',
  render(root, { actions }) {
    let isOfCluster = true;
    const attention = h('ul', { class: 'attention', 'aria-label': 'What needs attention' });
    const tiles = TILES.map(makeTile);
    const charts = h('div', { class: 'tiles' }, tiles.map(({ element }) => element));
    const failure = h('div', { role: 'alert' });
    const hint = h('div');
    const nodes = nodeTable();
    const nodeSection = section('Nodes', nodes.element);
    const missing = h('p', { class: 'soft' });
    nodeSection.append(missing);
    nodeSection.hidden = true;
    root.append(failure, attention, charts, hint, nodeSection);

    const scopes = [scopeButton('Cluster', true), scopeButton('This node', false)];
    /**
     * @param {string} label
     * @param {boolean} ofCluster
     */
    function scopeButton(label, ofCluster) {
      const choose = () => {
        isOfCluster = ofCluster;
        restart();
      };
      return h('button', { type: 'button', 'aria-pressed': String(ofCluster === isOfCluster), onclick: choose }, label);
    }

    /** @param {Overview} overview */
    function show(overview) {
      fill(failure);
      const isCluster = overview.other_nodes !== undefined;
      if (isCluster && actions.children.length === 0) actions.append(h('div', { class: 'row', role: 'group', 'aria-label': 'Whose figures' }, scopes));
      showAttention(attention, isOfCluster ? overview.nodes : overview.nodes.slice(0, 1));
      const figures = isOfCluster ? overview.total : overview.nodes[0].figures;
      tiles.forEach((tile) => tile.show(figures));
      nodeSection.hidden = !isCluster;
      nodes.update(overview.nodes);
      write(missing, missingNodes(overview));
      merge(hint, figures.sockets === 0 && figures.events_in_per_second === 0 ? firstSteps() : null);
    }

    /** @param {Timeline} timeline */
    function draw({ now_ms: now, start_ms: start, step_ms: step, series }) {
      tiles.forEach((tile) => tile.draw((series[tile.series] ?? []).map((value, at) => ({ at: start + at * step, value: value === null ? null : value * tile.scale })), now));
    }

    const failed = (/** @type {{ message: string }} */ { message }) => fill(failure, notice('bad', `${message} What is shown is from before.`));
    const scope = () => (isOfCluster ? 'all' : 'this');
    let stops = start();
    function start() {
      return [
        poll(FIGURES_EVERY_MS, async (signal) => show(await get('overview', { nodes: 'all' }, { signal })), failed),
        poll(CHARTS_EVERY_MS, async (signal) => draw(await get('timeline', { since: Date.now() - SPAN_MS - 60_000, step: STEP_SECONDS, nodes: scope() }, { signal })), failed),
      ];
    }
    function restart() {
      scopes.forEach((button, at) => set(button, { 'aria-pressed': String((at === 0) === isOfCluster) }));
      stops.forEach((stop) => stop());
      stops = start();
    }
    return () => stops.forEach((stop) => stop());
  },
};

/**
 * What failed, each part with its number.
 * @param {Figures} figures
 */
function errorParts({ errors }) {
  /** @type {[number, string][]} */
  const parts = [
    [errors.refused, 'refused'],
    [errors.slow_sockets, 'closed as too slow'],
    [errors.failed_writes, 'not written'],
    [errors.lost_webhook_events, 'lost to webhooks'],
    [errors.lost_redis_events, 'lost between nodes'],
  ];
  return parts.filter(([count]) => count > 0).map(([count, word]) => `${number(count)} ${word}`).join(', ');
}

/** @param {Tile} tile */
function makeTile({ title, figure, series, scale = 1, format, note }) {
  const value = h('strong', { class: 'value' }, '–');
  const beside = note ? h('span', { class: 'soft' }) : null;
  const chart = sparkline({ name: title, format, spanMs: SPAN_MS });
  const element = h('section', { class: 'card tile' }, h('h2', null, title), h('p', { class: 'figure' }, value, beside), chart.element);
  return {
    element,
    series,
    scale,
    draw: chart.update,
    show(/** @type {Figures} */ figures) {
      write(value, format(figures[figure] ?? null));
      if (!beside || !note) return;
      write(beside, note(figures));
      set(beside, { title: beside.textContent });
    },
  };
}

/**
 * @param {HTMLElement} list
 * @param {NodeOverview[]} nodes
 */
function showAttention(list, nodes) {
  const isSeveral = nodes.length > 1;
  // What several nodes say alike stands once.
  const all = new Map(nodes.flatMap(({ node, attention }) => attention.map((one) => [isSeveral && one.code !== 'redis_away' ? `${node} ${one.code}` : one.code, { ...one, node: isSeveral ? node : undefined }])));
  const items = [...all].map(([key, one]) => ({ key, ...one })).sort((one, other) => one.severity.localeCompare(other.severity));
  if (items.length === 0) keyed(list, ['calm'], (key) => key, () => h('li', { class: 'calm' }, status('good', 'Nothing needs attention')));
  else keyed(list, items, ({ key, severity, page, node }) => `${key} ${severity} ${page} ${node}`, makeItem, updateItem);
}

/** @param {Attention & { node?: string }} item */
function makeItem(item) {
  const sentence = h('span', { class: 'sentence' }, item.sentence);
  const [severity, word] = item.severity === 'bad' ? /** @type {const} */ (['bad', 'Now']) : /** @type {const} */ (['warn', 'Soon']);
  const where = h('span', { class: 'soft' }, item.node && `${item.node} `, item.since_ms && item.code !== 'redis_away' && `since ${date(item.since_ms)}`);
  const link = item.page ? h('a', { href: `#/${item.page}`, 'aria-label': `Show ${item.page}: ${item.sentence}` }, 'Show') : null;
  return h('li', { class: item.severity }, status(severity, word), sentence, where, link);
}

/**
 * @param {Element} element
 * @param {Attention} item
 */
function updateItem(element, { sentence }) {
  const shown = element.querySelector('.sentence');
  if (shown) write(shown, sentence);
}

function nodeTable() {
  const of = (/** @type {string} */ name) => (/** @type {NodeOverview} */ { figures }) => figures[name] ?? 0;
  /** @type {import('../table.js').TableOptions<NodeOverview>} */
  const options = {
    caption: 'The nodes of the cluster',
    key: ({ node }) => node ?? '',
    empty: () => h('p', null, 'No node has answered.'),
    columns: [
      { title: 'Node', cell: ({ node }) => node ?? '', sort: ({ node }) => node ?? '', mono: true },
      { title: 'State', cell: (one) => nodeStatus(one) },
      { title: 'Sockets', cell: ({ figures }) => number(figures.sockets), sort: of('sockets'), numeric: true },
      { title: 'Subscriptions', cell: ({ figures }) => number(figures.subscriptions), sort: of('subscriptions'), numeric: true },
      { title: 'In / s', cell: ({ figures }) => rate(figures.events_in_per_second), sort: of('events_in_per_second'), numeric: true },
      { title: 'Out / s', cell: ({ figures }) => rate(figures.events_out_per_second), sort: of('events_out_per_second'), numeric: true },
      { title: 'p99', cell: ({ figures }) => milliseconds(figures.latency_p99_ms), sort: of('latency_p99_ms'), numeric: true },
      { title: 'Redis p50', cell: ({ figures }) => milliseconds(figures.redis_p50_ms), sort: of('redis_p50_ms'), numeric: true },
      { title: 'Memory', cell: ({ figures }) => bytes(figures.memory_bytes), sort: of('memory_bytes'), numeric: true },
      { title: 'CPU', cell: ({ figures }) => percent(figures.cpu_cores), sort: of('cpu_cores'), numeric: true },
      { title: 'Up', cell: ({ uptime_seconds: seconds }) => duration(seconds * 1000), sort: ({ uptime_seconds: seconds }) => seconds, numeric: true },
    ],
  };
  return table(options);
}

/** @param {NodeOverview} node */
function nodeStatus({ redis, attention }) {
  if (redis === 'away') return status('bad', 'Redis away');
  return attention.length > 0 ? status('warn', counted(attention.length, 'warning')) : status('good', 'Well');
}

/** @param {Overview} overview */
function missingNodes({ other_nodes: others }) {
  if (!others) return '';
  if (others.missing === null) return 'Redis is away: the other nodes cannot be asked, and the figures are those of this node.';
  return others.missing > 0 ? `${counted(others.missing, 'node')} did not answer in time, and ${others.missing === 1 ? 'its' : 'their'} figures are missing.` : '';
}

function firstSteps() {
  return h('div', { class: 'empty' }, h('h2', null, 'No client is connected'), h('p', null, 'Open a page of your application that uses Echo. If it does not connect, ', h('a', { href: '#/refused' }, 'Refused'), ' says why, and ', h('a', { href: '#/apps' }, 'Apps'), ' has the lines for your .env. ', h('a', { href: '#/publish' }, 'Publish'), ' sends a first event.'));
}
