// Owns the promise of the first minute: what `resound serve` prints is all a page and a shell need.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { findChromium, QUIET } from '../harness/browser.mjs';
import { freePort, plainEnvironment } from '../harness/server.mjs';
import { Inbox, until } from '../harness.mjs';

const HERE = fileURLToPath(new URL('..', import.meta.url));

describe('what the server prints without any configuration', () => {
  let child;
  let browser;
  let printed = '';
  before(async () => {
    const port = await freePort();
    child = spawn(process.env.RESOUND_BIN, ['serve', '--port', String(port)], { stdio: ['ignore', 'pipe', 'ignore'], env: plainEnvironment() });
    child.stdout.on('data', (bytes) => (printed += bytes));
    await until(() => printed.includes('trigger hello greeting'), () => `the whole banner, so far:\n${printed}`);
    browser = await chromium.launch({ executablePath: findChromium(), headless: true, args: QUIET });
  });
  after(async () => {
    await browser?.close();
    child?.kill('SIGKILL');
  });

  /** A page that holds the printed snippet and nothing else; `said` is its console, `received` its frames. */
  async function pageWithSnippet() {
    const snippet = printed.match(/^import Echo[\s\S]*?^echo\.channel.*$/m)[0];
    const { outputFiles } = await build({ stdin: { contents: snippet, resolveDir: HERE }, bundle: true, format: 'esm', write: false, logLevel: 'error' });
    const page = await browser.newPage();
    const said = new Inbox('console');
    const received = new Inbox('frames');
    page.on('console', (message) => said.put(message.text()));
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => received.put(String(payload))));
    await page.addScriptTag({ type: 'module', content: outputFiles[0].text });
    await received.until((frames) => frames.some((frame) => frame.includes('subscription_succeeded')));
    return { page, said };
  }

  test('the snippet shows the event that the curl command sends', async () => {
    const { page, said } = await pageWithSnippet();
    const curl = printed.match(/^curl [\s\S]*?'$\n? *'[^']*'$|^curl [\s\S]*?auth_signature=[0-9a-f]+'$/m)[0];
    const { stdout } = await promisify(execFile)('sh', ['-c', curl]);
    assert.equal(stdout, '{}');
    assert.deepEqual(await said.until(1), ['Hello from Resound']);
    await page.close();
  });

  test('the snippet shows the event that the trigger command sends', async () => {
    const { page, said } = await pageWithSnippet();
    const command = printed.match(/^.* (trigger hello greeting .*)$/m)[1];
    const { stdout } = await promisify(execFile)('sh', ['-c', `"$BIN" ${command}`], { env: { ...plainEnvironment(), BIN: process.env.RESOUND_BIN } });
    assert.equal(stdout.trim(), '{}');
    assert.deepEqual(await said.until(1), ['Hello from Resound']);
    await page.close();
  });

  test('the .env block has every variable of Laravel’s installer', () => {
    const names = [...printed.matchAll(/^((?:VITE_)?REVERB_[A-Z_]+)=/gm)].map(([, name]) => name);
    const installer = ['APP_ID', 'APP_KEY', 'APP_SECRET', 'HOST', 'PORT', 'SCHEME'].map((name) => `REVERB_${name}`);
    const vite = ['APP_KEY', 'HOST', 'PORT', 'SCHEME'].map((name) => `VITE_REVERB_${name}`);
    assert.deepEqual(names, [...installer, ...vite]);
  });
});
