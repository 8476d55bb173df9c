// @ts-check
// What the pages Channels and Sockets share: a choice of the app, a list of facts, what happens now as lines, the end of a
// socket or a user.

import { get, post, stream, untilAnswered } from './api.js';
import { fill, h } from './dom.js';
import { time } from './format.js';
import { announce, confirmed, notice, status } from './parts.js';

/** @typedef {import('./dom.js').Child} Child */

/** Lines that a page keeps of what happens. */
const LINES_MAX = 100;

/** @type {Record<string, string>} */
const HAPPENED = {
  trigger: 'published',
  delivery: 'delivered',
  subscribed: 'subscribed',
  unsubscribed: 'left',
  connected: 'opened',
  closed: 'closed',
  refused: 'refused',
};

/**
 * Names with their values; a value that is absent leaves its name out.
 * @param {[string, Child | Child[]][]} rows
 */
export function facts(rows) {
  const isThere = (/** @type {Child | Child[]} */ value) => value !== null && value !== undefined && value !== false && value !== '';
  return h(
    'dl',
    { class: 'facts' },
    rows.filter(([, value]) => isThere(value)).map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))),
  );
}

/**
 * A number with its name below.
 * @param {[string, string][]} figures
 */
export function figures(figures) {
  return h('dl', { class: 'figures' }, figures.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

/**
 * A choice of the app, where there are several. The list is asked for until it is there; what acts on an app waits for `listed`.
 * @param {object} options
 * @param {string | undefined} options.chosen The app of the address, where it names one.
 * @param {string | null} options.all What stands for all of them, where that can be chosen.
 * @param {(app: string) => void} options.choose Called when the reader chooses.
 * @param {(app: string | undefined) => void} [options.listed] Called once, with the app that acts are for; with none where the server has none.
 * @param {(failure: { message: string }) => void} [options.failed] Called for each attempt that failed.
 * @returns {{ element: HTMLElement, stop: () => void }}
 */
export function appChoice({ chosen, all, choose, listed = () => {}, failed = () => {} }) {
  const select = h('select', { 'aria-label': 'App', onchange: () => choose(select.value) });
  const box = h('div', { class: 'app-choice', hidden: true }, select);
  const show = (/** @type {{ apps: string[] }} */ { apps }) => {
    fill(select, all !== null && h('option', { value: '' }, all), apps.map((app) => h('option', { value: app }, `App ${app}`)));
    select.value = chosen ?? (all === null ? apps[0] : '');
    box.hidden = apps.length < 2;
    listed(chosen ?? apps[0]);
  };
  return { element: box, stop: untilAnswered((signal) => get('apps', {}, { signal }), show, failed) };
}

/**
 * What happens from now on, the newest line on top; returns the section's content and what ends it.
 * @param {Record<string, string>} parameters Of the stream.
 * @param {(row: any) => boolean} takes
 * @param {string} quiet What stands there while nothing happens.
 */
export function happenings(parameters, takes, quiet) {
  const list = h('ol', { class: 'lines', 'aria-label': 'What happens now' });
  const state = h('div', { class: 'row' }, status('off', 'Connecting'));
  const note = h('p', { class: 'soft' }, quiet);
  /** @type {HTMLElement[]} */
  let waiting = [];
  let isPaused = false;
  const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: toggle }, 'Pause');
  const clear = h('button', { type: 'button', onclick: () => (fill(list), (note.hidden = false)) }, 'Clear');

  function toggle() {
    isPaused = !isPaused;
    pause.setAttribute('aria-pressed', String(isPaused));
    if (!isPaused) waiting.splice(0).forEach(show);
  }

  /** @param {HTMLElement} line */
  function show(line) {
    note.hidden = true;
    list.prepend(line);
    while (list.children.length > LINES_MAX) list.lastElementChild?.remove();
  }

  const stop = stream('stream', parameters, {
    opened: () => fill(state, status('good', 'Live')),
    lost: (failure) => fill(state, status('warn', failure?.message ?? 'The stream has ended; it is opened again')),
    row(row) {
      if (row.kind !== 'dropped' && !takes(row)) return;
      const line = lineOf(row);
      if (!isPaused) show(line);
      else waiting = [...waiting, line].slice(-LINES_MAX);
    },
  });
  const bar = h('div', { class: 'row bar' }, state, pause, clear);
  return { content: h('div', { class: 'happenings' }, bar, note, list), stop };
}

/** @param {any} row */
function lineOf(row) {
  if (row.kind === 'dropped') return h('li', null, notice('warn', `${row.count} lines came too fast and are not shown.`));
  const who = row.socket && row.kind !== 'closed' ? h('a', { class: 'mono', href: `#/sockets/${row.socket}` }, row.socket) : null;
  const reached = row.subscribers === undefined ? null : h('span', { class: 'soft' }, `to ${row.subscribers}`);
  const why = row.cause ?? row.reason ?? null;
  const by = row.kind === 'closed' ? `by the ${row.by}${row.code ? ` with ${row.code}` : ''}` : null;
  const head = [h('time', { class: 'soft' }, time(row.at_ms)), h('strong', null, HAPPENED[row.kind] ?? row.kind), row.event && h('span', { class: 'mono' }, row.event), row.channel && h('span', { class: 'mono soft' }, row.channel)];
  return h('li', null, h('div', { class: 'row' }, head, who, row.user_id && `user ${row.user_id}`, reached, by, why && h('span', { class: 'soft' }, why)), row.data && h('code', { class: 'data' }, row.data));
}

/**
 * A button that asks, then closes something, and tells what came of it in `result`.
 * @param {{ label: string, title: string, text: string, path: string[], done: (answer: any) => string, result: HTMLElement }} end
 */
export function endButton({ label, title, text, path, done, result }) {
  const button = h('button', { type: 'button', class: 'danger' }, label);
  button.addEventListener('click', async () => {
    if (!(await confirmed(title, text, label))) return;
    button.disabled = true;
    try {
      const sentence = done(await post(path));
      fill(result, notice('good', sentence));
      announce(sentence);
    } catch (failure) {
      fill(result, notice('bad', failure instanceof Error ? failure.message : String(failure)));
    }
    button.disabled = false;
  });
  return button;
}

/**
 * Closes all sockets of a user.
 * @param {string} app
 * @param {string} user
 * @param {HTMLElement} result
 */
export function endUserButton(app, user, result) {
  return endButton({
    label: 'Close all of this user',
    title: 'Close all sockets of this user?',
    text: `Each socket of user ${user}, on every node, is closed with 4009. Pusher's clients do not connect again after it.`,
    path: ['apps', app, 'users', user, 'terminate'],
    done: (answer) => `The sockets of user ${user} are closed: ${answer.sockets_on_this_node} on this node.`,
    result,
  });
}

/**
 * Runs `act` when the reader has stopped typing.
 * @param {() => void} act
 */
export function settled(act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, 200);
  };
}

/**
 * Shows why something is not known at the moment, or nothing.
 * @param {HTMLElement} place
 * @param {{ message: string } | null} failure
 */
export function showFailure(place, failure) {
  if (!failure) fill(place);
  else if (place.textContent !== failure.message) fill(place, notice('bad', failure.message));
}

