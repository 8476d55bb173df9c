// @ts-check
// The page Refused: what was refused since the server started, by cause, with the remedy and the last examples.

import { get, poll } from '../api.js';
import { fill, h, keyed, merge, set, write } from '../dom.js';
import { ago, counted, date, number } from '../format.js';
import { partName } from '../live/row_text.js';
import { withCode } from '../live/sentence.js';
import { empty, notice } from '../parts.js';

/** Between two looks: the numbers change while people read. */
const LOOK_EVERY_MS = 5000;

const COLUMNS = /** @type {const} */ (['app', 'node', 'channel', 'socket', 'client', 'origin', 'cause']);

/** @typedef {import('../live/row_text.js').Row} Row */
/** @typedef {{
 *   part: string, reason?: string, code?: number, count: number, last_at_ms: number, remedy?: string, example?: Row,
 *   rows: Row[],
 * }} Group */

/** @type {import('../app.js').Page} */
export const page = { title: 'Refused', render };

/** @param {HTMLElement} root */
function render(root) {
  const list = h('div', { class: 'refused-groups' });
  const note = h('div');
  root.append(h('p', { class: 'soft' }, 'What this server refused since it started, by cause, the last one first. A row opens to its last examples.'), note, list);
  const stop = poll(LOOK_EVERY_MS, async (signal) => {
    const { groups, left_out: leftOut } = await get('refusals', { group: 'cause' }, { signal });
    fill(note, leftOut > 0 && notice('info', `${counted(leftOut, 'further refusal')} came too fast to be kept here; the metrics count all of them.`));
    if (groups.length > 0) {
      list.querySelector('.empty')?.remove();
      keyed(list, groups, keyOf, made, update);
    } else {
      merge(list, empty('Nothing was refused since the server started', 'Handshakes, subscriptions, API calls and messages that are refused come up here, with what to change.'));
    }
  }, (failure) => fill(note, notice('bad', failure.message)));
  return stop;
}

/** @param {Group} group */
const keyOf = ({ part, reason, code }) => [part, reason, code].join(' ');

/** @param {Group} group */
function made(group) {
  const element = h('details', { class: 'refused-group' },
    h('summary', null,
      h('span', { class: 'refused-count' }),
      h('span', { class: 'refused-name' }, h('strong', null, partName(group.part)), ' ', h('code', null, [group.reason, group.code].filter((part) => part !== undefined).join(' '))),
      h('span', { class: 'refused-last soft' }),
      h('span', { class: 'refused-remedy' })),
    h('div', { class: 'table refused-examples', tabindex: 0, role: 'region', 'aria-label': `The last refusals: ${partName(group.part)} ${group.reason ?? ''}` }));
  update(element, group);
  return element;
}

/** @param {Element} element
 * @param {Group} group */
function update(element, group) {
  const at = (/** @type {string} */ name) => /** @type {HTMLElement} */ (element.querySelector(`.refused-${name}`));
  write(at('count'), number(group.count));
  write(at('last'), ago(group.last_at_ms));
  set(at('last'), { title: date(group.last_at_ms) });
  merge(at('remedy'), withCode(group.remedy ?? group.example?.cause ?? ''));
  const shown = COLUMNS.filter((column) => group.rows.some((row) => row[column] !== undefined));
  const heads = ['time', ...shown].map((name) => h('th', { scope: 'col' }, name[0].toUpperCase() + name.slice(1)));
  const rows = group.rows.map((row) => h('tr', null, h('td', { 'data-label': 'time' }, date(row.at_ms)), shown.map((column) => h('td', { class: `refused-${column}`, 'data-label': column }, row[column] ?? ''))));
  merge(at('examples'), h('table', null, h('thead', null, h('tr', null, heads)), h('tbody', null, rows)));
}
