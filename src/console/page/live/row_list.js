// @ts-check
// The list of rows: at most 500 of them in the document, the newest on top. Holds rows back while the pointer or the
// reader's choice asks for it, so that a row does not move away under a click.

import { h } from '../dom.js';
import { counted } from '../format.js';
import { status } from '../parts.js';
import { channelsOf, detailOf, kindName, outcomeOf, timeOfDay, whatOf } from './row_text.js';

/** @typedef {import('./row_text.js').Row} Row */

export const ROWS_MAX = 500;

/** Between two changes of the list: a row a frame would be repainted for nothing. */
const FLUSH_EVERY_MS = 100;

export class RowList {
  /** @type {Row[]} */
  #waiting = [];
  #overflow = 0;
  #timer = 0;
  #isPaused = false;
  #isHeld = false;
  #hasNodes = false;
  #body = h('tbody');
  #table;

  /** @param {{ open: (row: Row, button: HTMLElement) => void, held: (waiting: number) => void }} calls */
  constructor(calls) {
    this.calls = calls;
    const heads = ['Time', 'Kind', 'Channel', 'What', 'Outcome', 'Node'].map((name) => h('th', { scope: 'col', class: `cell-${name.toLowerCase()}` }, name));
    this.#table = h('table', { class: 'live-table' }, h('caption', { class: 'visually-hidden' }, 'What happens now, the newest first'), h('thead', null, h('tr', null, heads)), this.#body);
    this.element = h('div', { class: 'live-rows' }, this.#table);
    this.#body.addEventListener('pointerenter', (event) => event.pointerType === 'mouse' && this.#hold(true));
    this.#body.addEventListener('pointerleave', () => this.#hold(false));
    this.#body.addEventListener('focusin', () => this.#hold(true));
    this.#body.addEventListener('focusout', () => this.#hold(false));
    this.#body.addEventListener('keydown', (event) => this.#walk(event));
  }

  /** @param {Row} row */
  add(row) {
    this.#waiting.push(row);
    if (this.#waiting.length > ROWS_MAX) {
      this.#waiting.shift();
      this.#overflow += 1;
    }
    this.#timer ||= setTimeout(() => this.#flush(), FLUSH_EVERY_MS);
  }

  /** @param {boolean} isPaused */
  pause(isPaused) {
    this.#isPaused = isPaused;
    this.#flush();
  }

  clear() {
    this.#waiting = [];
    this.#overflow = 0;
    this.#body.replaceChildren();
    this.calls.held(0);
  }

  stop() {
    clearTimeout(this.#timer);
  }

  get isEmpty() {
    return this.#body.childElementCount === 0 && this.#waiting.length === 0;
  }

  /** @param {boolean} isHeld */
  #hold(isHeld) {
    this.#isHeld = isHeld;
    if (!isHeld) this.#flush();
  }

  #flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#isPaused || this.#isHeld) {
      this.calls.held(this.#waiting.length + this.#overflow);
      return;
    }
    const rows = this.#waiting.map((row) => this.#row(row)).reverse();
    if (this.#overflow > 0) rows.push(leftOut(this.#overflow));
    this.#waiting = [];
    this.#overflow = 0;
    this.#body.prepend(...rows);
    while (this.#body.childElementCount > ROWS_MAX) this.#body.lastElementChild?.remove();
    this.calls.held(0);
  }

  /** @param {Row} row */
  #row(row) {
    if (row.kind === 'dropped') return leftOut(row.count ?? 0);
    if (row.node !== undefined && !this.#hasNodes) {
      this.#hasNodes = true;
      this.#table.classList.add('has-nodes');
    }
    const outcome = outcomeOf(row);
    const channels = channelsOf(row);
    const label = [kindName(row), ...channels, whatOf(row), outcome?.name].filter(Boolean).join(', ');
    const open = h('button', { type: 'button', class: 'row-open', 'aria-label': `${timeOfDay(row.at_ms)} ${label}: explain`, onclick: () => this.calls.open(row, open) }, timeOfDay(row.at_ms));
    return h('tr', { class: `live-row kind-${row.kind}` },
      h('td', { class: 'cell-time' }, open),
      h('td', { class: 'cell-kind' }, h('span', { class: `kind kind-${row.kind}` }, kindName(row))),
      h('td', { class: 'cell-channel' }, channels.length > 1 ? `${channels[0]} +${channels.length - 1}` : channels[0] ?? ''),
      h('td', { class: 'cell-what' }, h('span', { class: 'what' }, whatOf(row)), h('span', { class: 'detail' }, detailOf(row))),
      h('td', { class: 'cell-outcome' }, outcome && status(outcome.tone, outcome.name)),
      h('td', { class: 'cell-node' }, row.node ?? ''));
  }

  /** Up and down go from row to row.
   * @param {KeyboardEvent} event */
  #walk(event) {
    if (!['ArrowDown', 'ArrowUp'].includes(event.key) || !(event.target instanceof HTMLElement)) return;
    event.preventDefault();
    const buttons = [...this.#body.querySelectorAll('button')];
    const at = buttons.findIndex((button) => button === event.target);
    buttons[at + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
  }
}

/** @param {number} count */
function leftOut(count) {
  return h('tr', { class: 'live-gap' }, h('td', { colspan: '6' }, `… ${counted(count, 'row')} left out`));
}
