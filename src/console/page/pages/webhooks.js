// @ts-check
// The page Webhooks: the endpoints of each app, what waits for them, their last calls, a call that is made again at once, and
// calls that were given up, each of which can be sent again.

import { get, poll, post } from '../api.js';
import { fill, h, merge } from '../dom.js';
import { bytes, counted, date, duration, milliseconds, number, time } from '../format.js';
import { copyButton, empty, notice, section, status } from '../parts.js';

/** Between two looks: a retry is due within seconds. */
const LOOK_EVERY_MS = 2000;

/** A whole entry of the configuration. */
const EXAMPLE = '[[apps.webhooks]]\nurl = "https://example.com/webhooks"\nevents = ["channel_occupied", "channel_vacated"]';

/** @typedef {{ at_ms: number, took_ms: number, result: string, status?: number, cause?: string, events: number, kinds: string[], resent?: boolean, node?: string }} Call */
/** @typedef {{ batch: string, at_ms: number, bytes: number, tries: number, events: number, kinds: string[], cause: string, state: 'kept' | 'too_large' | 'resending' | 'taken', node?: string }} GivenUp */
/** @typedef {{ url: string, events: string[], queue_events: number, oldest_event_ms: number | null, retry_in_ms: number | null, results: Record<string, number>, calls: Call[], given_up: GivenUp[] }} Endpoint */
/** @typedef {{ app: string, node?: string, endpoints: Endpoint[], other_nodes?: { answered: number, missing: number | null } }} AppEndpoints */

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Webhooks',
  render(root, { mayChange }) {
    const [note, done, list] = [h('div'), h('div', { role: 'status' }), h('div', { class: 'webhooks' })];
    const look = async (/** @type {AbortSignal | undefined} */ signal) => {
      const { apps } = await get('apps', {}, { signal });
      /** @type {AppEndpoints[]} */
      const all = await Promise.all(apps.map((/** @type {string} */ app) => get(['apps', app, 'webhooks'], {}, { signal })));
      const some = all.filter(({ endpoints }) => endpoints.length > 0);
      fill(note);
      merge(list, some.length > 0 ? some.map((app) => ofApp(app, mayChange ? resend : null)) : none());
    };
    const resend = async (/** @type {string} */ app, /** @type {number} */ at, /** @type {string | undefined} */ batch) => {
      try {
        await post(['apps', app, 'webhooks', at, ...(batch ? ['given_up', batch] : []), 'resend']);
        fill(done, notice('info', batch ? 'The call is sent again, with the same body; its result comes up in the list.' : 'The call is made now; its result comes up in the list.'));
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
 * @param {((app: string, at: number, batch?: string) => void) | null} resend
 */
function ofApp({ app, node, endpoints, other_nodes: others }, resend) {
  const from = others && h('p', { class: 'soft' }, whose(node ?? '', others));
  return section(`App ${app}`, from, ...endpoints.map((endpoint, at) => one(endpoint, `${app} ${at}`, resend && ((batch) => resend(app, at, batch)))));
}

/**
 * Whose calls are listed.
 * @param {string} node
 * @param {{ answered: number, missing: number | null }} others
 */
function whose(node, { answered, missing }) {
  if (missing === null) return `Redis is away: these are the calls of node ${node} alone.`;
  const silent = missing > 0 ? `; ${counted(missing, 'node')} did not answer in time` : '';
  return `The calls of ${counted(answered + 1, 'node')}${silent}. Each event is sent by one node of the cluster.`;
}

/**
 * @param {Endpoint} endpoint
 * @param {string} key
 * @param {((batch?: string) => void) | null} resend
 */
function one(endpoint, key, resend) {
  const { url, events, queue_events: waiting, oldest_event_ms: oldest, retry_in_ms: retry, results, calls, given_up: givenUp } = endpoint;
  const last = calls[0];
  const state = !last ? status('off', 'Not called yet') : last.result === 'taken' ? status('good', 'Takes calls') : status('bad', 'Fails');
  const backlog = `${counted(waiting, 'event')} waiting${oldest === null ? '' : `; the oldest, waiting or being sent, is ${duration(oldest)} old`}`;
  const again = retry !== null && h('div', { class: 'row' }, h('span', null, `The next try is in ${duration(retry)}.`), resend && h('button', { type: 'button', 'data-key': `${key} resend`, onclick: () => resend() }, 'Resend now'));
  const head = h('div', { class: 'row' }, h('strong', { class: 'webhook-url' }, url), state);
  const facts = h('p', { class: 'soft' }, `${events.length > 0 ? events.join(', ') : 'All events'} · ${backlog}`);
  const counts = Object.entries(results).filter(([, count]) => count > 0).map(([result, count]) => `${result.replaceAll('_', ' ')} ${number(count)}`);
  const since = counts.length > 0 && h('p', { class: 'soft webhook-results' }, `Calls since the start: ${counts.join(', ')}`);
  return h('article', { class: 'card webhook' }, head, facts, since, last?.cause && notice('bad', last.cause), again, calls.length > 0 && list(url, calls, key), givenUp.length > 0 && listGivenUp(url, givenUp, key, resend));
}

/**
 * @param {string} url
 * @param {Call[]} calls
 * @param {string} key
 */
function list(url, calls, key) {
  const isOfNodes = calls.some(({ node }) => node !== undefined);
  const heads = ['Time', 'Result', 'Took', 'Events', 'Kinds', ...(isOfNodes ? ['Node'] : [])];
  const rows = calls.map((call) => {
    const result = call.result === 'taken' ? status('good', 'taken') : status('bad', call.status ? String(call.status) : call.result.replaceAll('_', ' '));
    const cells = [h('span', { title: date(call.at_ms) }, time(call.at_ms)), call.resent ? h('span', null, result, ' sent again') : result, milliseconds(call.took_ms), number(call.events), call.kinds.join(', '), ...(isOfNodes ? [h('span', { class: 'mono' }, call.node)] : [])];
    return h('tr', null, cells.map((cell, at) => h('td', { 'data-label': heads[at], title: at === 1 ? call.cause : null }, cell)));
  });
  const table = h('table', null, h('thead', null, h('tr', null, heads.map((name) => h('th', { scope: 'col' }, name)))), h('tbody', null, rows));
  return h('div', { class: 'table', tabindex: 0, role: 'region', 'data-key': `${key} calls`, 'aria-label': `The last calls of ${url}` }, table);
}

/**
 * Calls that were given up, each with a button or with what became of it.
 * @param {string} url
 * @param {GivenUp[]} calls
 * @param {string} key
 * @param {((batch?: string) => void) | null} resend
 */
function listGivenUp(url, calls, key, resend) {
  const isOfNodes = calls.some(({ node }) => node !== undefined);
  const heads = ['Given up', 'Events', 'Kinds', 'Size', 'Tries', 'Why', ...(isOfNodes ? ['Node'] : []), 'Now'];
  const rows = calls.map((call) => {
    const again = (/** @type {GivenUp} */ { batch }) => resend && h('button', { type: 'button', 'data-key': `${key} ${batch}`, 'aria-label': `Send again what was given up at ${time(call.at_ms)}`, onclick: () => resend(batch) }, 'Send again');
    const now = {
      kept: () => again(call) || status('bad', 'Not delivered'),
      too_large: () => status('bad', 'Too large to be kept'),
      resending: () => status('info', 'Being sent again'),
      taken: () => status('good', 'Sent again, taken'),
    }[call.state];
    const cells = [h('span', { title: date(call.at_ms) }, time(call.at_ms)), number(call.events), call.kinds.join(', '), bytes(call.bytes), number(call.tries), call.cause, ...(isOfNodes ? [h('span', { class: 'mono' }, call.node)] : []), now?.()];
    return h('tr', { 'data-key': call.batch }, cells.map((cell, at) => h('td', { 'data-label': heads[at] }, cell)));
  });
  const table = h('table', null, h('thead', null, h('tr', null, heads.map((name) => h('th', { scope: 'col' }, name)))), h('tbody', null, rows));
  const what = h('p', { class: 'soft' }, 'These calls were given up, and their events are lost to the endpoint until they are sent again: the same body, marked by the header resound-resent.');
  return h('div', { class: 'webhook-given-up' }, h('h3', null, 'Given up'), what, h('div', { class: 'table', tabindex: 0, role: 'region', 'data-key': `${key} given up`, 'aria-label': `Calls of ${url} that were given up` }, table));
}
