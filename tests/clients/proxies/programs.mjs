// Owns the proxies in front of two servers: the files of docker/proxies, with nothing changed but names, addresses and time-outs.

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithUs } from '../harness/process.mjs';
import { freePort, HOST } from '../harness/server.mjs';
import { until } from '../harness.mjs';

const SHIPPED = new URL('../../../docker/proxies/', import.meta.url);
const APACHE_MODULES = 'mpm_event authz_core proxy proxy_http proxy_balancer slotmem_shm lbmethod_bybusyness'.split(' ');

/**
 * For each program: its file; `own`, what stands in the file for the port it listens on; `surroundings`, from a folder and the text
 * of the file to the complete configuration; `call`, from the path of that to a command line; `timeout`, how the file writes 60 s; `isLate`, whether triggers are
 * refused between the end of a node and the next health check.
 */
export const PROGRAMS = {
  Nginx: {
    file: 'nginx.conf',
    own: ['listen 80;', (port) => `listen ${HOST}:${port};`],
    timeout: [/\b60s\b/g, (seconds) => `${seconds}s`],
    surroundings: (folder, text) => {
      const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(' ');
      return `daemon off; worker_processes 1; user root; pid ${folder}/pid; error_log stderr warn;
        events {} http { access_log off; ${paths}\n${text}\n}`;
    },
    call: (path) => ['nginx', '-c', path, '-e', 'stderr'],
  },
  HAProxy: {
    file: 'haproxy.cfg',
    own: ['bind :80', (port) => `bind ${HOST}:${port}`],
    timeout: [/\b60s\b/g, (seconds) => `${seconds}s`],
    surroundings: (_, text) => `global\n  nbthread 1\n${text}`,
    call: (path) => ['haproxy', '-f', path, '-db'],
  },
  Caddy: {
    file: 'Caddyfile',
    own: ['ws.example.com {', (port) => `http://${HOST}:${port} {`],
    isLate: true,
    surroundings: (_, text) => `{\n\tadmin off\n}\n${text}`,
    call: (path) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', path],
  },
  Apache: {
    file: 'apache.conf',
    own: ['<VirtualHost *:80>', (port) => `Listen ${HOST}:${port}\n<VirtualHost *:${port}>`],
    timeout: [/imeout 60$/gm, (seconds) => `imeout ${seconds}`],
    surroundings: (folder, text) => {
      const modules = APACHE_MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n');
      return `${modules}\nServerName ${HOST}\nServerRoot ${folder}\nDefaultRuntimeDir ${folder}\nPidFile ${folder}/pid\nErrorLog /dev/stderr\n${text}`;
    },
    call: (path) => ['apache2', '-f', path, '-D', 'FOREGROUND'],
  },
};

/** Starts a program in front of two `servers`; `seconds` stands for the minute of its file. `{ host, port, url, stop, log }` of its listener. */
export async function startProgram(program, servers, { seconds = 60 } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'resound-proxy-'));
  const [port, path] = [await freePort(), join(folder, 'configuration')];
  writeFileSync(path, program.surroundings(folder, adapted(program, port, servers, seconds)));
  const [command, ...flags] = program.call(path);
  const environment = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
  // A file and no pipe: Apache opens /dev/stderr by its name.
  const output = openSync(join(folder, 'log'), 'a');
  const child = endWithUs(spawn(command, flags, { stdio: ['ignore', output, output], env: environment }));
  closeSync(output);
  const log = () => readFileSync(join(folder, 'log'), 'utf8');
  const exited = new Promise((resolve) => child.once('close', resolve));
  const url = `http://${HOST}:${port}`;
  const isUp = () => {
    if (child.exitCode !== null) throw new Error(`${command} ended while starting:\n${log()}`);
    return fetch(`${url}/up`).then((answer) => answer.ok, () => false);
  };
  await until(isUp, () => `${command} answering; its log:\n${log()}`);
  const stop = async () => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  return { host: HOST, port, url, stop, log };
}

function adapted({ file, own: [own, listening], timeout }, port, servers, seconds) {
  const text = readFileSync(new URL(file, SHIPPED), 'utf8');
  const [pattern, written] = timeout ?? [/$^/g, () => ''];
  let changed = replaceOnce(text, own, listening(port)).replaceAll(pattern, written(seconds));
  servers.forEach((server, at) => (changed = replaceOnce(changed, `10.0.0.${at + 1}:8080`, `${server.host}:${server.port}`)));
  return changed;
}

function replaceOnce(text, from, to) {
  if (text.split(from).length !== 2) throw new Error(`the file should hold ${from} once:\n${text}`);
  return text.replace(from, to);
}
