// @ts-check
// What the reader of the Live page wants to see: the fields of the filter bar, their form in the address and in the
// query of the stream. Leaves matching to the server.

import { h } from '../dom.js';
import { field } from '../parts.js';

/** @typedef {{ app: string, channel: string, event: string, socket: string, outcome: string, kind: string, payloads: string }} Filters */

/** What there is to choose from.
 * @typedef {{ apps: string[], payloads: string[] }} Offer */

/** Groups of kinds a reader thinks in; deliveries repeat events, so they are off at first. */
export const KIND_GROUPS = [
  { name: 'Events', kinds: ['trigger'] },
  { name: 'Subscriptions', kinds: ['subscribed', 'unsubscribed'] },
  { name: 'Connections', kinds: ['connected', 'closed'] },
  { name: 'Refusals', kinds: ['refused'] },
  { name: 'Webhooks', kinds: ['webhook'] },
  { name: 'Deliveries', kinds: ['delivery'] },
];

const DEFAULT_KINDS = KIND_GROUPS.slice(0, 5).flatMap((group) => group.kinds);

const OUTCOMES = [
  { value: '', name: 'All' },
  { value: 'delivered', name: 'Delivered' },
  { value: 'missed', name: 'No receiver' },
  { value: 'refused', name: 'Refused' },
];

/** The filters in an address such as `#/live?channel=orders.*`.
 * @param {URLSearchParams} query
 * @returns {Filters} */
export function filtersOf(query) {
  const text = (/** @type {string} */ name) => query.get(name) ?? '';
  return {
    app: text('app'),
    channel: text('channel'),
    event: text('event'),
    socket: text('socket'),
    outcome: text('outcome'),
    kind: text('kind'),
    payloads: text('payloads'),
  };
}

/** The inverse: only what is set, so that a plain address stays plain.
 * @param {Filters} filters */
export function queryOf(filters) {
  const set = Object.entries(filters).filter(([, value]) => value !== '');
  return new URLSearchParams(set).toString();
}

/** The parameters of the stream.
 * @param {Filters} filters
 * @param {number} rowsPerSecond */
export function parametersOf(filters, rowsPerSecond) {
  const kind = filters.kind || (filters.outcome ? '' : DEFAULT_KINDS.join(','));
  return { ...filters, kind, max_rows_per_second: rowsPerSecond };
}

/** The filter bar. `changed` is called with all filters after each change.
 * @param {Filters} filters
 * @param {Offer} offer
 * @param {(filters: Filters) => void} changed */
export function filterBar(filters, offer, changed) {
  const now = { ...filters };
  let typing = 0;
  const set = (/** @type {Partial<Filters>} */ change) => {
    Object.assign(now, change);
    changed({ ...now });
  };
  const typed = (/** @type {'channel' | 'event' | 'socket'} */ name, /** @type {string} */ label, /** @type {string} */ hint) => {
    const input = h('input', { type: 'search', value: now[name], placeholder: hint, spellcheck: 'false', autocomplete: 'off' });
    input.addEventListener('input', () => {
      clearTimeout(typing);
      typing = setTimeout(() => set({ [name]: input.value.trim() }), 250);
    });
    return field(label, input);
  };
  return h('form', { class: 'filters', 'aria-label': 'Filters', onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    h('div', { class: 'filter-fields' },
      offer.apps.length > 1 ? choice('App', ['', ...offer.apps], now.app, (app) => set({ app }), (app) => app || 'All apps') : null,
      typed('channel', 'Channel', 'orders.*'),
      typed('event', 'Event', '*Shipped'),
      typed('socket', 'Socket', '123.456'),
      choice('Payload', offer.payloads, now.payloads || shownByDefault(offer.payloads), (payloads) => set({ payloads }), (view) => view)),
    h('div', { class: 'filter-choices' },
      group('Outcome', OUTCOMES.map(({ value, name }) => toggle(name, () => now.outcome === value, () => set({ outcome: value })))),
      group('Show', KIND_GROUPS.map(({ name, kinds }) => toggle(name, () => isShown(now, kinds), () => set({ kind: toggled(now, kinds) }))))));
}

/** What the server shows of payloads where none is asked for.
 * @param {string[]} payloads */
export function shownByDefault(payloads) {
  return payloads.includes('masked') ? 'masked' : 'none';
}

/** @param {Filters} filters
 * @param {string[]} kinds */
function isShown(filters, kinds) {
  const shown = filters.kind ? filters.kind.split(',') : DEFAULT_KINDS;
  return kinds.every((kind) => shown.includes(kind));
}

/** The kinds after one group was switched; nothing is everything.
 * @param {Filters} filters
 * @param {string[]} kinds */
function toggled(filters, kinds) {
  const shown = filters.kind ? filters.kind.split(',') : DEFAULT_KINDS;
  const next = isShown(filters, kinds) ? shown.filter((kind) => !kinds.includes(kind)) : [...shown, ...kinds];
  const isDefault = next.length === DEFAULT_KINDS.length && DEFAULT_KINDS.every((kind) => next.includes(kind));
  return isDefault ? '' : next.join(',');
}

/** @param {string} label
 * @param {HTMLElement[]} buttons */
function group(label, buttons) {
  const refresh = () => buttons.forEach((button) => button.dispatchEvent(new Event('refresh')));
  return h('div', { class: 'choices', role: 'group', 'aria-label': label, onclick: refresh }, h('span', { class: 'choices-label' }, label), buttons);
}

/** A button that is pressed or not.
 * @param {string} name
 * @param {() => boolean} isOn
 * @param {() => void} press */
function toggle(name, isOn, press) {
  const button = h('button', { type: 'button', class: 'chip', 'aria-pressed': String(isOn()), onclick: press }, name);
  button.addEventListener('refresh', () => button.setAttribute('aria-pressed', String(isOn())));
  return button;
}

/** @param {string} label
 * @param {string[]} values
 * @param {string} value
 * @param {(value: string) => void} chosen
 * @param {(value: string) => string} shown */
function choice(label, values, value, chosen, shown) {
  const options = values.map((one) => h('option', { value: one, selected: one === value }, shown(one)));
  const select = h('select', null, options);
  select.addEventListener('change', () => chosen(select.value));
  return field(label, select);
}
