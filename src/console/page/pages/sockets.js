// @ts-check
// The page Sockets: who is connected, and who was of late; and of one socket where it comes from, what went over it, its
// channels, and what happens to it.

import { get, poll } from '../api.js';
import { fill, h, merge, write } from '../dom.js';
import { bytes, counted, date, duration, number } from '../format.js';
import { appChoice, endButton, endUserButton, facts, figures, happenings, settled, showFailure } from '../lists.js';
import { empty, section, status } from '../parts.js';
import { table } from '../table.js';

/** @typedef {{ by: 'server' | 'client' | 'network', code?: number, reason?: string, ago_ms: number }} End */
/**
 * @typedef {{ socket: string, app?: string, node?: string, opened_at_ms: number, open_for_ms: number, address?: string, library?: string,
 *   version?: string, protocol?: string, origin?: string, user_agent?: string, tls: boolean, deflate: boolean, sent_bytes: number,
 *   received_bytes: number, outbox_bytes: number, user_id?: string, channel_count?: number,
 *   channels?: { channel: string, user_id?: string }[], closed?: End }} Socket
 */
/** @typedef {import('../app.js').Context} Context */

const EVERY_MS = 2000;

/** @param {Socket} row */
const client = (row) => [row.library, row.version].filter(Boolean).join(' ') || '–';

/** @param {End} end */
function why({ by, code, reason }) {
  if (by === 'network') return 'The connection was lost: no close frame came';
  const word = reason ? ` (${reason.replaceAll('_', ' ')})` : '';
  return `The ${by} closed it${code ? ` with ${code}` : ''}${word}`;
}

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function list(root, { query, about }) {
  let app = query.get('app') ?? '';
  let isClosed = query.get('state') === 'closed';
  let isOver = false;
  let stop = () => {};
  const search = h('input', { type: 'search', value: query.get('search') ?? '', placeholder: 'Id, user, address, channel or client…', 'aria-label': 'Search sockets', spellcheck: 'false' });
  const option = (/** @type {[string, string]} */ [value, text]) => h('option', { value }, text);
  const orders = /** @type {[string, string][]} */ ([['newest', 'Newest first'], ['oldest', 'Oldest first'], ['outbox', 'Most waiting bytes'], ['sent', 'Most bytes sent'], ['received', 'Most bytes received']]);
  const order = h('select', { 'aria-label': 'Which sockets first' }, orders.map(option));
  const states = h('div', { class: 'row', role: 'group', 'aria-label': 'Which sockets' });
  const count = h('p', { class: 'soft count', role: 'status' });
  const [failed, place] = [h('div'), h('div')];
  const stateButton = (/** @type {string} */ text, /** @type {boolean} */ closed) => h('button', { type: 'button', 'aria-pressed': String(isClosed === closed), onclick: () => choose(closed) }, text);
  /** @type {ReturnType<typeof table<Socket>>} */
  let rows;

  /** @param {boolean} closed */
  function choose(closed) {
    isClosed = closed;
    fill(states, stateButton('Open', false), stateButton('Ended', true));
    rows = table({ caption: closed ? 'Sockets that ended last' : 'Open sockets', columns: [...(closed ? CLOSED : OPEN), ...(about.node ? [NODE] : [])], key: (row) => row.socket, href: (row) => `#/sockets/${row.socket}`, empty: none });
    fill(place, rows.element);
    order.hidden = closed;
    start();
  }

  function none() {
    if (search.value || app) return empty('No socket fits', 'The search takes the beginning of an id or an address, a part of library, version, origin or user agent, or the whole id of a user or name of a channel.', h('button', { type: 'button', onclick: () => ((search.value = ''), start()) }, 'Show all'));
    if (isClosed) return empty('No socket has ended yet', 'The last ones of each worker are kept here, with the reason why they ended.');
    return empty('No client is connected', ['Open a page of the application. If it stays disconnected, look at what was refused, or let ', h('code', null, 'resound doctor'), ' check the set-up.'], h('a', { class: 'button', href: '#/refused' }, 'Refused'), h('a', { class: 'button', href: '#/doctor' }, 'Doctor'));
  }

  function start() {
    stop();
    if (isOver) return;
    const ask = async (/** @type {AbortSignal} */ signal) => {
      const found = await get('sockets', { search: search.value, app, sort: order.value, state: isClosed ? 'closed' : 'open', limit: 100 }, { signal });
      showFailure(failed, null);
      write(count, `${counted(found.matched, 'socket')}${found.more ? `, the first ${found.sockets.length} below` : ''}`);
      rows.update(found.sockets, found.more);
    };
    stop = poll(EVERY_MS, ask, (failure) => showFailure(failed, failure));
  }

  const choice = appChoice({ chosen: app, all: 'All apps', choose: (chosen) => ((app = chosen), start()) });
  search.addEventListener('input', settled(start));
  order.addEventListener('change', start);
  root.append(h('div', { class: 'filters' }, search, states, order, choice.element, count), failed, place);
  choose(isClosed);
  return () => {
    isOver = true;
    choice.stop();
    stop();
  };
}

