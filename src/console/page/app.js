// @ts-check
// The shell: who is logged in, the navigation, and which page is shown. Each page is loaded when it is opened.

import { ApiError, asApiError, get, onUnauthorized } from './api.js';
import { fill, h, set, write } from './dom.js';
import { announce, empty, field, icon, notice, status } from './parts.js';
import { forgetToken, keepToken, takeTokenFromAddress, token } from './session.js';

/**
 * What a page gets of the shell.
 * @typedef {object} Context
 * @property {string[]} parameters The segments of the address behind the name of the page, decoded.
 * @property {URLSearchParams} query What stands behind `?` in it.
 * @property {About} about
 * @property {boolean} mayChange Whether the token allows changes.
 * @property {HTMLElement} actions A place beside the title, for buttons of the page.
 * @property {(title: string) => void} title Shows another title, such as the name of a channel.
 */
/** @typedef {{ version: number, server: string, node?: string, rights: 'full' | 'read', payloads: string[], open_taps: number }} About */
/** @typedef {{ title: string, render: (root: HTMLElement, context: Context) => () => void }} Page `render` returns what ends it. */
/** @typedef {{ title: string, icon: import('./parts.js').IconName, load: () => Promise<{ page: Page }> }} Entry */

/** @type {Record<string, Entry>} */
const PAGES = {
  overview: { title: 'Overview', icon: 'overview', load: () => import('./pages/overview.js') },
  live: { title: 'Live', icon: 'live', load: () => import('./pages/live.js') },
  channels: { title: 'Channels', icon: 'channels', load: () => import('./pages/channels.js') },
  sockets: { title: 'Sockets', icon: 'sockets', load: () => import('./pages/sockets.js') },
  publish: { title: 'Publish', icon: 'publish', load: () => import('./pages/publish.js') },
  refused: { title: 'Refused', icon: 'refused', load: () => import('./pages/refused.js') },
  webhooks: { title: 'Webhooks', icon: 'webhooks', load: () => import('./pages/webhooks.js') },
  cluster: { title: 'Cluster', icon: 'cluster', load: () => import('./pages/cluster.js') },
  apps: { title: 'Apps', icon: 'apps', load: () => import('./pages/apps.js') },
  doctor: { title: 'Doctor', icon: 'doctor', load: () => import('./pages/doctor.js') },
};

const app = /** @type {HTMLElement} */ (document.getElementById('app'));
/** @type {{ shell: ReturnType<typeof makeShell>, about: About } | null} */
let session = null;
/** Ends the page that is shown. */
let stop = () => {};
let turn = 0;

/** Begins: with the page that the address names, or with the login. */
async function begin() {
  try {
    const about = await get('');
    session = { shell: makeShell(about), about };
    fill(app, session.shell.elements);
    await route();
  } catch (cause) {
    const failure = asApiError(cause);
    if (failure.status !== 401) showLogin(failure);
  }
}

function end() {
  // A page that is still being loaded must not begin.
  turn += 1;
  stop();
  stop = () => {};
  session = null;
}

/** @param {ApiError | null} failure Why the last attempt did not succeed. */
function showLogin(failure) {
  end();
  document.title = 'Login – Resound';
  const input = h('input', { type: 'password', autocomplete: 'off', spellcheck: 'false', required: true });
  const send = (/** @type {Event} */ event) => {
    event.preventDefault();
    keepToken(input.value);
    begin();
  };
  const form = h('form', { class: 'login', onsubmit: send }, h('h1', null, 'Resound'), failure && notice('bad', failure.message));
  form.append(field('Token', input, 'internal.token of the configuration, or internal.read_only_token to look and change nothing.'), h('button', { type: 'submit', class: 'primary' }, 'Log in'));
  fill(app, h('main', { class: 'login-page' }, form));
  input.focus();
}

