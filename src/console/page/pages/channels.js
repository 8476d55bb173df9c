// @ts-check
// The page Channels: those that have subscribers; and of one channel its members, its subscribers, what happens there and
// what happened of late.

import { get, poll } from '../api.js';
import { h, merge, write } from '../dom.js';
import { bytes, counted, duration, number } from '../format.js';
import { appChoice, endUserButton, facts, figures, happenings, settled, showFailure } from '../lists.js';
import { empty, section, status } from '../parts.js';
import { table } from '../table.js';

/** @typedef {{ channel: string, type: string, cache: boolean, subscriptions: number, on_this_node: number, members?: number, has_cached_event?: boolean }} Channel */
/** @typedef {import('../app.js').Context} Context */

const EVERY_MS = 2000;

/** @param {Channel} row */
const badge = (row) => h('span', { class: `badge ${row.type}` }, row.cache ? `${row.type} cache` : row.type);
/** @param {boolean | undefined} has */
const cached = (has) => (has === undefined ? '–' : has ? 'kept' : 'none');
/**
 * @param {string} app
 * @param {string} channel
 */
const addressOf = (app, channel) => `#/channels/${encodeURIComponent(app)}/${encodeURIComponent(channel)}`;

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function list(root, { parameters, about }) {
  /** Known once the list of apps is there. @type {string | undefined} */
  let app;
  let stop = () => {};
  const search = h('input', { type: 'search', placeholder: 'Name contains…', 'aria-label': 'Search channels', spellcheck: 'false' });
  const order = h('select', { 'aria-label': 'Which channels first' }, h('option', { value: 'name' }, 'By name'), h('option', { value: 'subscriptions' }, 'Most subscriptions'), h('option', { value: 'members' }, 'Most members'));
  const count = h('p', { class: 'soft count', role: 'status' });
  const failed = h('div');
  const isCluster = about.node !== undefined;
  const none = () => {
    if (search.value) return empty('No channel has that in its name', `No occupied channel of app ${app} contains “${search.value}”. Channels without subscribers are not listed.`, h('button', { type: 'button', onclick: () => ((search.value = ''), start()) }, 'Show all'));
    return empty('No channel has a subscriber', ['A channel is here from its first subscriber on. In a page with Laravel Echo: ', h('code', null, "Echo.channel('orders')"), '. If a page should be subscribed already, look at what was refused.'], h('a', { class: 'button', href: '#/refused' }, 'Refused'), h('a', { class: 'button', href: '#/sockets' }, 'Sockets'));
  };
  /** @type {import('../table.js').Column<Channel>[]} */
  const columns = [
    { title: 'Channel', cell: (row) => row.channel, sort: (row) => row.channel, mono: true },
    { title: 'Type', cell: badge, sort: (row) => row.type },
    { title: 'Subscriptions', cell: (row) => number(row.subscriptions), sort: (row) => row.subscriptions, numeric: true },
    ...(isCluster ? [{ title: 'On this node', cell: (/** @type {Channel} */ row) => number(row.on_this_node), sort: (/** @type {Channel} */ row) => row.on_this_node, numeric: true }] : []),
    { title: 'Members', cell: (row) => number(row.members), sort: (row) => row.members ?? -1, numeric: true },
    { title: 'Last event', cell: (row) => cached(row.has_cached_event) },
  ];
  const rows = table({ caption: 'Occupied channels', columns, key: (row) => row.channel, href: (row) => addressOf(app ?? '', row.channel), empty: none });
  let isOver = false;
  const start = () => {
    stop();
    const of = app;
    if (of === undefined || isOver) return;
    const ask = async (/** @type {AbortSignal} */ signal) => {
      const found = await get(['apps', of, 'channels'], { search: search.value, sort: order.value, limit: 500 }, { signal });
      showFailure(failed, null);
      write(count, counted(found.matched, 'channel'));
      rows.update(found.channels, found.more);
    };
    stop = poll(EVERY_MS, ask, (failure) => showFailure(failed, failure));
  };
  /** @param {string | undefined} first */
  function listed(first) {
    showFailure(failed, null);
    app = first;
    if (app === undefined) root.append(empty('This server has no app', 'Add one to the configuration; the page Apps shows how.', h('a', { class: 'button', href: '#/apps' }, 'Apps')));
    start();
  }
  const choice = appChoice({ chosen: parameters[0], all: null, choose: (chosen) => ((app = chosen), start()), listed, failed: (failure) => showFailure(failed, failure) });
  search.addEventListener('input', settled(start));
  order.addEventListener('change', start);
  root.append(h('div', { class: 'filters' }, search, order, choice.element, count), failed, rows.element);
  return () => {
    isOver = true;
    choice.stop();
    stop();
  };
}

