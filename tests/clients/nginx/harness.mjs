// Owns Nginx in front of a server: the shipped docker/nginx.conf, with nothing changed but the two addresses.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../harness/server.mjs';
import { until } from '../harness.mjs';

const SHIPPED = new URL('../../../docker/nginx.conf', import.meta.url);

/** Starts Nginx; `{ host, port, url, stop }` of its door. */
export async function startNginx(server) {
  const folder = mkdtempSync(join(tmpdir(), 'resound-nginx-'));
  const port = await freePort();
  const site = replaceOnce(replaceOnce(readFileSync(SHIPPED, 'utf8'), 'listen 80;', `listen 127.0.0.1:${port};`), 'resound:8080', `127.0.0.1:${server.port}`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off;\nworker_processes 1;\nuser root;\npid ${folder}/pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n${temporary}\n${site}}\n`,
  );
  const child = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (bytes) => (log += bytes));
  process.once('exit', () => child.kill('SIGKILL'));
  const exited = new Promise((resolve) => child.once('close', resolve));
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/up`).then((answer) => answer.ok, () => false), () => `Nginx answering; its log:\n${log}`);
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  return { host: '127.0.0.1', port, url, stop };
}

function replaceOnce(text, from, to) {
  if (text.split(from).length !== 2) throw new Error(`docker/nginx.conf should hold ${from} once`);
  return text.replace(from, to);
}