/** @param {About} about */
function makeShell(about) {
  const links = new Map(Object.entries(PAGES).map(([name, page]) => [name, h('a', { href: `#/${name}` }, icon(page.icon), h('span', null, page.title))]));
  const list = h('ul', null, [...links.values()].map((link) => h('li', null, link)));
  const leave = h('button', { type: 'button', class: 'quiet', onclick: logOut }, 'Log out');
  const foot = h('div', { class: 'foot' }, about.rights === 'read' && status('info', 'Read only'), token() ? leave : null);
  const brand = h('a', { class: 'brand', href: '#/overview' }, h('strong', null, 'Resound'), h('span', { class: 'node' }, about.node ?? `version ${about.server.split(' ')[0]}`));
  const title = h('h1', { tabindex: -1 });
  const actions = h('div', { class: 'row' });
  const root = h('div', { class: 'page' });
  const main = h('main', { id: 'main' }, h('header', { class: 'head' }, title, actions), root);
  const skip = h('a', { class: 'skip', href: '#main', onclick: (/** @type {Event} */ event) => (event.preventDefault(), title.focus()) }, 'To the page');
  const side = h('aside', { class: 'side' }, brand, h('nav', { 'aria-label': 'Pages' }, list), foot);
  return { elements: [skip, side, main], links, title, actions, root };
}

function logOut() {
  forgetToken();
  showLogin(null);
}

/** The page that the address names, what follows its name, and the query. */
function place() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [name = '', ...parameters] = path.split('/').filter(Boolean).map(decoded);
  return { name: name || 'overview', parameters, query: new URLSearchParams(query) };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Shows the page that the address names. */
async function route() {
  if (!session) return;
  const { shell, about } = session;
  const { name, parameters, query } = place();
  const mine = (turn += 1);
  stop();
  stop = () => {};
  document.querySelector('dialog')?.close();
  const entry = Object.hasOwn(PAGES, name) ? PAGES[name] : null;
  for (const [other, link] of shell.links) set(link, { 'aria-current': other === name ? 'page' : null });
  shell.links.get(name)?.scrollIntoView({ block: 'nearest', inline: 'center' });
  const title = (/** @type {string} */ text) => {
    write(shell.title, text);
    document.title = `${text} – Resound`;
  };
  title(entry?.title ?? 'No such page');
  fill(shell.actions);
  fill(shell.root);
  if (!entry) {
    shell.root.append(empty('There is no such page', ['The address of this page has a name that the console does not have. ', h('a', { href: '#/overview' }, 'Overview')]));
    return;
  }
  try {
    const [{ page }] = await Promise.all([entry.load(), style(name)]);
    if (mine !== turn) return;
    const root = h('div', { class: `page-${name}` });
    shell.root.append(root);
    stop = page.render(root, { parameters, query, about, mayChange: about.rights === 'full', actions: shell.actions, title });
  } catch (failure) {
    if (mine !== turn) return;
    console.error(failure);
    const again = h('button', { type: 'button', class: 'primary', onclick: () => location.reload() }, 'Load the console again');
    shell.root.append(empty('This page could not be shown', 'The server may have another version now, or it cannot be reached.', again));
  }
  announce(shell.title.textContent ?? '');
}

/**
 * Loads what a page looks like, once.
 * @param {string} name
 */
function style(name) {
  const href = new URL(`style/${name}.css`, import.meta.url).href;
  if (document.querySelector(`link[href="${href}"]`)) return null;
  return new Promise((loaded, failed) => {
    document.head.append(h('link', { rel: 'stylesheet', href, onload: loaded, onerror: () => failed(new ApiError(0, href)) }));
  });
}

onUnauthorized(() => {
  const had = token() !== null;
  forgetToken();
  const text = 'This token is not accepted. A server without apps makes a new one at each start and prints it.';
  showLogin(had ? new ApiError(401, text) : null);
});
addEventListener('hashchange', () => {
  if (takeTokenFromAddress() || !session) begin();
  else {
    window.scrollTo(0, 0);
    route().then(() => session?.shell.title.focus());
  }
});
takeTokenFromAddress();
begin();
