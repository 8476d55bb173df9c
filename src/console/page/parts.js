// @ts-check
// Small parts that the pages share: a status, an empty state, a button that copies, a question before a change, icons.

import { fill, h, svg, write } from './dom.js';

/** @typedef {'good' | 'warn' | 'bad' | 'info' | 'off'} Tone */
/** @typedef {import('./dom.js').Child} Child */

// On a grid of 16, drawn with one stroke, so that they take the colour of the text.
const ICONS = {
  overview: 'M2.5 13.5v-5h3v5m1.5 0v-11h3v11m1.5 0v-7h3v7',
  live: 'M1.5 8h3l2-5.5 3 11 2-5.5h3',
  channels: 'M2.5 5.5h11m-11 5h11M6.5 2l-1.5 12M10.5 2l-1.5 12',
  sockets: 'M5.5 2v3.5m5-3.5v3.5M3.5 5.5h9v2a4.5 4.5 0 0 1-9 0zM8 12v2.5',
  publish: 'M14 2 7 9m7-7-4.5 12L7 9 2 6.5z',
  refused: 'M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M3.5 3.5l9 9',
  doctor: 'M6 2.5h4V6h3.5v4H10v3.5H6V10H2.5V6H6z',
  webhooks: 'M6 2.5 3 8h4l-1 5.5L13 7H8.5l1.5-4.5z',
  cluster: 'M8 2v4M8 6 3.5 11M8 6l4.5 5M6.5 2.5h3M2 11h3v3H2zm9 0h3v3h-3z',
  apps: 'M2.5 2.5h4.5v4.5H2.5zm6.5 0h4.5v4.5H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z',
};

/** @typedef {keyof typeof ICONS} IconName */

/** @param {IconName} name */
export function icon(name) {
  const line = svg('path', { d: ICONS[name], fill: 'none', stroke: 'currentColor', 'stroke-width': 1.25, 'stroke-linejoin': 'round', 'stroke-linecap': 'round' });
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, line);
}

/**
 * A word with a sign beside it, which has a colour and a shape.
 * @param {Tone} tone
 * @param {string} word
 */
export function status(tone, word) {
  return h('span', { class: `status ${tone}` }, word);
}

/**
 * What a page shows where it has nothing: what that means, and what to do next.
 * @param {string} title
 * @param {Child | Child[]} text
 * @param {...Child} actions
 */
export function empty(title, text, ...actions) {
  return h('div', { class: 'empty' }, h('h2', null, title), h('p', null, text), actions.length > 0 && h('div', { class: 'row' }, actions));
}

/**
 * A sentence that needs attention within a page.
 * @param {Tone} tone
 * @param {...Child} children
 */
export function notice(tone, ...children) {
  return h('p', { class: `notice ${tone}` }, children);
}

/**
 * A part of a page with a heading.
 * @param {string} title
 * @param {...Child} children
 */
export function section(title, ...children) {
  return h('section', { class: 'section' }, h('h2', null, title), children);
}

/**
 * A label with its field.
 * @param {string} label
 * @param {HTMLElement} input
 * @param {string} [hint]
 */
export function field(label, input, hint) {
  input.id ||= `field-${(fields += 1)}`;
  const note = hint ? h('small', { id: `${input.id}-hint` }, hint) : null;
  if (note) input.setAttribute('aria-describedby', note.id);
  return h('div', { class: 'field' }, h('label', { for: input.id }, label), input, note);
}

let fields = 0;

/**
 * A button that copies a text, and says so.
 * @param {string} label
 * @param {() => string} text
 */
export function copyButton(label, text) {
  const button = h('button', { type: 'button', class: 'quiet' }, label);
  button.addEventListener('click', async () => {
    const isCopied = await copy(text());
    write(button, isCopied ? 'Copied' : 'Copying failed');
    announce(isCopied ? `${label}: copied` : 'The browser does not allow copying here');
    setTimeout(() => write(button, label), 1500);
  });
  return button;
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without TLS and not on localhost, browsers have no clipboard: a field that is selected has the old way.
    const focused = document.activeElement;
    const area = h('textarea', { readonly: true, class: 'visually-hidden', 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return isCopied;
  }
}

/**
 * Asks before a change; resolves with whether it was agreed to.
 * @param {string} title
 * @param {string} text
 * @param {string} action
 * @returns {Promise<boolean>}
 */
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    const heading = h('h2', { id: 'dialog-title' }, title);
    const close = (/** @type {string} */ answer) => () => dialog.close(answer);
    const buttons = h('div', { class: 'row end' }, h('button', { type: 'button', onclick: close('') }, 'Cancel'), h('button', { type: 'button', class: 'danger', onclick: close('yes') }, action));
    const dialog = h('dialog', { 'aria-labelledby': heading.id }, heading, h('p', null, text), buttons);
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const live = h('div', { class: 'visually-hidden', role: 'status', 'aria-live': 'polite' });

/**
 * Has a screen reader say a sentence.
 * @param {string} text
 */
export function announce(text) {
  if (!live.isConnected) document.body.append(live);
  fill(live, text);
}
