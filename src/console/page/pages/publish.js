// @ts-check
// The page Publish: events of an operator with what became of them, and beside it what a client receives.

import { post } from '../api.js';
import { fill, h, write } from '../dom.js';
import { appChoice, showFailure } from '../lists.js';
import { announce, empty, field, notice, section, status } from '../parts.js';
import { clientView } from '../client_view.js';

/** @typedef {{ name: string, channels: string[], data: string, socket_id?: string }} Event */

/** What each kind of channel begins with, and an event that fits. */
const KINDS = [
  { kind: 'Public', channel: 'orders', hint: 'Every client may subscribe.' },
  { kind: 'Private', channel: 'private-orders.7', hint: 'In Laravel: new PrivateChannel(‘orders.7’).' },
  { kind: 'Presence', channel: 'presence-room.7', hint: 'In Laravel: new PresenceChannel(‘room.7’). Its members see who is there.' },
  { kind: 'Cache', channel: 'cache-prices', hint: 'The last event is kept for clients that subscribe later.' },
  { kind: 'Encrypted', channel: 'private-encrypted-orders.7', hint: '' },
];
const ENCRYPTED = 'private-encrypted-';
const BATCH_MAX = 10;

/** @param {string} text */
const namesOf = (text) => text.split(',').map((name) => name.trim()).filter(Boolean);

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Publish',
  render(root, { query, mayChange }) {
    /** Known once the list of apps is there: what acts on it is disabled until then. @type {string | undefined} */
    let app;
    let isSending = false;
    /** @type {Event[]} */
    let batch = [];
    const channel = h('input', { value: query.get('channel') ?? KINDS[0].channel, required: true, spellcheck: 'false', autocomplete: 'off' });
    const name = h('input', { value: query.get('event') ?? 'App\\Events\\OrderShipped', required: true, spellcheck: 'false', autocomplete: 'off' });
    const data = h('textarea', { rows: 6, spellcheck: 'false' });
    data.value = '{\n  "id": 7\n}';
    const except = h('input', { placeholder: '1234.5678', pattern: '[0-9]+\\.[0-9]+', spellcheck: 'false', autocomplete: 'off' });
    const [failed, note, kindHint, result, queued] = [h('div'), h('div'), h('small'), h('div', { class: 'results', role: 'status' }), h('ol', { class: 'lines' })];
    const state = h('span', { class: 'soft', role: 'status' });
    const send = h('button', { type: 'submit', class: 'primary' }, 'Publish');
    const add = h('button', { type: 'button' }, 'Add to a batch');
    const sendBatch = h('button', { type: 'button', class: 'primary', hidden: true }, 'Publish the batch');
    const kinds = KINDS.map((one) => h('button', { type: 'button', onclick: () => ((channel.value = one.channel), check()) }, one.kind));

    /** @returns {Event} */
    const event = () => ({ name: name.value, channels: namesOf(channel.value), data: compact(data.value), ...(except.value ? { socket_id: except.value } : {}) });

    function check() {
      const names = namesOf(channel.value);
      const encrypted = names.find((one) => one.startsWith(ENCRYPTED));
      const at = kindOf(names[0] ?? '');
      kinds.forEach((button, index) => button.setAttribute('aria-pressed', String(index === at)));
      write(kindHint, KINDS[at].hint);
      let sentence = null;
      if (!mayChange) sentence = 'This token only looks. Log in with internal.token to publish.';
      else if (encrypted) sentence = `Events of ${encrypted} are encrypted by the back end, which alone has the key. Publish there: in Laravel, new EncryptedPrivateChannel(…).`;
      fill(note, sentence && notice(mayChange ? 'warn' : 'info', sentence));
      write(state, mayChange && app === undefined ? 'Waiting for the list of apps' : '');
      for (const button of [send, add, sendBatch]) button.disabled = sentence !== null || app === undefined || isSending;
    }

    /** Whether it was accepted. @param {string} route @param {unknown} body */
    async function publish(route, body) {
      if (app === undefined || isSending) return false;
      let isAccepted = false;
      isSending = true;
      check();
      try {
        const answer = await post(['apps', app, route], body);
        isAccepted = true;
        fill(result, answer.nodes === 'this' && notice('warn', 'Redis is away, so the event reached the sockets of this node only.'), answer.verdicts.map(verdict));
        announce(answer.verdicts.map((/** @type {any} */ one) => one.sentence).join(' '));
      } catch (failure) {
        fill(result, notice('bad', failure instanceof Error ? failure.message : String(failure)));
      }
      isSending = false;
      check();
      return isAccepted;
    }

    function showBatch() {
      const items = batch.map((one, at) => h('li', null, h('div', { class: 'row' }, h('strong', null, one.name), h('span', { class: 'mono soft' }, one.channels.join(', ')), h('button', { type: 'button', class: 'quiet', onclick: () => ((batch = batch.filter((_, other) => other !== at)), showBatch()) }, 'Leave out'))));
      fill(queued, items);
      sendBatch.hidden = batch.length === 0;
      write(sendBatch, `Publish the batch (${batch.length})`);
    }

    const form = h(
      'form',
      {
        class: 'publish',
        onsubmit: (/** @type {globalThis.Event} */ submitted) => (submitted.preventDefault(), publish('events', event())),
      },
      h('div', { class: 'field', role: 'group', 'aria-label': 'Kind of channel' }, h('div', { class: 'row' }, kinds), kindHint),
      field('Channel', channel, 'Several with commas between. The name on the wire, with its prefix.'),
      field('Event', name, 'The name on the wire: the class, or what broadcastAs returns. Echo listens to the latter with a dot in front.'),
      field('Data', data, 'JSON, or any text. Clients get it as it is, in one line.'),
      field('Except socket', except, 'The socket that does not get it, as toOthers() excludes it. Empty for none.'),
      note,
      h('div', { class: 'row' }, send, add, sendBatch, state),
      queued,
    );
    add.addEventListener('click', () => {
      if (!form.reportValidity() || batch.length >= BATCH_MAX) return;
      batch = [...batch, event()];
      showBatch();
    });
    sendBatch.addEventListener('click', async () => {
      // An event of a batch has one channel.
      const sent = batch;
      const events = sent.flatMap(({ channels, ...one }) => channels.map((of) => ({ ...one, channel: of })));
      if (!(await publish('batch_events', { batch: events }))) return;
      batch = batch.filter((one) => !sent.includes(one));
      showBatch();
    });
    channel.addEventListener('input', check);
    const client = clientView(() => app, channel, mayChange);
    /** @param {string | undefined} first */
    function listed(first) {
      showFailure(failed, null);
      app = first;
      if (app === undefined) fill(root, empty('This server has no app', 'Add one to the configuration; the page Apps shows how.', h('a', { class: 'button', href: '#/apps' }, 'Apps')));
      else client.enable();
      check();
    }
    const choice = appChoice({
      chosen: query.get('app') ?? undefined,
      all: null,
      choose: (chosen) => ((app = chosen), client.stop()),
      listed,
      failed: (failure) => showFailure(failed, failure),
    });
    check();
    root.append(choice.element, failed, h('div', { class: 'columns' }, h('div', { class: 'stack' }, section('An event', form), result), section('As a client', client.content)));
    return () => {
      choice.stop();
      client.stop();
    };
  },
};

/** @param {string} name */
function kindOf(name) {
  const bare = name.replace(/^(private-|presence-)/, '');
  if (name.startsWith(ENCRYPTED)) return 4;
  if (bare.startsWith('cache-')) return 3;
  if (name.startsWith('presence-')) return 2;
  return name.startsWith('private-') ? 1 : 0;
}

/**
 * JSON in one line; what is no JSON stays as it is.
 * @param {string} text
 */
function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text;
  }
}

/** @param {any} one */
function verdict(one) {
  const is = one.verdict === 'delivered' ? status('good', 'Delivered') : status('warn', 'Reached no socket');
  const explained = h('a', { href: `#/live?channel=${encodeURIComponent(one.channel)}` }, 'Live');
  return h('article', { class: 'verdict' }, h('div', { class: 'row' }, is, h('strong', { class: 'mono' }, one.channel), explained), h('p', null, one.sentence), one.listen && h('p', { class: 'soft' }, 'In Echo: ', h('code', { class: 'data' }, one.listen)));
}