/** @type {import('../table.js').Column<Socket>} */
const NODE = { title: 'Node', cell: (row) => row.node ?? '–', sort: (row) => row.node ?? '' };

/** @type {import('../table.js').Column<Socket>[]} */
const OPEN = [
  { title: 'Socket', cell: (row) => row.socket, mono: true },
  { title: 'User', cell: (row) => row.user_id ?? '–', sort: (row) => row.user_id ?? '' },
  { title: 'Address', cell: (row) => row.address ?? '–', sort: (row) => row.address ?? '' },
  { title: 'Client', cell: client, sort: client },
  { title: 'Channels', cell: (row) => number(row.channel_count), sort: (row) => row.channel_count ?? -1, numeric: true },
  { title: 'Open for', cell: (row) => duration(row.open_for_ms), sort: (row) => row.open_for_ms, numeric: true },
  { title: 'Sent', cell: (row) => bytes(row.sent_bytes), sort: (row) => row.sent_bytes, numeric: true },
  { title: 'Received', cell: (row) => bytes(row.received_bytes), sort: (row) => row.received_bytes, numeric: true },
  { title: 'Waiting', cell: (row) => bytes(row.outbox_bytes), sort: (row) => row.outbox_bytes, numeric: true },
];

/** @type {import('../table.js').Column<Socket>[]} */
const CLOSED = [
  { title: 'Socket', cell: (row) => row.socket, mono: true },
  { title: 'Ended', cell: (row) => `${duration(row.closed?.ago_ms ?? 0)} ago`, sort: (row) => row.closed?.ago_ms ?? 0 },
  { title: 'Why', cell: (row) => (row.closed ? why(row.closed) : '–'), sort: (row) => (row.closed ? why(row.closed) : '') },
  { title: 'Address', cell: (row) => row.address ?? '–', sort: (row) => row.address ?? '' },
  { title: 'Client', cell: client, sort: client },
  { title: 'Was open for', cell: (row) => duration(row.open_for_ms), sort: (row) => row.open_for_ms, numeric: true },
];

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function one(root, context) {
  const id = context.parameters[0];
  context.title(`Socket ${id}`);
  const [head, failed, result, place] = [h('div', { class: 'stack' }), h('div'), h('div'), h('div', { class: 'stack' })];
  /** @type {Socket | null} */
  let known = null;
  /** @type {ReturnType<typeof happenings> | null} */
  let live = null;
  const channels = table({
    caption: 'Channels',
    columns: [
      { title: 'Channel', cell: (row) => row.channel, sort: (row) => row.channel, mono: true },
      { title: 'As user', cell: (row) => row.user_id ?? '–', sort: (row) => row.user_id ?? '' },
    ],
    key: (/** @type {{ channel: string, user_id?: string }} */ row) => row.channel,
    href: (row) => `#/channels/${encodeURIComponent(known?.app ?? '')}/${encodeURIComponent(row.channel)}`,
    empty: () => empty('It is in no channel', 'Events reach it once it subscribes. If it should be subscribed, look at what was refused.', h('a', { class: 'button', href: '#/refused' }, 'Refused')),
  });
  const concerns = (/** @type {any} */ row) => {
    const joined = known?.channels?.some(({ channel }) => channel === row.channel) ?? false;
    return row.socket === id || (row.kind === 'delivery' && joined && row.except !== id);
  };

  /** @param {Socket} socket */
  function show(socket) {
    known = socket;
    merge(head, summary(socket));
    if (!live) {
      live = happenings({ app: socket.app ?? '' }, concerns, 'What reaches this socket, and what it does, appears as it happens. Nothing of it is kept.');
      place.append(section('What happens now', live.content), section('Channels', channels.element));
    }
    if (socket.channels) channels.update(socket.channels, (socket.channel_count ?? 0) > socket.channels.length);
    showActions(socket);
  }

  /** @param {Socket} socket */
  function showActions({ app, user_id: user, closed }) {
    const wanted = !context.mayChange || closed ? '' : `${app} ${user ?? ''}`;
    if (context.actions.dataset.shown === wanted) return;
    context.actions.dataset.shown = wanted;
    const end = endButton({ label: 'Close this socket', title: 'Close this socket?', text: `Socket ${id} is closed with 4009. Pusher's clients do not connect again after it.`, path: ['sockets', id, 'terminate'], done: () => 'The socket is closed.', result });
    fill(context.actions, wanted && end, wanted && user && endUserButton(app ?? '', user, result));
  }

  const ask = async (/** @type {AbortSignal} */ signal) => {
    show(await get(['sockets', id], {}, { signal }));
    showFailure(failed, null);
  };
  const stop = poll(EVERY_MS, ask, (failure) => {
    if (failure.status === 404 || failure.status === 400) {
      stop();
      fill(head, empty('This socket is not known', failure.message, h('a', { class: 'button', href: '#/sockets' }, 'Open sockets'), h('a', { class: 'button', href: '#/sockets?state=closed' }, 'Ended sockets')));
    } else showFailure(failed, failure);
  });
  root.append(head, failed, result, place);
  return () => {
    stop();
    live?.stop();
    delete context.actions.dataset.shown;
  };
}

