// Owns the receiving side of webhooks: one recording HTTP server per suite, and an endpoint on it for each topic.
//
// It does what the documentation requires of applications: a call that the stock `pusher` SDK does not accept gets 401.

import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { sdk } from './backend.mjs';
import { APP } from './server.mjs';
import { Inbox } from './until.mjs';

/** Registers the hooks. Endpoints are named before the server under test starts; `app()` returns their settings. */
export function webhooks(extra = {}) {
  const endpoints = [];
  const verifier = sdk({ host: '127.0.0.1', port: 1 });
  const http = createServer((request, response) => {
    receive(request, response, { endpoints, verifier }).catch((error) => response.destroy(error));
  });
  before(() => new Promise((ready) => http.listen(0, '127.0.0.1', ready)));
  after(() => {
    http.closeAllConnections();
    return new Promise((done) => http.close(done));
  });
  const url = (path) => `http://127.0.0.1:${http.address().port}${path}`;
  return {
    verifier,
    url,
    endpoint(settings = {}) {
      const endpoint = new Endpoint(`/endpoint/${endpoints.length}`, settings);
      endpoints.push(endpoint);
      return endpoint;
    },
    app: () => ({ ...extra, webhooks: endpoints.map(({ path, settings }) => ({ url: url(path), ...settings })) }),
  };
}

class Endpoint {
  /** Every call, taken or not: `{ headers, rawBody, at, valid, events, answered }`. */
  calls = new Inbox('calls');
  /** The events of calls that were answered with 2xx, in order of arrival. */
  events = new Inbox('events');
  /** How the next calls are answered; afterwards with 200. A status, `{ status, headers }`, 'hang' or 'drop'. */
  answers = [];
  #held = [];

  constructor(path, settings) {
    this.path = path;
    this.settings = settings;
  }

  /** Waits for events named `name` on `channel`; gives all that were delivered so far. */
  received(name, channel, deadline) {
    return this.events.until((items) => items.some((one) => one.name === name && one.channel === channel), deadline);
  }

  /** The next call is answered only once this is called; without calling, never. */
  release() {
    for (const answer of this.#held.splice(0)) answer();
  }

  take(call, response) {
    const planned = call.valid ? (this.answers.shift() ?? 200) : 401;
    const { status, headers } = typeof planned === 'number' ? { status: planned } : planned;
    this.calls.put({ ...call, answered: planned });
    const taken = () => {
      for (const event of call.events) this.events.put(event);
    };
    if (planned === 'drop') return response.destroy();
    if (planned === 'hang') return this.#held.push(() => (taken(), response.end()));
    if (status < 300) taken();
    return response.writeHead(status, headers).end();
  }
}

async function receive(request, response, { endpoints, verifier }) {
  const at = Date.now();
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const [headers, rawBody] = [request.headers, Buffer.concat(chunks).toString()];
  const endpoint = endpoints.find(({ path }) => path === request.url);
  if (!endpoint || request.method !== 'POST') return response.writeHead(404).end();
  const webhook = verifier.webhook({ headers, rawBody });
  const valid = webhook.isValid() && headers['x-pusher-key'] === APP.key;
  return endpoint.take({ headers, rawBody, at, valid, events: valid ? webhook.getEvents() : [] }, response);
}
