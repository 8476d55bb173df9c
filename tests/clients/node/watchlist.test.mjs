// Owns watchlists in Node: a signed-in user receives who is online, who comes and who goes, once each.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, errorsOf, Inbox, openPusher, roundTrip, signedIn, statesOf, subscribed } from '../harness.mjs';
import { tap, untilOccupied, world } from '../harness.mjs';

/** Signs `user` in with a watchlist; the events go to an inbox as `[what, ids]`, events to the user as `['marker', data]`. */
async function watcher(t, shared, user, watchlist) {
  shared.backend.watchlists.set(user, watchlist);
  const pusher = openPusher(t, shared, user);
  const received = new Inbox(user);
  const errors = errorsOf(pusher);
  for (const name of ['online', 'offline']) pusher.user.watchlist.bind(name, (event) => received.put([event.name, event.user_ids]));
  pusher.user.bind('marker', (data) => received.put(['marker', data]));
  await signedIn(pusher);
  return { pusher, received, errors };
}

/** A tab of `user`, signed in and on a channel of its own; `gone()` ends it and waits until the server has noticed. */
async function tab(t, shared, user, name) {
  const pusher = await signedIn(await connectPusher(t, shared, user));
  await subscribed(pusher.subscribe(name));
  return {
    gone: async () => {
      pusher.disconnect();
      await untilOccupied(shared.pusher, name, false);
    },
  };
}

describe('watchlists', () => {
  const shared = world();
  const mark = (user, data) => shared.pusher.sendToUser(user, 'marker', data);

  test('right after signing in both lists are sent', async (t) => {
    await tab(t, shared, 'present', 'tab-present');
    const { pusher, received } = await watcher(t, shared, 'state', ['present', 'absent', 'state']);
    await mark('state', 'end');
    const items = await received.until((all) => all.at(-1)?.[0] === 'marker');
    assert.deepEqual(items.map(([what, ids]) => [what, Array.isArray(ids) ? [...ids].sort() : ids]), [
      ['online', ['present', 'state']],
      ['offline', ['absent']],
      ['marker', 'end'],
    ]);
    assert.equal(pusher.connection.state, 'connected');
  });

  test('a list of which all or none are online is sent without the empty half', async (t) => {
    const { received } = await watcher(t, shared, 'half', ['nobody', 'no-one']);
    await mark('half', 'end');
    assert.deepEqual(await received.until(2), [['offline', ['nobody', 'no-one']], ['marker', 'end']]);
  });

  test('the first connection is reported as online, the end of the last one as offline, those between not at all', async (t) => {
    const { received } = await watcher(t, shared, 'ada', ['bob']);
    const first = await tab(t, shared, 'bob', 'tab-1');
    await mark('ada', 'one open');
    const second = await tab(t, shared, 'bob', 'tab-2');
    await mark('ada', 'two open');
    await first.gone();
    await mark('ada', 'one left');
    await second.gone();
    await mark('ada', 'none left');
    await tab(t, shared, 'bob', 'tab-3');
    await mark('ada', 'back');
    assert.deepEqual(await received.until((all) => all.some(([, data]) => data === 'back')), [
      ['offline', ['bob']],
      ['online', ['bob']],
      ['marker', 'one open'],
      ['marker', 'two open'],
      ['marker', 'one left'],
      ['offline', ['bob']],
      ['marker', 'none left'],
      ['online', ['bob']],
      ['marker', 'back'],
    ]);
  });

  test('only watchers are notified: not the watched user, no user without a watchlist, no connection that is only present', async (t) => {
    const { received } = await watcher(t, shared, 'alone', undefined);
    const other = await watcher(t, shared, 'watching', ['alone', 'guest']);
    const guest = await connectPusher(t, shared, 'guest');
    await subscribed(guest.subscribe('presence-room'));
    await mark('alone', 'end');
    await mark('watching', 'end');
    assert.deepEqual(await received.until(1), [['marker', 'end']]);
    assert.deepEqual(await other.received.until(3), [['online', ['alone']], ['offline', ['guest']], ['marker', 'end']]);
  });

  test('a terminated user goes offline', async (t) => {
    const { received } = await watcher(t, shared, 'judge', ['thief']);
    await tab(t, shared, 'thief', 'tab-thief');
    await shared.pusher.terminateUserConnections('thief');
    assert.deepEqual(await received.until(3), [['offline', ['thief']], ['online', ['thief']], ['offline', ['thief']]]);
  });

  test('a watcher that reconnects receives the state anew and every change once', async (t) => {
    const { pusher, received } = await watcher(t, shared, 'comeback', ['friend']);
    const states = statesOf(pusher);
    pusher.disconnect();
    pusher.connect();
    await states.until((names) => names.includes('connected'));
    await signedIn(pusher);
    await tab(t, shared, 'friend', 'tab-friend');
    await mark('comeback', 'end');
    const items = await received.until((all) => all.at(-1)[0] === 'marker');
    assert.deepEqual(items, [['offline', ['friend']], ['offline', ['friend']], ['online', ['friend']], ['marker', 'end']]);
  });

  test('of 101 ids the first hundred are watched and the client receives 4302; the connection stays', async (t) => {
    const ids = Array.from({ length: 101 }, (_, n) => `w${n}`);
    const { pusher, received, errors } = await watcher(t, shared, 'greedy', ids);
    await roundTrip(pusher);
    assert.deepEqual(errors.items.map(({ code }) => code), [4302]);
    assert.deepEqual(received.items, [['offline', ids.slice(0, 100)]]);
    await tab(t, shared, 'w100', 'tab-w100');
    await tab(t, shared, 'w99', 'tab-w99');
    assert.deepEqual((await received.until(2)).slice(1), [['online', ['w99']]]);
    assert.equal(pusher.connection.state, 'connected');
  });

  test('exactly a hundred ids are no error', async (t) => {
    const { pusher, errors } = await watcher(t, shared, 'modest', Array.from({ length: 100 }, (_, n) => `m${n}`));
    await roundTrip(pusher);
    assert.deepEqual(errors.items, []);
  });
});

describe('watchlists with watchlist_events = false', () => {
  const shared = world({ app: { watchlist_events: false } });

  test('nothing is sent, and signing in works', async (t) => {
    const frames = tap(t);
    const { received } = await watcher(t, shared, 'ada', ['bob']);
    const bob = await tab(t, shared, 'bob', 'tab-bob');
    await bob.gone();
    await shared.pusher.sendToUser('ada', 'marker', 'end');
    assert.deepEqual(await received.until(1), [['marker', 'end']]);
    assert.ok(!frames.items.some((text) => text.includes('watchlist_events')));
  });
});
