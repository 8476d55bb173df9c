// @ts-check
// The page Live: the stream of what happens, its filters, and the explanation of each row.

import { get, stream, untilAnswered } from '../api.js';
import { fill, h, set, write } from '../dom.js';
import { counted } from '../format.js';
import { filterBar, filtersOf, parametersOf, queryOf, shownByDefault } from '../live/filters.js';
import { Panel } from '../live/panel.js';
import { RowList } from '../live/row_list.js';
import { empty, notice } from '../parts.js';

/** More than a person reads; what comes beyond is counted. */
const ROWS_PER_SECOND = 100;

/** @typedef {import('../live/filters.js').Filters} Filters */

/** @type {import('../app.js').Page} */
export const page = { title: 'Live', render };

/** @param {HTMLElement} root
 * @param {import('../app.js').Context} context */
function render(root, { query, about, actions }) {
  let filters = filtersOf(query);
  let isPaused = false;
  let stopStream = () => {};
  const state = h('span', { class: 'soft live-state', role: 'status' }, 'Connecting …');
  const held = h('button', { type: 'button', class: 'held', hidden: true, onclick: () => pause(false) });
  const pauseButton = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => pause(!isPaused) }, 'Pause');
  const clear = h('button', { type: 'button', onclick: emptied }, 'Clear');
  const none = h('div');
  const bar = h('div');
  const panel = new Panel(() => filters.payloads || shownByDefault(about.payloads), about.node);
  const list = new RowList({
    open: (row, button) => void panel.open(row, button),
    held: (waiting) => {
      set(held, { hidden: waiting === 0 });
      write(held, `${counted(waiting, 'new row')}${isPaused ? ': continue' : ', held while you are in the list'}`);
    },
  });
  fill(actions, state, held, pauseButton, clear);
  root.append(bar, h('div', { class: 'live-split' }, h('div', { class: 'live-main' }, list.element, none), panel.element));
  // A file of its own, beside that of the page: the explanation is the larger half.
  root.append(h('link', { rel: 'stylesheet', href: new URL('../style/explanation.css', import.meta.url).href }));

  /** @param {boolean} next */
  function pause(next) {
    isPaused = next;
    set(pauseButton, { 'aria-pressed': String(next) });
    write(pauseButton, next ? 'Continue' : 'Pause');
    list.pause(next);
  }

  function emptied() {
    list.clear();
    panel.close();
    const hasFilters = queryOf({ ...filters, payloads: '' }) !== '';
    set(list.element, { hidden: true });
    fill(none, hasFilters
      ? empty('Nothing that fits the filters has happened yet', 'Rows come up here from the moment you opened the page. Clear a filter, or publish an event that fits.')
      : empty('Nothing has happened yet', 'Rows come up here from the moment you opened the page. Open your application, or publish an event: resound trigger orders Shipped \'{"id":7}\''));
  }

  function connect() {
    stopStream();
    write(state, 'Connecting …');
    stopStream = stream('stream', parametersOf(filters, ROWS_PER_SECOND), {
      opened: () => write(state, 'Live'),
      row: (row) => {
        if (list.element.hidden) {
          set(list.element, { hidden: false });
          fill(none);
        }
        list.add(row);
      },
      lost: (failure) => {
        write(state, 'Not connected');
        if (failure && failure.status >= 400) fill(none, notice('bad', failure.message));
      },
    });
  }

  /** @param {Filters} next */
  function changed(next) {
    filters = next;
    const text = queryOf(filters);
    history.replaceState(null, '', `#/live${text ? `?${text}` : ''}`);
    emptied();
    connect();
  }

  const stopAsking = untilAnswered(
    (signal) => get('apps', {}, { signal }),
    ({ apps }) => fill(bar, filterBar(filters, { apps, payloads: about.payloads }, changed)),
    (failure) => fill(bar, notice('bad', failure.message)),
  );
  emptied();
  connect();
  return () => {
    stopAsking();
    stopStream();
    list.stop();
  };
}
