// @ts-check
// The explanation of one event: for each channel a sentence, the receivers on each node, those it did not reach, and the
// listener of a page. An event that no node has any more is explained as one of now would be.

import { ApiError, get } from '../api.js';
import { h } from '../dom.js';
import { counted, duration } from '../format.js';
import { notice } from '../parts.js';
import { copies } from './copy.js';
import { channelsOf } from './row_text.js';
import { withCode } from './sentence.js';

/** @typedef {import('./row_text.js').Row} Row */
/** @typedef {{
 *   channel: string, verdict: string, sentence: string, sockets: number, nodes: number, receivers?: string[],
 *   unreached?: { reason: string, sentence: string }[], listen?: string, echo?: string,
 * }} ExplainedChannel */
/** @typedef {{
 *   channel: string, nodes: { node?: string, receivers: string[], as_of: 'event' | 'now' }[],
 *   other_nodes?: { answered: number, missing: number | null },
 * }} OnNodes */

/** Each of them waits half a second for the other nodes. */
const TRIES_MAX = 3;

const WORDS = /** @type {Record<string, string>} */ ({
  excepted: 'Excepted',
  near_miss: 'Near name',
  other_app: 'Other app',
  too_early: 'Too early',
  left: 'Left before',
  refused: 'Refused before',
  no_client: 'No client',
});

/** @param {Row} row
 * @param {string} payloads What of the data may be copied.
 * @param {string | undefined} here The node that is asked, in a cluster.
 * @returns {Promise<import('../dom.js').Child[]>} */
export async function explainedEvent(row, payloads, here) {
  const app = row.app ?? '';
  const nodes = here === undefined ? [] : await byNode(row);
  if (row.id !== undefined) {
    const kept = await keptTrigger(app, row.id, payloads);
    if (kept) return keptEvent(row, kept, nodes);
  }
  const asked = channelsOf(row).slice(0, 10).map((channel) => get(['apps', app, 'explain'], { channel, event: row.event }));
  const now = await Promise.all(asked);
  return [
    h('p', { class: 'soft' }, row.kind === 'delivery'
      ? `${row.node === undefined ? 'The server' : `Node ${row.node}`} queued the event for ${counted(row.subscribers ?? 0, 'socket')} of its own. What an event on the channel would reach now:`
      : 'The facts of this event are not kept any more. What would happen now:'),
    ...now.flatMap((/** @type {any} */ one) => [
      ...onChannel(row, { channel: one.channel, ...one.now }, nodes),
      past(one.past),
    ]).filter(Boolean),
  ];
}

/** What the node that published the event keeps of it, or null where that is gone. A node that is busy is asked again.
 * @param {string} app
 * @param {string} id
 * @param {string} payloads
 * @returns {Promise<any>} */
async function keptTrigger(app, id, payloads) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await get(['apps', app, 'triggers', id], { payloads });
    } catch (failure) {
      if (failure instanceof ApiError && failure.status === 404) return null;
      if (!(failure instanceof ApiError && failure.status === 503 && tries < TRIES_MAX)) throw failure;
    }
  }
}

/** Who received an event on each node, for each of its first channels.
 * @param {Row} row
 * @returns {Promise<OnNodes[]>} */
function byNode(row) {
  const { event, bytes, except, at_ms: at } = row;
  return Promise.all(channelsOf(row).slice(0, 10).map((channel) => receiversOf(row.app ?? '', { channel, event, bytes, except, at_ms: at })));
}

/** A node that is busy is asked again.
 * @param {string} app
 * @param {import('../api.js').Parameters} event
 * @returns {Promise<OnNodes>} */
async function receiversOf(app, event) {
  for (let tries = 1; ; tries += 1) {
    /** @type {OnNodes} */
    const answer = await get(['apps', app, 'receivers'], event);
    if (!answer.other_nodes?.missing || tries === TRIES_MAX) return answer;
  }
}

/** @param {Row} row
 * @param {any} kept
 * @param {OnNodes[]} nodes */