/**
 * @param {HTMLElement} root
 * @param {Context} context
 */
function one(root, context) {
  const [app, name] = context.parameters;
  context.title(name);
  const [head, failed, result, past] = [h('div', { class: 'stack' }), h('div'), h('div'), h('ol', { class: 'lines' })];
  /** @type {import('../table.js').Column<any>[]} */
  const memberColumns = [
    { title: 'User', cell: (row) => row.user_id, sort: (row) => row.user_id, mono: true },
    { title: 'Info', cell: (row) => (row.user_info ? h('code', { class: 'data' }, row.user_info) : '–') },
  ];
  if (context.mayChange) memberColumns.push({ title: 'Close', cell: (row) => endUserButton(app, row.user_id, result) });
  const members = table({ caption: 'Members', columns: memberColumns, key: (row) => row.user_id, empty: () => h('p', { class: 'soft' }, 'No member is here.') });
  const subscribers = table({
    caption: 'Subscribers',
    columns: [
      { title: 'Socket', cell: (row) => row.socket, mono: true },
      { title: 'User', cell: (row) => row.user_id ?? '–', sort: (row) => row.user_id ?? '' },
      { title: 'Address', cell: (row) => row.address ?? '–', sort: (row) => row.address ?? '' },
      { title: 'Client', cell: (row) => [row.library, row.version].filter(Boolean).join(' ') || '–' },
    ],
    key: (row) => row.socket,
    href: (row) => `#/sockets/${row.socket}`,
    empty: () => empty('No subscriber on this node', 'An event that is published here now reaches no socket of this node.'),
  });
  const live = happenings({ app, channel: name }, () => true, 'What is published here, and who comes and goes, appears as it happens.');
  const memberPart = section('Members', members.element);
  memberPart.hidden = !name.startsWith('presence-');
  root.append(head, failed, result, section('What happens now', live.content), memberPart, section('Subscribers on this node', subscribers.element), section('The last minutes', past));
  const ask = async (/** @type {AbortSignal} */ signal) => {
    const shown = await get(['apps', app, 'channels', name], {}, { signal });
    const explained = await get(['apps', app, 'explain'], { channel: name }, { signal });
    showFailure(failed, null);
    merge(head, summary(shown));
    members.update(shown.member_list);
    subscribers.update(shown.subscribers, shown.on_this_node > shown.subscribers.length);
    showPast(past, explained);
  };
  const stop = poll(EVERY_MS, ask, (failure) => showFailure(failed, failure));
  context.actions.append(h('a', { class: 'button', href: `#/publish?app=${encodeURIComponent(app)}&channel=${encodeURIComponent(name)}` }, 'Publish here'));
  return () => (stop(), live.stop());
}

/** @param {any} shown */
function summary(shown) {
  /** @type {[string, string][]} */
  const numbers = [['Subscriptions', number(shown.subscriptions)], ['On this node', number(shown.on_this_node)], ['Nodes', number(shown.nodes)]];
  if (shown.members !== undefined) numbers.push(['Members', number(shown.members)]);
  if (shown.occupied_for_ms !== undefined) numbers.push(['Occupied for', duration(shown.occupied_for_ms)]);
  const event = shown.cached_event;
  return [
    h('div', { class: 'row' }, badge(shown), shown.subscriptions > 0 ? status('good', 'Occupied') : status('off', 'No subscriber'), shown.partial && status('warn', 'Redis is away: this node alone')),
    figures(numbers),
    shown.cache && facts([['Last event', event ? [h('code', { class: 'data' }, event.data ?? '(not shown: internal.payloads is none)'), h('span', { class: 'soft' }, ` ${bytes(event.bytes)}, kept for ${duration(event.expires_in_seconds * 1000)} more`)] : 'None is kept: a subscriber receives pusher:cache_miss.']]),
  ];
}

/**
 * @param {HTMLElement} place
 * @param {any} explained
 */
function showPast(place, explained) {
  const now = h('li', null, h('div', { class: 'row' }, h('span', { class: 'soft' }, 'now'), explained.now.sentence));
  const before = explained.past.map((/** @type {any} */ row) => h('li', null, h('div', { class: 'row' }, h('span', { class: 'soft' }, `${duration(row.ago_ms)} ago`), row.sentence)));
  merge(place, now, before);
}

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Channels',
  render: (root, context) => (context.parameters.length > 1 ? one(root, context) : list(root, context)),
};
