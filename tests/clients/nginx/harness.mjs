// Owns Nginx in front of one server or several: the shipped docker/nginx.conf, with nothing changed but addresses, or another site.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from '../harness/process.mjs';
import { freePort } from '../harness/server.mjs';
import { until } from '../harness.mjs';
import { startNameServer } from './names.mjs';

const SHIPPED = new URL('../../../docker/nginx.conf', import.meta.url);
const SEVERAL_NODES = new URL('../../../docker/proxies/nginx.conf', import.meta.url);

/**
 * Starts Nginx; `{ host, port, url, stop }` of its listener. The name `resound` resolves to all `servers`, which share a port.
 * `site`: from its port and the servers to the site's configuration; `connections`: how many it may have open, two for each socket.
 */
export async function startNginx(servers, { site, connections = 512 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'resound-nginx-'));
  const [port, all] = [await freePort(), [servers].flat()];
  const names = await startNameServer({ resound: all.map(({ host }) => host) });
  const text = site ? site(port, all) : shipped(port, all[0].port, names.address);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;\nworker_processes 1;\nuser root;\npid ${folder}/pid;\nerror_log stderr warn;\nevents { worker_connections ${connections}; }\nhttp {\naccess_log off;\n${temporary}\n${text}}\n`,
  );
  const child = endWithUs(spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] }));
  let log = '';
  child.stderr.on('data', (bytes) => (log += bytes));
  const exited = new Promise((resolve) => child.once('close', resolve));
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/up`).then((answer) => answer.ok, () => false), () => `Nginx answering; its log:\n${log}`);
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    names.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { host: '127.0.0.1', port, url, stop, log: () => log };
}

function shipped(port, upstreamPort, resolver) {
  const changes = { 'listen 80;': `listen 127.0.0.1:${port};`, 'resound:8080': `resound:${upstreamPort}`, 'resolver 127.0.0.11': `resolver ${resolver}` };
  return Object.entries(changes).reduce((text, [from, to]) => replaceOnce(text, from, to), readFileSync(SHIPPED, 'utf8'));
}

/** The shipped site for several nodes, for two. */
export function documented(port, nodes) {
  const changes = { 'listen 80;': `listen 127.0.0.1:${port};` };
  nodes.forEach((node, at) => (changes[`10.0.0.${at + 1}:8080`] = `${node.host}:${node.port}`));
  return Object.entries(changes).reduce((text, [from, to]) => replaceOnce(text, from, to), readFileSync(SEVERAL_NODES, 'utf8'));
}

function replaceOnce(text, from, to) {
  if (text.split(from).length !== 2) throw new Error(`the configuration should hold ${from} once:\n${text}`);
  return text.replace(from, to);
}
