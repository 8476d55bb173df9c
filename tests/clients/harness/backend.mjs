// Owns the application server: what a Laravel application does next to its broadcast server, with the stock npm `pusher` SDK.
//
//   POST /broadcasting/auth   form-encoded socket_id and channel_name; the user comes from a bearer token or a cookie
//   POST /broadcasting/user-auth   form-encoded socket_id; signs the same user in, with the watchlist the test gave them
//   POST /broadcast           JSON { channel, event, data }; `X-Socket-ID` is honoured as `toOthers()` does
//   GET  /  and  /as/{user}   the page for browsers; the second form logs the user in by a cookie

import { createServer } from 'node:http';
import PusherServer from 'pusher';
import { APP } from './server.mjs';
import { until } from './until.mjs';

export const ENCRYPTION_KEY = Buffer.alloc(32, 'resound').toString('base64');

const PAGE = '<!doctype html><meta charset="utf-8"><title>page</title><div id="app"></div><script type="module" src="/page.js"></script>';
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'content-type, authorization, x-socket-id, x-requested-with',
  'access-control-allow-methods': 'GET, POST, OPTIONS',
};

/** The stock server SDK, pointed at `server`; `options` replace key, secret, appId and so on. */
export function sdk(server, options = {}) {
  return new PusherServer({
    appId: APP.id,
    key: APP.key,
    secret: APP.secret,
    host: server.host,
    port: String(server.port),
    useTLS: false,
    encryptionMasterKeyBase64: ENCRYPTION_KEY,
    ...options,
  });
}

/** The user_info of a user on presence channels. Shapes that a careless relay would change are on purpose. */
export function userInfo(id) {
  return { name: `Zoë ${id}`, tags: [], settings: {}, path: 'a/b', nested: { '1': null, deep: [{}, []] } };
}

/** Starts the application; `script` is the JavaScript its page loads, `watchlists` has the ids a user watches. */
export async function startBackend(server, { script = '' } = {}) {
  const pusher = sdk(server);
  const forger = sdk(server, { secret: 'not-the-secret' });
  const watchlists = new Map();
  const http = createServer((request, response) => {
    answer(request, { pusher, forger, watchlists, script }).then(
      ({ status = 200, headers = {}, body = '' }) => response.writeHead(status, { ...CORS, ...headers }).end(body),
      (error) => response.writeHead(500, CORS).end(String(error?.body || error?.stack || error)),
    );
  });
  await new Promise((ready) => http.listen(0, '127.0.0.1', ready));
  const url = `http://127.0.0.1:${http.address().port}`;
  const stop = () => {
    http.closeAllConnections();
    return new Promise((done) => http.close(done));
  };
  return { url, pusher, watchlists, stop };
}

async function answer(request, application) {
  const path = new URL(request.url, 'http://application').pathname;
  if (request.method === 'OPTIONS') return { status: 204 };
  if (request.method === 'POST' && path === '/broadcasting/auth') return authorize(request, application);
  if (request.method === 'POST' && path === '/broadcasting/user-auth') return authenticate(request, application);
  if (request.method === 'POST' && path === '/broadcast') return broadcast(request, application);
  if (path === '/page.js') return { headers: { 'content-type': 'text/javascript; charset=utf-8' }, body: application.script };
  if (path === '/') return page();
  const login = /^\/as\/(\w+)$/.exec(path);
  return login ? page({ 'set-cookie': `user=${login[1]}; Path=/` }) : { status: 404 };
}

// Like Laravel's broadcaster: guests are refused on guarded channels, members get their id as a string.
// A channel with "forged" in its name gets a signature made with another secret, a presence channel with "bare" in it no
// member: a signed-in connection needs none.
async function authorize(request, { pusher, forger }) {
  const form = new URLSearchParams(await read(request));
  const [socket, channel] = [form.get('socket_id'), form.get('channel_name')];
  const user = userOf(request);
  if (!user) return json({ message: 'Unauthenticated.' }, 403);
  const signer = channel.includes('forged') ? forger : pusher;
  const named = channel.startsWith('presence-') && !channel.includes('bare');
  const member = named ? { user_id: user, user_info: userInfo(user) } : undefined;
  return json(signer.authorizeChannel(socket, channel, member));
}

// A user with "forged" in their id gets a signature made with another secret.
async function authenticate(request, { pusher, forger, watchlists }) {
  const form = new URLSearchParams(await read(request));
  const user = userOf(request);
  if (!user) return json({ message: 'Unauthenticated.' }, 403);
  const signer = user.includes('forged') ? forger : pusher;
  return json(signer.authenticateUser(form.get('socket_id'), { id: user, user_info: userInfo(user), watchlist: watchlists.get(user) }));
}

async function broadcast(request, { pusher }) {
  const { channel, event, data } = JSON.parse(await read(request));
  const socket = request.headers['x-socket-id'];
  await pusher.trigger(channel, event, data, socket ? { socket_id: socket } : undefined);
  return json({});
}

function userOf(request) {
  const bearer = /^Bearer (\w+)$/.exec(request.headers.authorization ?? '');
  const cookie = /(?:^|;\s*)user=(\w+)/.exec(request.headers.cookie ?? '');
  return bearer?.[1] ?? cookie?.[1];
}

function page(headers = {}) {
  return { headers: { 'content-type': 'text/html; charset=utf-8', ...headers }, body: PAGE };
}

function json(value, status = 200) {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

async function read(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** What the HTTP API reports about a channel right now; `info` is the comma list of attributes to request. */
export async function channelInfo(pusher, name, info) {
  const answer = await pusher.get({ path: `/channels/${name}`, params: info ? { info } : {} });
  return answer.json();
}

/** Waits until the HTTP API reports that `name` is, or is no longer, occupied. */
export function untilOccupied(pusher, name, wanted) {
  return until(async () => (await channelInfo(pusher, name)).occupied === wanted, `${name} having occupied = ${wanted}`);
}

/** Waits until the HTTP API counts `wanted` subscriptions on `name`. */
export function untilSubscriptions(pusher, name, wanted) {
  const counted = async () => (await channelInfo(pusher, name, 'subscription_count')).subscription_count;
  return until(async () => (await counted()) === wanted, `${name} having ${wanted} subscriptions`);
}
