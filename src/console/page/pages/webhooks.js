// @ts-check
// The page Webhooks: the endpoints of each app, what waits for them, their last calls, and a call that is made again at once.

import { get, poll, post } from '../api.js';
import { fill, h } from '../dom.js';
import { counted, date, duration, milliseconds, number, time } from '../format.js';
import { copyButton, empty, notice, section, status } from '../parts.js';

/** Between two looks: a retry is due within seconds. */
const LOOK_EVERY_MS = 2000;

/** A whole entry of the configuration. */
const EXAMPLE = '[[apps.webhooks]]\nurl = "https://example.com/webhooks"\nevents = ["channel_occupied", "channel_vacated"]';

/** @typedef {{ at_ms: number, took_ms: number, result: string, status?: number, cause?: string, events: number, kinds: string[] }} Call */
/** @typedef {{ url: string, events: string[], queue_events: number, oldest_event_ms: number | null, retry_in_ms: number | null, calls: Call[] }} Endpoint */
/** @typedef {{ app: string, node?: string, endpoints: Endpoint[] }} AppEndpoints */

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Webhooks',
  render(root, { mayChange }) {
    const [note, done, list] = [h('div'), h('div', { role: 'status' }), h('div', { class: 'webhooks' })];
    let shown = '';
    const look = async (/** @type {AbortSignal | undefined} */ signal) => {
      const { apps } = await get('apps', {}, { signal });
      /** @type {AppEndpoints[]} */
      const all = await Promise.all(apps.map((/** @type {string} */ app) => get(['apps', app, 'webhooks'], {}, { signal })));
      const some = all.filter(({ endpoints }) => endpoints.length > 0);
      fill(note);
      // What did not change stays, with the focus in it.
      const now = JSON.stringify(some);
      if (now === shown && list.firstChild) return;
      shown = now;
      const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.focus;
      fill(list, some.length > 0 ? some.map((app) => ofApp(app, mayChange ? resend : null)) : none());
      if (focused) [.../** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll('[data-focus]'))].find((one) => one.dataset.focus === focused)?.focus();
    };
    const resend = async (/** @type {string} */ app, /** @type {number} */ at) => {
      try {
        await post(['apps', app, 'webhooks', String(at), 'resend']);
        fill(done, notice('info', 'The call is made now; its result comes up in the list.'));
        await look(undefined);
      } catch (failure) {
        fill(done, notice('bad', failure instanceof Error ? failure.message : String(failure)));
      }
    };
    root.append(note, done, list);
    return poll(LOOK_EVERY_MS, look, (failure) => fill(note, notice('bad', failure.message)));
  },
};

function none() {
  return empty('No app reports to a back end', 'Add a webhook to an app in the configuration and reload it:', h('code', null, EXAMPLE), copyButton('Copy', () => EXAMPLE));
}

/**
 * @param {AppEndpoints} app
 * @param {((app: string, at: number) => void) | null} resend
 */
function ofApp({ app, node, endpoints }, resend) {
  const from = node && h('p', { class: 'soft' }, `What node ${node} has sent; each event is sent by one node of the cluster.`);
  return section(`App ${app}`, from, ...endpoints.map((endpoint, at) => one(endpoint, `${app} ${at}`, resend && (() => resend(app, at)))));
}

/**
 * @param {Endpoint} endpoint
 * @param {string} key
 * @param {(() => void) | null} resend
 */
function one(endpoint, key, resend) {
  const { url, events, queue_events: waiting, oldest_event_ms: oldest, retry_in_ms: retry, calls } = endpoint;
  const last = calls[0];
  const state = !last ? status('off', 'Not called yet') : last.result === 'taken' ? status('good', 'Takes calls') : status('bad', 'Fails');
  const backlog = `${counted(waiting, 'event')} waiting${oldest === null ? '' : `; the oldest, waiting or being sent, is ${duration(oldest)} old`}`;
  const again = retry !== null && h('div', { class: 'row' }, h('span', null, `The next try is in ${duration(retry)}.`), resend && h('button', { type: 'button', 'data-focus': `${key} resend`, onclick: resend }, 'Resend now'));
  const head = h('div', { class: 'row' }, h('strong', { class: 'webhook-url' }, url), state);
  const facts = h('p', { class: 'soft' }, `${events.length > 0 ? events.join(', ') : 'All events'} · ${backlog}`);
  return h('article', { class: 'card webhook' }, head, facts, last?.cause && notice('bad', last.cause), again, calls.length > 0 && list(url, calls, key));
}

/**
 * @param {string} url
 * @param {Call[]} calls
 * @param {string} key
 */
function list(url, calls, key) {
  const heads = ['Time', 'Result', 'Took', 'Events', 'Kinds'];
  const rows = calls.map((call) => {
    const result = call.result === 'taken' ? status('good', 'taken') : status('bad', call.status ? String(call.status) : call.result.replaceAll('_', ' '));
    const cells = [h('span', { title: date(call.at_ms) }, time(call.at_ms)), result, milliseconds(call.took_ms), number(call.events), call.kinds.join(', ')];
    return h('tr', null, cells.map((cell, at) => h('td', { 'data-label': heads[at], title: at === 1 ? call.cause : null }, cell)));
  });
  const table = h('table', null, h('thead', null, h('tr', null, heads.map((name) => h('th', { scope: 'col' }, name)))), h('tbody', null, rows));
  return h('div', { class: 'table', tabindex: 0, role: 'region', 'data-focus': `${key} calls`, 'aria-label': `The last calls of ${url}` }, table);
}
