// @ts-check
// Tables: sorted by a click on a heading, at most 5000 rows, a row opens by its first cell. Many rows are made in slices, one in
// each frame, so that the page answers meanwhile. On narrow screens each row is a small list. Where the rows come from is left to
// the pages.

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

const ROWS_MAX = 5000;

/** Rows that are made, changed or moved in one frame: with ten cells each that takes some milliseconds. */
const SLICE = 200;

const names = new Intl.Collator(undefined, { numeric: true });

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
  const lines = new Map();
  /** Of the next slice; 0 without one. */
  let frame = 0;
  /** Whether other rows came while slices were made: they wait, so that the last slice is reached however often rows come. */
  let isStale = false;
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
    const shown = new Map(ordered().slice(0, ROWS_MAX).map((row) => [key(row), row]));
    write(more, hasMore || rows.length > ROWS_MAX ? `The first ${shown.size} are shown: search to see others.` : '');
    for (const [name, { line }] of lines) {
      if (shown.has(name)) continue;
      line.remove();
      lines.delete(name);
    }
    arrange([...shown]);
    if (rows.length === 0) {
      if (element.firstChild === box) fill(element);
      merge(element, empty());
    } else if (element.firstChild !== box) fill(element, box, more);
  }

  /**
   * The rows in this order, each made or changed where it is another one, and moved only if it stands elsewhere: the first slice
   * now, the others in the frames that follow. Rows that another order interrupts are not made again.
   * @param {[string, Row][]} shown
   */
  function arrange(shown) {
    cancelAnimationFrame(frame);
    isStale = false;
    let [at, place] = [0, body.firstElementChild];
    const slice = () => {
      const focused = document.activeElement;
      for (let work = 0; work < SLICE && at < shown.length; at += 1) {
        const { line, isChanged } = lineOf(...shown[at]);
        const isMoved = line !== place;
        if (isMoved) body.insertBefore(line, place);
        else place = line.nextElementSibling;
        // A row that is the same costs a hundredth of one that is made.
        if (isChanged || isMoved) work += 1;
      }
      // A row that is moved loses the focus.
      if (focused instanceof HTMLElement && focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
      const isOver = at >= shown.length;
      frame = isOver ? 0 : requestAnimationFrame(follow);
      set(box, { 'aria-busy': isOver ? null : 'true' });
    };
    const follow = () => {
      frame = 0;
      // Of a page that was left, nothing more is made.
      if (!element.isConnected) return;
      slice();
      if (isStale && frame === 0) show();
    };
    slice();
  }

  /**
   * @param {string} name
   * @param {Row} row
   */
  function lineOf(name, row) {
    const text = JSON.stringify(row);
    const known = lines.get(name);
    if (known?.text === text) return { line: known.line, isChanged: false };
    const line = known?.line ?? h('tr', { 'data-key': name });
    // A cell that changes must not take its link away from under a click.
    merge(line, columns.map((column, at) => cell(column, row, at === 0 ? href : undefined)));
    lines.set(name, { line, text });
    return { line, isChanged: true };
  }

  return {
    element,
    update(next, isMore = false) {
      rows = next;
      hasMore = isMore;
      if (frame === 0) show();
      else isStale = true;
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
 * @param {string | number} one
 * @param {string | number} other
 */
function compare(one, other) {
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return names.compare(String(one), String(other));
}
