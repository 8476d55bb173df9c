// @ts-check
// A client that the server opens for an operator: who it is, and each frame that it sends and receives.

import { postStream } from './api.js';
import { fill, h } from './dom.js';
import { time } from './format.js';
import { field, notice, status } from './parts.js';

/** Frames that the page keeps. */
const FRAMES_MAX = 200;

/**
 * The form and the frames; `channel` is the field with the channel to subscribe to. `enable` is called once there is an app:
 * until then there is nothing to subscribe to.
 * @param {() => string | undefined} app
 * @param {HTMLInputElement} channel
 * @param {boolean} mayChange
 */
export function clientView(app, channel, mayChange) {
  const user = h('input', { placeholder: '7', spellcheck: 'false', autocomplete: 'off' });
  const info = h('input', { placeholder: '{"name":"Ann"}', spellcheck: 'false', autocomplete: 'off' });
  const origin = h('input', { placeholder: 'https://app.example.com', spellcheck: 'false', autocomplete: 'off' });
  const open = h('button', { type: 'submit', class: 'primary', disabled: true }, 'Subscribe');
  const close = h('button', { type: 'button', hidden: true, onclick: () => end(status('off', 'Closed')) }, 'Close');
  const state = h('div', { role: 'status' }, mayChange && status('off', 'Waiting for the list of apps'));
  const frames = h('ol', { class: 'lines frames', tabindex: 0, 'aria-label': 'Frames' });
  let stop = () => {};

  /** @param {HTMLElement} shown */
  function end(shown) {
    stop();
    stop = () => {};
    open.hidden = false;
    close.hidden = true;
    fill(state, shown);
  }

  /** @param {any} row */
  function show(row) {
    if (row.kind === 'open') return;
    const word = row.kind === 'sent' ? status('info', 'Sent') : row.kind === 'received' ? status('good', 'Received') : status('bad', 'Ended');
    frames.prepend(h('li', null, h('div', { class: 'row' }, h('time', { class: 'soft' }, time(row.at_ms)), word), h('code', { class: 'data' }, row.frame ?? row.reason)));
    while (frames.children.length > FRAMES_MAX) frames.lastElementChild?.remove();
  }

  function begin() {
    const of = app();
    if (of === undefined) return;
    let userInfo;
    try {
      userInfo = info.value ? JSON.parse(info.value) : undefined;
    } catch {
      fill(state, notice('bad', 'User info must be JSON, such as {"name":"Ann"}.'));
      return;
    }
    const [first] = channel.value.split(',').map((name) => name.trim());
    const wanted = { channel: first || undefined, user_id: user.value || undefined, user_info: userInfo, origin: origin.value || undefined };
    fill(frames);
    fill(state, status('good', `Open on ${first}`));
    open.hidden = true;
    close.hidden = false;
    stop = postStream(['apps', of, 'client'], wanted, {
      row: show,
      ended: (failure) => end(failure ? notice('bad', failure.message) : status('off', 'The server has closed the socket')),
    });
  }

  const form = h(
    'form',
    { class: 'publish', onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), begin()) },
    h('p', { class: 'soft' }, 'The server opens a socket to itself as pusher-js does, subscribes to the channel of the event, and signs for any user. Members of a presence channel see it.'),
    h('div', { class: 'pair' }, field('User id', user, 'Signs in, and is the member.'), field('User info', info, 'JSON; members see it.')),
    field('Origin', origin, 'The page that it is on, where the app restricts origins.'),
    h('div', { class: 'row' }, open, close, state),
  );
  if (!mayChange) fill(state, notice('info', 'This token only looks. Log in with internal.token to subscribe.'));
  const enable = () => {
    if (!mayChange || !open.disabled) return;
    open.disabled = false;
    fill(state);
  };
  return { content: h('div', { class: 'stack' }, form, frames), enable, stop: () => close.hidden || end(status('off', 'Closed')) };
}
