// @ts-check
// The explanation of one event: for each channel a sentence, the receivers, those it did not reach, and the listener of
// a page. An event that the server no longer has is explained as one of now would be.

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
 * @param {string | undefined} here The node that is asked, in a cluster: it has the facts of its own events alone.
 * @returns {Promise<import('../dom.js').Child[]>} */
export async function explainedEvent(row, payloads, here) {
  const app = row.app ?? '';
  if (row.id !== undefined && row.node === here) {
    const kept = await get(['apps', app, 'triggers', row.id], { payloads }).catch(unlessGone);
    if (kept) return keptEvent(row, kept);
  }
  const asked = channelsOf(row).slice(0, 10).map((channel) => get(['apps', app, 'explain'], { channel, event: row.event }));
  const now = await Promise.all(asked);
  return [
    h('p', { class: 'soft' }, row.kind === 'delivery'
      ? `This node queued the event for ${row.subscribers} of its sockets. What an event on the channel would reach now:`
      : 'The server no longer has the facts of this event, or another node has them. What would happen now:'),
    ...now.flatMap((/** @type {any} */ one) => [
      ...onChannel(row, { channel: one.channel, ...one.now }),
      past(one.past),
    ]).filter(Boolean),
  ];
}

/** @param {unknown} failure */
function unlessGone(failure) {
  if (failure instanceof ApiError && failure.status === 404) return null;
  throw failure;
}

/** @param {Row} row
 * @param {any} kept */
function keptEvent(row, kept) {
  const { copy } = kept;
  return [
    ...kept.channels.flatMap((/** @type {ExplainedChannel} */ channel) => onChannel(row, channel)),
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
 * @param {ExplainedChannel} channel */
function onChannel(row, channel) {
  const isReceived = channel.sockets > 0;
  return [
    h('h3', { class: 'channel-name' }, channel.channel),
    notice(isReceived ? 'good' : 'warn', ...withCode(channel.sentence)),
    receivers(channel),
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
