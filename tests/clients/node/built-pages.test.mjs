// Owns whole bundles, as Vite prints them for a Laravel application with laravel-echo, pusher-js and the hooks for Vue and
// React in them: `resound doctor` reads from the built files what pages will dial.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import vue from '@vitejs/plugin-vue';
import laravel from 'laravel-vite-plugin';
import { build } from 'vite';
import { plainEnvironment } from '../harness/server.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const parent = mkdtempSync(join(tmpdir(), 'resound-pages-'));
after(() => rmSync(parent, { recursive: true, force: true }));

const REVERB = {
  APP_URL: 'https://shop.example.com',
  BROADCAST_CONNECTION: 'reverb',
  REVERB_APP_ID: '123456',
  REVERB_APP_KEY: 'fixture-key',
  REVERB_APP_SECRET: 'reverb-secret-of-the-fixture',
  REVERB_HOST: 'ws.example.com',
  REVERB_PORT: '8443',
  REVERB_SCHEME: 'https',
  VITE_REVERB_APP_KEY: '"${REVERB_APP_KEY}"',
  VITE_REVERB_HOST: '"${REVERB_HOST}"',
  VITE_REVERB_PORT: '"${REVERB_PORT}"',
  VITE_REVERB_SCHEME: '"${REVERB_SCHEME}"',
};

const PUSHER = { VITE_PUSHER_APP_KEY: 'fixture-key', VITE_PUSHER_APP_CLUSTER: 'eu' };

/** An application whose pages are those of `pages/NAME`, built with these variables; gives its folder. */
async function built(name, entries, variables) {
  const folder = mkdtempSync(join(parent, `${name}-`));
  cpSync(here(`pages/${name}`), join(folder, 'resources/js'), { recursive: true });
  symlinkSync(here('../node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'artisan'), '#!/usr/bin/env php\n');
  env(folder, variables);
  const input = entries.map((entry) => `resources/js/${entry}`);
  const plugins = [laravel({ input, refresh: false }), vue()];
  await build({ root: folder, configFile: false, logLevel: 'warn', plugins });
  return folder;
}

function env(folder, variables) {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(join(folder, '.env'), lines.join(''));
}

/** The check of built assets: its outcome, what was seen, and what it says. */
async function examined(folder) {
  const parameters = ['doctor', '--offline', '--json', '--app', folder];
  const text = await new Promise((resolve) => {
    execFile(process.env.RESOUND_BIN, parameters, { env: plainEnvironment() }, (_, stdout) => resolve(stdout));
  });
  const check = JSON.parse(text).checks.find(({ id }) => id === 'R019');
  const says = check.findings.map((finding) => finding.says);
  // The name of a file has a hash of its content.
  const seen = (check.seen ?? []).map((line) => line.replace(/^public\/build\/assets\/(\w+)-.*?\.js: /, '$1: '));
  return { outcome: check.outcome, seen, says };
}

const DIALLED = 'wss://ws.example.com:8443, key fixture-key';

describe('built pages', () => {
  const cases = [
    ['echo', ['app.js'], ['app']],
    ['react', ['app.jsx'], ['app']],
    ['vue', ['app.js'], ['app']],
    // What two pages share is a file of its own, with the defaults that the package reads from the build.
    ['vue', ['app.js', 'admin.js'], ['admin', 'app']],
  ];
  for (const [name, entries, files] of cases) {
    test(`${name}: ${entries.join(' and ')}`, async () => {
      const folder = await built(name, entries, REVERB);
      const seen = files.map((file) => `${file}: ${DIALLED}`);
      assert.deepEqual(await examined(folder), { outcome: 'pass', seen, says: [] });
      env(folder, { ...REVERB, REVERB_HOST: 'new.example.com' });
      const says = ['The built page dials wss://ws.example.com:8443, but .env has wss://new.example.com:8443.'];
      assert.deepEqual(await examined(folder), { outcome: 'fail', seen: [], says });
      env(folder, { ...REVERB, REVERB_APP_KEY: 'new-key' });
      const key = ['The built page has the key fixture-key, but .env has new-key.'];
      assert.deepEqual(await examined(folder), { outcome: 'fail', seen: [], says: key });
    });
  }

  for (const name of ['echo', 'vue']) {
    test(`${name}: built without variables`, async () => {
      const folder = await built(name, ['app.js'], {});
      env(folder, REVERB);
      const says = ['The built page has no key: it was built without VITE_REVERB_APP_KEY.'];
      assert.deepEqual(await examined(folder), { outcome: 'fail', seen: [], says });
    });
  }

  test('pusher: sources that have changed since, and an old build that dials a cluster', async () => {
    const folder = await built('pusher', ['app.js'], { ...REVERB, ...PUSHER });
    cpSync(here('pages/echo'), join(folder, 'resources/js'), { recursive: true });
    const says = ["The built page dials wss://ws-eu.pusher.com:443, which is Pusher's own service."];
    assert.deepEqual(await examined(folder), { outcome: 'fail', seen: [], says });
  });
});
