// Owns the one module through which suites reach the harness: server, application, Laravel, clients, crowds, waiting, webhooks, clusters, traffic.

export * from './harness/backend.mjs';
export * from './harness/clients.mjs';
export * from './harness/cluster.mjs';
export * from './harness/crowd.mjs';
export * from './harness/laravel.mjs';
export * from './harness/random.mjs';
export * from './harness/redis.mjs';
export * from './harness/server.mjs';
export * from './harness/stalls.mjs';
export * from './harness/suite.mjs';
export * from './harness/traffic.mjs';
export * from './harness/until.mjs';
export * from './harness/webhooks.mjs';
