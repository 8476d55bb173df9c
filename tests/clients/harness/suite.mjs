// Owns what most suites share: one server and one application per test file, started before and gone after.

import { after, before } from 'node:test';
import { startBackend } from './backend.mjs';
import { startServer } from './server.mjs';

/**
 * Registers the hooks; the object returned is filled before the first test runs. `app`: settings of the app, or a function
 * that returns them when the server starts; `sections`: further tables of the configuration.
 */
export function world({ app, apps, sections, script } = {}) {
  const world = {};
  before(async () => {
    world.server = await startServer({ app: typeof app === 'function' ? app() : app, apps, sections });
    world.backend = await startBackend(world.server, { script: await script?.() });
    world.pusher = world.backend.pusher;
  });
  after(async () => {
    await world.backend?.stop();
    await world.server?.dispose();
  });
  return world;
}
