/** What Prometheus sees. One registry a server; a model label only ever holds a name the registry knows. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  // The process itself: processor time, memory, event-loop lag.
  collectDefaultMetrics({ register: registry });
  const name = (rest: string) => `espalier_serving_${rest}`;
  return {
    registry,
    requests: new Counter({
      name: name('requests_total'),
      help: 'HTTP requests answered, by route, model (empty when unknown) and status.',
      labelNames: ['route', 'model', 'status'] as const,
      registers,
    }),
    seconds: new Histogram({
      name: name('request_seconds'),
      help: 'Time from the first byte of an infer request to its answer.',
      labelNames: ['model'] as const,
      buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
      registers,
    }),
    batchRows: new Histogram({
      name: name('batch_rows'),
      help: 'Rows a batch: texts or pictures.',
      labelNames: ['model'] as const,
      buckets: [1, 2, 4, 8, 16, 32],
      registers,
    }),
    queuedRows: new Gauge({
      name: name('queued_rows'),
      help: 'Rows waiting for a worker.',
      labelNames: ['model'] as const,
      registers,
    }),
    generating: new Gauge({
      name: name('generations_running'),
      help: 'Generations under way.',
      labelNames: ['model'] as const,
      registers,
    }),
    generatedTokens: new Counter({
      name: name('generated_tokens_total'),
      help: 'Tokens written.',
      labelNames: ['model'] as const,
      registers,
    }),
    promptTokens: new Counter({
      name: name('prompt_tokens_total'),
      help: 'Tokens of prompts read, the bundle’s own prompt included.',
      labelNames: ['model'] as const,
      registers,
    }),
    firstTokenSeconds: new Histogram({
      name: name('first_token_seconds'),
      help: 'Time from a request for a generation to its first text.',
      labelNames: ['model'] as const,
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    tokensPerSecond: new Histogram({
      name: name('generation_tokens_per_second'),
      help: 'Tokens a second of a generation, from its first text on.',
      labelNames: ['model'] as const,
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000],
      registers,
    }),
    generations: new Counter({
      name: name('generations_total'),
      help: 'Generations ended, by how: end, stop, length, cancelled, refused or failed.',
      labelNames: ['model', 'finish'] as const,
      registers,
    }),
    modelInfo: new Gauge({
      name: name('model_info'),
      help: '1 for the bundle that is served.',
      labelNames: ['model', 'channel', 'version', 'bundle'] as const,
      registers,
    }),
    refused: new Counter({
      name: name('releases_refused_total'),
      help: 'Published releases that failed verification or could not be loaded.',
      labelNames: ['model', 'kind'] as const,
      registers,
    }),
    pollErrors: new Counter({
      name: name('registry_errors_total'),
      help: 'Looks at the registry that failed; what was loaded keeps serving.',
      registers,
    }),
    workerRestarts: new Counter({
      name: name('worker_restarts_total'),
      help: 'Model workers that died and were replaced.',
      labelNames: ['model'] as const,
      registers,
    }),
    recorded: new Counter({
      name: name('predictions_recorded_total'),
      help: 'Predictions written to the store.',
      labelNames: ['model'] as const,
      registers,
    }),
    dropped: new Counter({
      name: name('predictions_dropped_total'),
      help: 'Predictions not recorded because the buffer was full or the store refused them.',
      labelNames: ['model'] as const,
      registers,
    }),
  };
}
