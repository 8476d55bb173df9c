// Owns the traps in which an event of Laravel reaches no page: each is one sentence, in the header of the answer, in `resound explain` and in
// the log.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Application, ask, errorsOf, freePort, Inbox, logged, reverbEnv, roundTrip, state, subscribed } from '../harness.mjs';

const APP = '256980';
const STAGING = { id: '2', key: 'key-of-staging', secret: 'secret-of-staging' };

describe('why an event of Laravel reaches no page', () => {
  const shared = {};

  before(async () => {
    const port = await freePort();
    shared.application = new Application(reverbEnv(port));
    shared.application.configure(`[[apps]]\n${Object.entries(STAGING).map(([key, value]) => `${key} = "${value}"\n`).join('')}`);
    const words = ['--config', 'resound.toml', '--debug', '--log-format', 'json'];
    shared.server = await shared.application.serve(port, { arguments: words });
  });
  after(() => shared.application?.dispose());

  /** The page of a user who may join every channel. */
  async function page(t, { key, ...credentials } = {}) {
    const signer = shared.application.sdk(shared.server, key ? { key, ...credentials } : {});
    const authorizer = ({ name }) => ({ authorize: (socket, answer) => answer(null, signer.authorizeChannel(socket, name)) });
    const echo = shared.application.echo(t, { authorizer, ...(key ? { key } : {}) });
    await state(echo.connector.pusher, 'connected');
    return echo;
  }

  /** Broadcasts one event from PHP; the header, the command and the log have this verdict and this sentence. */
  async function check({ channel, ...event }, verdict, sentence) {
    const [answer, ...others] = await shared.application.broadcast([event]);
    assert.deepEqual([others, answer.channel, answer.verdict, answer.sentence], [[], channel, verdict, sentence]);
    const shown = await ask(shared.server, 'explain', channel, `App\\Events\\${event.event}`, '--app', APP);
    assert.equal(shown.split('\n')[0], `now: ${sentence}`);
    const explained = await logged(shared.server, 'event explained', answer.trigger);
    assert.deepEqual(explained.map((line) => [line.reason, line.because]), [[verdict, sentence]]);
    return answer;
  }

  test('the event is on a public channel, and the page listens on the private one', async (t) => {
    for (let visitor = 0; visitor < 3; visitor += 1) {
      await subscribed((await page(t)).private('organization.1.capacity'));
    }
    await check(
      { event: 'CapacityChanged', on: ['Channel:organization.1.capacity'], channel: 'organization.1.capacity' },
      'near_miss',
      '0 on `organization.1.capacity`; 3 sockets on `private-organization.1.capacity`: publish on `PrivateChannel`',
    );
  });

  test('the page listens with a dot, and the event has the name of its class', async (t) => {
    const got = new Inbox('calls');
    const channel = await subscribed((await page(t)).channel('servers.5'));
    channel.listen('.ServerUpdated', () => got.put('with the dot'));
    channel.listen('ServerUpdated', () => got.put('without a dot'));
    const answer = await check(
      { event: 'ServerUpdated', on: ['Channel:servers.5'], channel: 'servers.5' },
      'delivered',
      "delivered to 1 socket on 1 node, no socket excluded; a page receives `App\\Events\\ServerUpdated` with `.listen('ServerUpdated')`, without a dot in front",
    );
    assert.equal(answer.listen, ".listen('ServerUpdated')");
    assert.deepEqual(await got.until(1), ['without a dot']);
  });

  test('toOthers() in a job has no socket to leave out', async (t) => {
    const echo = await page(t);
    const got = new Inbox('events');
    (await subscribed(echo.private('jobs.1'))).listen('CapacityChanged', got.put);
    const job = { event: 'CapacityChanged', on: ['PrivateChannel:jobs.1'], socket: null, channel: 'private-jobs.1' };
    const call = "a page receives `App\\Events\\CapacityChanged` with `.listen('CapacityChanged')`, without a dot in front";
    const answer = await check(job, 'delivered', `delivered to 1 socket on 1 node, no socket excluded; ${call}`);
    assert.deepEqual([answer.socket_id, answer.excluded], [null, null]);
    await got.until(1);

    const socket = echo.socketId();
    const [alone] = await shared.application.broadcast([{ ...job, socket }]);
    assert.deepEqual([alone.verdict, alone.socket_id, alone.excluded], ['only_subscriber_excluded', socket, true]);
    await roundTrip(echo.connector.pusher);
    assert.equal(got.items.length, 1);
  });

  test('the page connects to another app than the one that publishes', async (t) => {
    await subscribed((await page(t, STAGING)).channel('orders'));
    await check(
      { event: 'CapacityChanged', on: ['Channel:orders'], channel: 'orders' },
      'other_app',
      '0 on `orders`; 1 socket on the channel of this name in app "2": the back end publishes with the id and key of another app than the page',
    );
  });

  test('the page was built with a key of no app', async (t) => {
    const echo = shared.application.echo(t, { key: 'key-of-old-assets' });
    const [error] = await errorsOf(echo.connector.pusher).until(1);
    assert.deepEqual(error, { code: 4001, message: 'Application does not exist' });
    const sentence = 'no app of this server has the key "key-of-old-assets": the page has another VITE_REVERB_APP_KEY than REVERB_APP_KEY, or was built before that changed';
    const refused = await logged(shared.server, 'connection refused', 'key-of-old-assets');
    assert.deepEqual(refused.map((line) => [line.code, line.because]), [[4001, sentence]]);
  });

  test('the back end has a key or a secret of no app', async () => {
    const event = [{ event: 'CapacityChanged', on: ['Channel:orders'] }];
    for (const [variable, sentence] of [
      ['REVERB_APP_KEY', 'Authentication key is not the key of this app: check REVERB_APP_KEY and REVERB_APP_ID'],
      ['REVERB_APP_SECRET', 'Authentication signature invalid: check REVERB_APP_SECRET, and that no proxy changes the path or the query'],
      ['REVERB_APP_ID', 'No matching application for ID "wrong": check REVERB_APP_ID'],
    ]) {
      const failure = await shared.application.broadcast(event, { env: { [variable]: 'wrong' } }).then(assert.fail, ({ stderr }) => stderr);
      assert.ok(failure.includes(`BroadcastException: Pusher error: ${sentence}. in `), failure);
      const [line] = await logged(shared.server, 'request refused', JSON.stringify(sentence));
      assert.equal(line.cause, sentence);
    }
  });
});
