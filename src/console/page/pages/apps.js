// @ts-check
// The page Apps: what each app may do, and the block for the `.env` of its Laravel app, whose secret is shown on request only.

import { get, post, untilAnswered } from '../api.js';
import { fill, h } from '../dom.js';
import { bytes, number } from '../format.js';
import { facts, showFailure } from '../lists.js';
import { copyButton, empty, field, notice, section, status } from '../parts.js';

/** A whole entry of the configuration. */
const EXAMPLE = '[[apps]]\nid = "123456"\nkey = "app-key"\nsecret = "a-long-secret"';

/** What a number of each limit means, where its name has it. */
const LIMITS = /** @type {[RegExp, (value: number) => string][]} */ ([[/_bytes$|_size$/, bytes]]);

/**
 * @param {string} name
 * @param {number | null} value
 */
function limit(name, value) {
  if (value === null) return 'no bound';
  const [, shown] = LIMITS.find(([pattern]) => pattern.test(name)) ?? [null, number];
  return shown(value);
}

/** @type {import('../app.js').Page} */
export const page = {
  title: 'Apps',
  render(root, { mayChange }) {
    const failed = h('div');
    const list = h('div', { class: 'apps' });
    const ask = async (/** @type {AbortSignal} */ signal) => {
      const { apps } = await get('apps', {}, { signal });
      return Promise.all(apps.map((/** @type {string} */ id) => get(['apps', id], {}, { signal })));
    };
    const show = (/** @type {any[]} */ all) => {
      showFailure(failed, null);
      fill(list, all.length > 0 ? all.map((app) => one(app, mayChange)) : none());
    };
    root.append(failed, list);
    return untilAnswered(ask, show, (failure) => showFailure(failed, failure));
  },
};

function none() {
  return empty('This server has no app', ['Add one to the configuration and reload it with ', h('code', null, 'resound reload'), ':'], h('pre', null, EXAMPLE), copyButton('Copy', () => EXAMPLE));
}

/**
 * @param {any} app
 * @param {boolean} mayChange
 */
function one(app, mayChange) {
  const origins = app.allowed_origins.join(', ');
  const shown = facts([
    ['Key', [h('code', null, app.key), copyButton('Copy the key', () => app.key)]],
    ['Secret', [h('code', null, app.secret), h('span', { class: 'soft' }, ' fingerprint')]],
    ['Previous secret', app.previous_secret && [h('code', null, app.previous_secret), h('span', { class: 'soft' }, ' still accepted')]],
    ['Allowed origins', origins],
    ['Without an Origin', app.require_origin ? 'refused' : 'allowed'],
    ['Activity time-out', `${number(app.activity_timeout_seconds)} s`],
    ['Ping interval', `${number(app.ping_interval_seconds)} s`],
    ['Client events', { members: 'on private and presence channels', all: 'on all channels', none: 'none' }[/** @type {'members' | 'all' | 'none'} */ (app.accept_client_events_from)]],
    ['Subscription counts', app.subscription_count_events ? 'sent to subscribers' : 'off'],
    ['Watchlists', app.watchlist_events ? 'on' : 'off'],
    ['Gap event', app.gap_event && h('code', null, app.gap_event)],
    ['Authorization', { jwt: 'by this server, with tokens', ask: 'by this server, which asks the app once for a session', sign_everything: 'signs everything: for development' }[/** @type {string} */ (app.auth)] ?? 'by the app'],
  ]);
  const limits = facts(Object.entries(app.limits).map(([name, value]) => [name, limit(name, value)]));
  const webhooks = app.webhooks.map((/** @type {any} */ hook) => h('li', null, h('code', null, hook.url), h('div', { class: 'soft' }, [hook.events.length > 0 ? hook.events.join(', ') : 'all events', hook.channel_prefix && ` of channels that begin with ${hook.channel_prefix}`, hook.channel_suffix && ` and end with ${hook.channel_suffix}`].filter(Boolean).join(''))));
  const pacing = app.pacing.map((/** @type {any} */ pace) => h('li', null, h('code', null, pace.channels), h('div', { class: 'soft' }, `latest within ${pace.latest_within_ms} ms, spread over ${pace.spread_over_ms} ms`)));
  const links = h('div', { class: 'row' }, h('a', { class: 'button', href: `#/channels/${encodeURIComponent(app.id)}` }, 'Channels'), h('a', { class: 'button', href: `#/publish?app=${encodeURIComponent(app.id)}` }, 'Publish'), h('a', { class: 'button', href: `#/live?app=${encodeURIComponent(app.id)}` }, 'Live'));
  return h(
    'article',
    { class: 'app', 'aria-labelledby': `app-${app.id}` },
    h('header', { class: 'row' }, h('h2', { id: `app-${app.id}` }, `App ${app.id}`), app.enabled ? status('good', 'Enabled') : status('off', 'Disabled'), links),
    shown,
    section('For the .env of the Laravel app', envBlock(app.id, mayChange)),
    h('details', null, h('summary', null, 'Limits'), limits),
    webhooks.length > 0 && h('details', null, h('summary', null, `Webhooks (${webhooks.length})`), h('ul', { class: 'lines' }, webhooks)),
    pacing.length > 0 && h('details', null, h('summary', null, `Pace of events (${pacing.length})`), h('ul', { class: 'lines' }, pacing)),
  );
}

/**
 * @param {string} app
 * @param {boolean} mayChange
 */
function envBlock(app, mayChange) {
  if (!mayChange) return notice('info', 'This token only looks, and the block has the secret. Log in with internal.token to see it.');
  const host = h('input', { placeholder: location.hostname, spellcheck: 'false', autocomplete: 'off' });
  const port = h('input', { type: 'number', min: 1, max: 65535, placeholder: '443' });
  const tls = h('select', null, h('option', { value: '' }, 'As the server listens'), h('option', { value: 'true' }, 'https'), h('option', { value: 'false' }, 'http'));
  const shown = h('div', { class: 'stack' });
  const hide = h('button', { type: 'button', onclick: () => fill(shown) }, 'Hide');
  const reveal = async () => {
    const wanted = { ...(host.value ? { host: host.value } : {}), ...(port.value ? { port: Number(port.value) } : {}), ...(tls.value ? { tls: tls.value === 'true' } : {}) };
    try {
      const { env } = await post(['apps', app, 'reveal'], wanted);
      fill(shown, h('pre', { class: 'env', tabindex: 0, 'aria-label': 'The block for .env' }, env), h('div', { class: 'row' }, copyButton('Copy the block', () => env), hide));
    } catch (failure) {
      fill(shown, notice('bad', failure instanceof Error ? failure.message : String(failure)));
    }
  };
  const form = h(
    'form',
    { class: 'env-form', onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), reveal()) },
    field('Public host', host),
    field('Port', port),
    field('Scheme', tls),
    h('button', { type: 'submit' }, 'Show with the secret'),
  );
  return h('div', { class: 'stack' }, h('p', { class: 'soft' }, 'Where browsers and the back end reach this server. The log has a line when the secret is shown.'), form, shown);
}
