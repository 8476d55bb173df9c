// @ts-check
// An event as text to copy: a button for each form, and the text itself to look at before.

import { h, write } from '../dom.js';
import { copyButton } from '../parts.js';

/** @param {{ name: string, text: string }[]} forms */
export function copies(forms) {
  return h('div', { class: 'copies' }, forms.map(({ name, text }) => {
    const shown = h('pre', { class: 'code', tabindex: 0, 'aria-label': name });
    const fold = h('details', { class: 'fold' }, h('summary', null, name), shown);
    fold.addEventListener('toggle', () => write(shown, text));
    return h('div', { class: 'copy-form' }, fold, copyButton(`Copy as ${name}`, () => text));
  }));
}