/** @param {Socket} socket */
function summary(socket) {
  const { closed } = socket;
  /** @type {[string, string][]} */
  const numbers = [[closed ? 'Was open for' : 'Open for', duration(socket.open_for_ms)], ['Sent to it', bytes(socket.sent_bytes)], ['Received from it', bytes(socket.received_bytes)], ['Waiting for it', bytes(socket.outbox_bytes)]];
  if (socket.channel_count !== undefined) numbers.push(['Channels', number(socket.channel_count)]);
  const line = [socket.tls ? 'TLS ends at this server' : 'without TLS at this server', socket.deflate ? 'compressed' : 'not compressed'].join(', ');
  return [
    h('div', { class: 'row' }, closed ? status('off', `Ended ${duration(closed.ago_ms)} ago`) : status('good', 'Open'), closed && h('span', null, why(closed))),
    figures(numbers),
    facts([
      ['User', socket.user_id],
      ['App', socket.app],
      ['Node', socket.node],
      ['Address', socket.address ?? 'not known: it came over a unix socket'],
      ['Client library', client(socket)],
      ['Protocol', socket.protocol],
      ['Origin', socket.origin ?? 'none: no browser, or its profile was one of too many'],
      ['User agent', socket.user_agent],
      ['Connection', line],
      ['Opened', date(socket.opened_at_ms)],
    ]),
  ];
}

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Sockets',
  render: (root, context) => (context.parameters.length > 0 ? one(root, context) : list(root, context)),
};
