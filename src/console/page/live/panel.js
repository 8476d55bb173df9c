// @ts-check
// The explanation of one row beside the list: who received an event, who did not and why; the cause and the remedy of a
// refusal. The sentences are the server's.

import { get } from '../api.js';
import { fill, h } from '../dom.js';
import { bytes, counted, date } from '../format.js';
import { notice, status } from '../parts.js';
import { explainedEvent } from './explained_event.js';
import { payload } from './payload.js';
import { channelsOf, kindName, outcomeOf, partName, whatOf } from './row_text.js';
import { withCode } from './sentence.js';

/** @typedef {import('./row_text.js').Row} Row */

export class Panel {
  /** Rows that were opened and closed meanwhile must not show up. */
  #turn = 0;
  /** @type {HTMLElement | null} */
  #opener = null;
  #body = h('div', { class: 'panel-body' });

  /** @param {() => string} payloads What of the data may be copied.
   * @param {string | undefined} here The node that is asked, in a cluster. */
  constructor(payloads, here) {
    this.here = here;
    this.payloads = payloads;
    this.element = h('aside', { class: 'panel', 'aria-label': 'Explanation', hidden: true },
      h('div', { class: 'panel-head' },
        h('h2', { tabindex: '-1' }, 'Explanation'),
        h('button', { type: 'button', class: 'quiet', onclick: () => this.close() }, 'Close')),
      this.#body);
    this.element.addEventListener('keydown', (event) => event.key === 'Escape' && this.close());
  }

  close() {
    this.#turn += 1;
    this.element.hidden = true;
    this.element.parentElement?.classList.remove('has-panel');
    this.#opener?.closest('tr')?.classList.remove('is-open');
    if (this.#opener?.isConnected) this.#opener.focus();
    this.#opener = null;
  }

  /** @param {Row} row
   * @param {HTMLElement} opener */
  async open(row, opener) {
    this.#turn += 1;
    const turn = this.#turn;
    this.#opener?.closest('tr')?.classList.remove('is-open');
    this.#opener = opener;
    opener.closest('tr')?.classList.add('is-open');
    this.element.hidden = false;
    this.element.parentElement?.classList.add('has-panel');
    const explanation = h('div', { class: 'explanation', 'aria-live': 'polite' }, h('p', { class: 'soft' }, 'Asking the server …'));
    fill(this.#body, heading(row), explanation, h('h3', null, 'The row'), facts(row), dataOf(row));
    this.element.querySelector('h2')?.focus();
    const shown = await this.#explanation(row);
    if (turn === this.#turn) fill(explanation, shown);
  }

  /** @param {Row} row
   * @returns {Promise<import('../dom.js').Child[]>} */
  async #explanation(row) {
    try {
      if (row.kind === 'trigger' || row.kind === 'delivery') return await explainedEvent(row, this.payloads(), this.here);
      if (row.kind === 'refused') return await this.#refusal(row);
    } catch (failure) {
      return [notice('bad', failure instanceof Error ? failure.message : String(failure))];
    }
    return [h('p', null, plainSentence(row))];
  }

  /** @param {Row} row */
  async #refusal(row) {
    const { groups } = await get('refusals', { group: 'cause' });
    const group = groups.find((/** @type {any} */ one) => one.part === row.part && one.reason === row.reason && one.code === row.code);
    return [
      notice('bad', ...withCode(row.cause ?? '')),
      group?.remedy && h('p', { class: 'remedy' }, h('strong', null, 'What to change. '), withCode(group.remedy)),
      group && h('p', { class: 'soft' }, `${counted(group.count, 'refusal')} of this cause since the server started.`),
    ].filter(Boolean);
  }
}

/** @param {Row} row */
function heading(row) {
  const outcome = outcomeOf(row);
  return h('div', { class: 'panel-title' },
    h('div', null, h('span', { class: `kind kind-${row.kind}` }, kindName(row)), ' ', outcome && status(outcome.tone, outcome.name)),
    h('p', { class: 'panel-name' }, row.event ?? (row.kind === 'refused' ? partName(row.part) : whatOf(row))));
}

/** @param {Row} row */
function facts(row) {
  const all = [
    ['Time', date(row.at_ms)],
    ['App', row.app],
    ['Node', row.node],
    ['Channels', channelsOf(row).join(', ')],
    ['Socket', row.socket],
    ['User', row.user_id],
    ['Client', row.client],
    ['Origin', row.origin],
    ['Code', row.code],
    ['Reason', row.reason],
    ['Source', row.source],
    ['Address', row.url],
    ['Events', row.events],
    ['Took', row.took_ms === undefined ? undefined : `${row.took_ms} ms`],
    ['Size', row.bytes === undefined ? undefined : bytes(row.bytes)],
    ['Trigger', row.id],
  ];
  const shown = all.filter(([, value]) => value !== undefined && value !== '');
  return h('dl', { class: 'facts' }, shown.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, String(value))]));
}

/** @param {Row} row */
function dataOf(row) {
  if (row.kind !== 'trigger' && row.kind !== 'delivery') return [];
  return [h('h3', null, 'Payload'), payload(row)];
}

/** @param {Row} row */
function plainSentence(row) {
  const socket = `Socket ${row.socket}`;
  if (row.kind === 'subscribed') return `${socket} subscribed to ${row.channel}. From here on it receives the events of this channel.`;
  if (row.kind === 'unsubscribed') return `${socket} left ${row.channel}. It receives no further events of this channel.`;
  if (row.kind === 'connected') return `${socket} connected${row.client ? ` from ${row.client}` : ''}.`;
  if (row.kind === 'closed') return `${socket} was closed ${whatOf(row)}.`;
  return `${row.events} events were sent to ${row.url}: ${row.result}.`;
}