function keptEvent(row, kept, nodes) {
  const { copy } = kept;
  return [
    ...kept.channels.flatMap((/** @type {ExplainedChannel} */ channel) => onChannel(row, channel, nodes)),
    kept.omitted_channels && h('p', { class: 'soft' }, `It has ${kept.omitted_channels} further channels, which are not explained.`),
    h('p', { class: 'soft' }, kept.socket_id
      ? `socket_id of the trigger: ${kept.socket_id}`
      : 'socket_id of the trigger: none (no toOthers(), or no browser behind it)'),
    h('h3', null, 'Copy'),
    copies([
      { name: 'curl', text: copy.curl },
      { name: 'resound trigger', text: copy.resound },
      { name: 'Echo listener', text: copy.echo },
      { name: 'PHP event', text: copy.php },
    ]),
  ].filter(Boolean);
}

/** @param {Row} row
 * @param {ExplainedChannel} channel
 * @param {OnNodes[]} nodes None without a cluster. */
function onChannel(row, channel, nodes) {
  const isReceived = channel.sockets > 0;
  const ofNodes = nodes.find((one) => one.channel === channel.channel);
  return [
    h('h3', { class: 'channel-name' }, channel.channel),
    notice(isReceived ? 'good' : 'warn', ...withCode(channel.sentence)),
    ofNodes ? onNodes(ofNodes) : receivers(channel),
    unreached(channel.unreached ?? []),
    isReceived && listener(row, channel),
  ].filter(Boolean);
}

/** @param {ExplainedChannel} channel */
function receivers({ receivers: ids, sockets }) {
  if (!ids || ids.length === 0) return null;
  const more = sockets > ids.length ? `, of ${sockets}` : '';
  return h('details', { class: 'fold' },
    h('summary', null, `Received by ${counted(ids.length, 'socket')}${more}`),
    h('ul', { class: 'ids' }, ids.map((id) => h('li', null, id))));
}

/** The sockets of each node, those of now where the node has not kept those of the event.
 * @param {OnNodes} answer */
function onNodes({ nodes, other_nodes: others }) {
  const missing = others?.missing === null ? 'Redis is away: the other nodes cannot be asked.' : (others?.missing ?? 0) > 0 && `${counted(others?.missing ?? 0, 'node')} did not answer in time.`;
  return h('div', { class: 'by-node' }, h('h4', null, 'Received on each node'),
    h('ul', { class: 'unreached' }, nodes.map(({ node, receivers: ids, as_of: asOf }) => h('li', null,
      h('code', null, node ?? 'this node'), ' ', ids.length > 0 ? counted(ids.length, 'socket') : 'no socket',
      asOf === 'now' && ids.length > 0 && ' subscribed now: who was at the time of the event is not kept',
      ids.length > 0 && h('ul', { class: 'ids' }, ids.map((id) => h('li', null, id)))))),
    missing && h('p', { class: 'soft' }, missing));
}

/** @param {{ reason: string, sentence: string }[]} all */
function unreached(all) {
  if (all.length === 0) return null;
  return h('div', null, h('h4', null, 'Did not receive it'), h('ul', { class: 'unreached' },
    all.map(({ reason, sentence }) => h('li', null, h('span', { class: 'tag' }, WORDS[reason] ?? reason), ' ', withCode(sentence)))));
}

/** Which names a page listens for is not on the wire, so the call that fits is shown.
 * @param {Row} row
 * @param {ExplainedChannel} channel */
function listener(row, channel) {
  if (!channel.listen) return null;
  return h('div', { class: 'listener' },
    h('h4', null, 'Delivered, and the page shows nothing?'),
    h('p', null, 'The name on the wire is ', h('code', null, row.event ?? ''), '. Of Echo’s calls this one receives it, to the letter:'),
    h('pre', { class: 'code', tabindex: '0' }, channel.echo ?? channel.listen));
}

/** @param {{ sentence: string, ago_ms: number }[]} events */
function past(events) {
  if (!events || events.length === 0) return null;
  return h('ul', { class: 'unreached' }, events.map(({ sentence, ago_ms: ago }) => h('li', null, `${duration(ago)} ago: `, withCode(sentence))));
}
