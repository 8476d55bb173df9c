// @ts-check
// Tables: sorted by a click on a heading, at most 500 rows, a row opens by its first cell. On narrow screens each row is a
// small list. Where the rows come from is left to the pages.

import { fill, h, merge, set, write } from './dom.js';

/** @typedef {import('./dom.js').Child} Child */
/**
 * @template Row
 * @typedef {object} Column
 * @property {string} title
 * @property {(row: Row) => Child | Child[]} cell
 * @property {(row: Row) => string | number} [sort] Without it the column cannot be sorted.
 * @property {boolean} [numeric] Numbers stand on the right, and are sorted downwards first.
 * @property {boolean} [mono] A name as it is on the wire.
 */
/**
 * @template Row
 * @typedef {object} TableOptions
 * @property {string} caption What the rows are, for screen readers.
 * @property {Column<Row>[]} columns
 * @property {(row: Row) => string} key
 * @property {(row: Row) => string} [href] Where the first cell leads.
 * @property {() => Node} empty What stands there without rows.
 * @property {{ column: number, down: boolean }} [sorted] How it is sorted first; without it, as the rows come.
 * @property {(sorted: { column: number, down: boolean }) => void} [resort] The server sorts: called in place of sorting here.
 */

const ROWS_MAX = 500;

/**
 * A table, and what shows other rows in it.
 * @template Row
 * @param {TableOptions<Row>} options
 * @returns {{ element: HTMLElement, update: (rows: Row[], more?: boolean) => void }}
 */
export function table({ caption, columns, key, href, empty, sorted, resort }) {
  let order = sorted ?? null;
  /** @type {Row[]} */
  let rows = [];
  let hasMore = false;
  /** @type {Map<string, { line: HTMLTableRowElement, text: string }>} */
  let lines = new Map();
  const body = h('tbody');
  const heads = columns.map((column, at) => heading(column, () => sortBy(at)));
  const more = h('p', { class: 'more', role: 'status' });
  const box = h('div', { class: 'table', tabindex: 0, role: 'region', 'aria-label': caption }, h('table', null, h('caption', { class: 'visually-hidden' }, caption), h('thead', null, h('tr', null, heads)), body));
  const element = h('div', { class: 'table-box' });

  /** @param {number} at */
  function sortBy(at) {
    const isSame = order?.column === at;
    order = { column: at, down: isSame ? !order?.down : Boolean(columns[at].numeric) };
    if (resort) resort(order);
    show();
  }

  function ordered() {
    const by = order && !resort ? columns[order.column].sort : null;
    if (!by || !order) return rows;
    const sign = order.down ? -1 : 1;
    return [...rows].sort((one, other) => sign * compare(by(one), by(other)));
  }

  function show() {
    heads.forEach((head, at) => set(head, { 'aria-sort': order?.column === at ? (order.down ? 'descending' : 'ascending') : null }));
    const shown = ordered().slice(0, ROWS_MAX);
    const now = new Map();
    for (const row of shown) {
      const [name, text] = [key(row), JSON.stringify(row)];
      let known = lines.get(name);
      if (!known || known.text !== text) {
        const line = known?.line ?? h('tr', { 'data-key': name });
        // A cell that changes must not take its link away from under a click.
        merge(line, columns.map((column, at) => cell(column, row, at === 0 ? href : undefined)));
        known = { line, text };
      }
      now.set(name, known);
    }
    lines = now;
    arrange(body, [...now.values()].map(({ line }) => line));
    write(more, hasMore || rows.length > ROWS_MAX ? `The first ${shown.length} are shown: search to see others.` : '');
    if (rows.length === 0) {
      if (element.firstChild === box) fill(element);
      merge(element, empty());
    } else if (element.firstChild !== box) fill(element, box, more);
  }

  return {
    element,
    update(next, isMore = false) {
      rows = next;
      hasMore = isMore;
      show();
    },
  };
}

/**
 * @template Row
 * @param {Column<Row>} column
 * @param {() => void} sort
 */
function heading(column, sort) {
  const content = column.sort ? h('button', { type: 'button', class: 'sort', onclick: sort }, column.title) : column.title;
  return h('th', { scope: 'col', class: column.numeric ? 'numeric' : null }, content);
}

/**
 * @template Row
 * @param {Column<Row>} column
 * @param {Row} row
 * @param {((row: Row) => string) | undefined} href
 */
function cell(column, row, href) {
  const content = [column.cell(row)].flat();
  const kind = [column.numeric && 'numeric', column.mono && 'mono'].filter(Boolean).join(' ');
  return h('td', { class: kind || null, 'data-label': column.title }, href ? h('a', { href: href(row) }, content) : content);
}

/**
 * The lines in this order, each moved only if it stands elsewhere.
 * @param {HTMLElement} body
 * @param {HTMLElement[]} wanted
 */
function arrange(body, wanted) {
  const kept = new Set(wanted);
  for (const line of [...body.children]) if (!kept.has(/** @type {HTMLElement} */ (line))) line.remove();
  let place = body.firstElementChild;
  for (const line of wanted) {
    if (line === place) place = place.nextElementSibling;
    else body.insertBefore(line, place);
  }
}

/**
 * @param {string | number} one
 * @param {string | number} other
 */
function compare(one, other) {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true });
}
