// @ts-check
// What other programs publish in Redis for the apps of this server: whether it arrives, what was counted, and why an input is away.

import { get, poll } from './api.js';
import { h, keyed, write } from './dom.js';
import { counted, date, duration, number } from './format.js';
import { showFailure } from './lists.js';
import { notice, section, status } from './parts.js';
import { table } from './table.js';

/**
 * @typedef {{ node?: string, input: 'laravel' | 'reverb', section: string, app?: string, address: string, state: 'connected' | 'away',
 *   for_ms: number, reconnects: number, cause: string | null, software: string | null, version: string | null, topics: number,
 *   messages: number, messages_refused: { reason: string, count: number }[], messages_published: number, possible_gaps: number,
 *   links_lost: number }} Input
 */
/** @typedef {{ inputs: Input[], other_nodes?: { answered: number, missing: number | null } }} Inputs */

const EVERY_MS = 2000;

/** @param {Input} input */
const nameOf = ({ input, app }) => (input === 'laravel' ? `Laravel, app ${app}` : 'Reverb');

/** @param {Input} input */
const keyOf = ({ node, section: of }) => `${node ?? ''} ${of}`;

/**
 * The part of a page about the inputs, hidden where there are none; returns what ends it.
 * @returns {{ causes: HTMLElement, element: HTMLElement, stop: () => void }}
 */
export function redisInputs() {
  const [failed, causes, missing] = [h('div'), h('div', { class: 'stack' }), h('p', { class: 'soft' })];
  const place = h('div');
  /** @type {ReturnType<typeof inputTable> | null} */
  let rows = null;
  const what = h('p', { class: 'soft' }, 'What Laravel or Reverb publishes in Redis, since the start of each node. Each node receives every message itself.');
  const element = section('Inputs', what, place, missing, failed);
  element.hidden = true;

  /** @param {Inputs} answer */
  function show({ inputs, other_nodes: others }) {
    showFailure(failed, null);
    element.hidden = inputs.length === 0;
    if (!rows && inputs.length > 0) {
      rows = inputTable(inputs[0].node !== undefined);
      place.append(rows.element);
    }
    rows?.update(inputs);
    write(missing, (others?.missing ?? 0) > 0 ? `${counted(others?.missing ?? 0, 'node')} did not answer within half a second.` : '');
    const away = inputs.filter(({ state }) => state === 'away');
    keyed(causes, away, keyOf, (one) => notice('bad', sentence(one)), (shown, one) => write(shown, sentence(one)));
  }
  return { causes, element, stop: poll(EVERY_MS, async (signal) => show(await get('inputs', {}, { signal })), (failure) => showFailure(failed, failure)) };
}

/** @param {Input} input */
function sentence(input) {
  const from = input.node === undefined ? '' : ` from node ${input.node}`;
  const why = input.cause ? `: ${input.cause}` : '';
  return `The Redis of ${nameOf(input)} is away${from} since ${duration(input.for_ms)}${why}. What is published there does not arrive.`;
}

/** @param {Input} input */
function refused({ messages_refused: all }) {
  if (all.length === 0) return '0';
  const text = all.map(({ reason, count }) => `${number(count)} ${reason.replaceAll('_', ' ')}`).join(', ');
  return h('span', { class: 'lost' }, text);
}

/** @param {boolean} isCluster */
function inputTable(isCluster) {
  /** @type {import('./table.js').Column<Input>[]} */
  const node = isCluster ? [{ title: 'Node', cell: (row) => row.node ?? '–', sort: (row) => row.node ?? '', mono: true }] : [];
  /** @type {import('./table.js').TableOptions<Input>} */
  const options = {
    caption: 'The inputs from Redis',
    key: keyOf,
    empty: () => h('p', null, 'No input is configured.'),
    columns: [
      { title: 'Input', cell: (row) => h('span', null, h('span', { class: 'at-node' }, nameOf(row)), h('code', null, row.section)), sort: nameOf },
      ...node,
      { title: 'State', cell: ({ state }) => (state === 'connected' ? status('good', 'Connected') : status('bad', 'Away')) },
      { title: 'For', cell: ({ for_ms: ms }) => h('span', { title: `since ${date(Date.now() - ms)}` }, duration(ms)), sort: ({ for_ms: ms }) => ms, numeric: true },
      { title: 'Address', cell: ({ address }) => address, sort: ({ address }) => address, mono: true },
      { title: 'Topics', cell: ({ topics }) => number(topics), sort: ({ topics }) => topics, numeric: true },
      { title: 'Messages', cell: ({ messages }) => number(messages), sort: ({ messages }) => messages, numeric: true },
      { title: 'Not delivered', cell: refused },
      { title: 'Possible gaps', cell: ({ possible_gaps: gaps }) => (gaps > 0 ? h('strong', { class: 'lost' }, number(gaps)) : '0'), sort: ({ possible_gaps: gaps }) => gaps, numeric: true },
      { title: 'Reconnects', cell: ({ reconnects }) => number(reconnects), sort: ({ reconnects }) => reconnects, numeric: true },
    ],
  };
  return table(options);
}
