// @ts-check
// The data of an event for reading: one line as a preview, all of it indented and folded. Works on JSON and on its
// masked form, which is no JSON.

import { h } from '../dom.js';

const FOLDED_LINES = 14;

/** The data, or why there are none.
 * @param {{ data?: string, data_cut?: boolean, bytes?: number }} row */
export function payload(row) {
  if (row.data === undefined) {
    return h('p', { class: 'soft' }, 'The payload is not shown. Choose masked or full above; internal.payloads of the server is the most that it shows.');
  }
  const lines = indented(row.data).split('\n');
  const text = (/** @type {string[]} */ some) => h('pre', { class: 'code', tabindex: '0', 'aria-label': 'Payload' }, some.join('\n'));
  const cut = row.data_cut ? h('p', { class: 'soft' }, `The first 4 KB of ${row.bytes ?? 'more'} bytes.`) : null;
  if (lines.length <= FOLDED_LINES) return h('div', null, text(lines), cut);
  return h('div', null, text(lines.slice(0, FOLDED_LINES)),
    h('details', { class: 'fold' }, h('summary', null, `${lines.length - FOLDED_LINES} more lines`), text(lines.slice(FOLDED_LINES))), cut);
}

/** A text of JSON, or of its masked form, with a line for each value.
 * @param {string} text */
export function indented(text) {
  let result = '';
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (sign === '"') {
      const end = endOfString(text, at);
      result += text.slice(at, end);
      at = end - 1;
    } else if (sign === '{' || sign === '[') {
      const close = sign === '{' ? '}' : ']';
      const next = text.slice(at + 1).search(/\S/);
      if (next >= 0 && text[at + 1 + next] === close) {
        result += sign + close;
        at += 1 + next;
      } else {
        depth += 1;
        result += `${sign}\n${'  '.repeat(depth)}`;
      }
    } else if (sign === '}' || sign === ']') {
      depth = Math.max(0, depth - 1);
      result += `\n${'  '.repeat(depth)}${sign}`;
    } else if (sign === ',' && depth > 0) {
      result += `,\n${'  '.repeat(depth)}`;
    } else if (sign === ':') {
      result += ': ';
    } else if (depth === 0 || !/\s/.test(sign)) {
      result += sign;
    }
  }
  return result;
}

/** @param {string} text
 * @param {number} start */
function endOfString(text, start) {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at + 1;
  }
  return text.length;
}
