// Owns HAProxy in front of a server.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from '../harness/process.mjs';
import { freePort } from '../harness/server.mjs';
import { until } from '../harness.mjs';

/**
 * Starts HAProxy; `{ host, port, stop }` of its listener. `purgeMs`: how often it closes a part of its idle connections to `server`;
 * `mode`: http or tcp; `defaults`: further lines for both sides; `options`: what stands behind the address of `server`.
 */
export async function startHaproxy(server, { purgeMs = 5000, mode = 'http', defaults = '', options = '' } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'resound-haproxy-'));
  const port = await freePort();
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `global
  nbthread 1
defaults
  mode ${mode}
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  ${mode === 'http' ? 'http-reuse always' : ''}
  ${defaults}
frontend proxy
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  server node ${server.host}:${server.port} pool-purge-delay ${purgeMs}ms ${options}
`,
  );
  const child = endWithUs(spawn('haproxy', ['-f', join(folder, 'haproxy.cfg'), '-db'], { stdio: ['ignore', 'ignore', 'pipe'] }));
  let log = '';
  child.stderr.on('data', (bytes) => (log += bytes));
  const exited = new Promise((resolve) => child.once('close', resolve));
  await until(() => fetch(`http://127.0.0.1:${port}/up`).then((answer) => answer.ok, () => false), () => `HAProxy answering; its log:\n${log}`);
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  return { host: '127.0.0.1', port, stop };
}
