/**
 * Follows the registry: what a channel points to is verified, loaded beside the old version, and swapped in. A release
 * that fails on the way is never served and changes nothing: the version before keeps answering, and says why. Only a
 * channel that is deleted or withdrawn takes the model from service.
 */
import { rm } from 'node:fs/promises';
import { channelKey, parseChannelKey } from '../artifacts/bundle.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import { reopenedReasons, termsKey, type TermsPointer } from '../artifacts/model-terms.ts';
import { parsePointer, withdrawnChannel } from '../artifacts/release.ts';
import type { TrustedKeys } from '../artifacts/signing-keys.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { loadModel, type ServedModel } from './served-model.ts';
import { readTerms } from './terms.ts';
import { fetchBundle, verifyRelease, type Release } from './release.ts';

/** Why what the channel points to is not what is served. */
export interface Refusal {
  readonly bundle: string | null;
  readonly kind: string;
  readonly reason: string;
}

export interface ModelState {
  readonly served: ServedModel | undefined;
  readonly refused: Refusal | undefined;
}

export interface FollowerOptions {
  readonly store: ArtifactStore;
  readonly pointers: Pointers;
  /** The registry's names to serve, or all of them, also those still to come. */
  readonly models: readonly string[] | 'all';
  readonly channel: string;
  /** Whose signatures count. */
  readonly trusted: TrustedKeys;
  /** Worker threads a model. */
  readonly workers: number;
  /** Largest width × height of a picture: more is refused before it is decoded. */
  readonly maxPixels: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** The pointer version that was looked at last, and when to look again although it has not moved. */
interface Seen {
  readonly version: string;
  readonly retryAt: number;
  readonly failures: number;
}

const MAX_RETRY_MS = 60_000;
const GONE = 'its pointer was deleted from the registry';

export class Follower {
  readonly #options: FollowerOptions;
  readonly #states = new Map<string, ModelState>();
  readonly #seen = new Map<string, Seen>();
  readonly #unloading = new Set<Promise<void>>();
  /** What was last wrong with the registry ('') or a model's pointer. */
  readonly #troubles = new Map<string, string>();
  /** Why the review of what a model serves is open again. */
  readonly #reopened = new Map<string, string>();
  #polling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #polled = false;
  #stopped = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  get states(): ReadonlyMap<string, ModelState> {
    return this.#states;
  }

  /** Why the review of what is served is open again, since its terms have changed; undefined while the decision stands. */
  reviewReopened(model: string): string | undefined {
    return this.#reopened.get(model);
  }

  /** The registry was read, and every model asked for by name is served. */
  get ready(): boolean {
    const { models } = this.#options;
    return this.#polled && (models === 'all' || models.every((model) => this.#states.get(model)?.served !== undefined));
  }

  /** Looks at once, then every `intervalMs`. */
  start(intervalMs: number): void {
    const again = () => {
      if (this.#stopped) return;
      this.#timer = setTimeout(() => void this.poll().then(again), intervalMs);
    };
    void this.poll().then(again);
  }

  /** One look at the registry. Never rejects: a registry that cannot be read leaves things as they are. */
  poll(): Promise<void> {
    this.#polling ??= this.#look().finally(() => {
      this.#polling = undefined;
    });
    return this.#polling;
  }

  /** Stops following and unloads everything, after what was accepted is answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#polling;
    for (const [model, { served }] of this.#states) if (served !== undefined) this.#unload(model, served);
    await Promise.all(this.#unloading);
  }

  async #look(): Promise<void> {
    const wanted = await this.#wanted().catch((error: unknown) => this.#unreadable('', error));
    if (wanted === undefined) return;
    for (const model of wanted) {
      if (this.#stopped) return;
      // One model's trouble must not keep the others from being followed.
      await this.#follow(model).then(
        () => this.#troubles.delete(model),
        (error: unknown) => this.#unreadable(model, error),
      );
    }
    this.#troubles.delete('');
    this.#polled = true;
  }

  /** Counted every time, logged when it is news. */
  #unreadable(model: string, error: unknown): undefined {
    const reason = messageOf(error);
    this.#options.metrics.pollErrors.inc();
    if (this.#troubles.get(model) !== reason) this.#options.log('warn', 'registry-unreadable', { model, reason });
    this.#troubles.set(model, reason);
    if (error instanceof EspalierError && error.kind === 'Corrupt') {
      this.#states.set(model, { served: this.#states.get(model)?.served, refused: refusalOf(error, null) });
      // Once it can be read again it is looked at anew, also where it is the very version that was served before.
      this.#seen.delete(model);
    }
  }

  async #wanted(): Promise<readonly string[]> {
    const { models, pointers, channel } = this.#options;
    if (models !== 'all') return models;
    const keys = await pointers.list('registry/');
    const listed = keys.flatMap((key) => {
      const found = parseChannelKey(key);
      return found?.channel === channel ? [found.model] : [];
    });
    // A model that is no longer listed is asked for by its key: only that answer can unload it.
    return [...new Set([...listed, ...this.#states.keys()])];
  }

  async #follow(model: string): Promise<void> {
    const { pointers, channel, metrics, log } = this.#options;
    const pointer = await pointers.read<unknown>(channelKey(model, channel));
    if (pointer === undefined) return this.#withdraw(model, GONE);
    const tombstone = withdrawnChannel(pointer.value);
    if (tombstone !== undefined) return this.#withdraw(model, tombstone.withdrawn);
    await this.#readTerms(model, pointer.value);
    const seen = this.#seen.get(model);
    if (seen?.version === pointer.version && Date.now() < seen.retryAt) return;
    const before = this.#states.get(model)?.served;
    try {
      const served = await this.#load(model, pointer.value, before);
      if (await this.#overtaken(model, pointer.version, served, before)) return await this.#follow(model);
      this.#states.set(model, { served, refused: undefined });
      this.#seen.set(model, { version: pointer.version, retryAt: Number.POSITIVE_INFINITY, failures: 0 });
      if (before !== undefined) metrics.modelInfo.remove(infoLabels(before.release));
      metrics.modelInfo.set(infoLabels(served.release), 1);
      log('info', 'model-served', { ...served.release, previousBundle: before?.release.bundle ?? null });
      if (before !== undefined && before.pool !== served.pool) this.#unload(model, before);
    } catch (error) {
      const failures = seen?.version === pointer.version ? seen.failures + 1 : 1;
      // What is wrong for good is looked at again only when the pointer moves.
      const retryable = !(error instanceof EspalierError) || error.retryable;
      const delayMs = retryable ? Math.min(MAX_RETRY_MS, 1000 * 2 ** failures) : Number.POSITIVE_INFINITY;
      this.#seen.set(model, { version: pointer.version, retryAt: Date.now() + delayMs, failures });
      const refused = refusalOf(error, pointer.value);
      this.#states.set(model, { served: before, refused });
      if (failures === 1) metrics.refused.inc({ model, kind: refused.kind });
      log('error', 'release-refused', { model, channel, ...refused, serving: before?.release.bundle ?? null });
    }
  }

  /** Loading may take minutes, where a graph is built: what the channel names no more by then is let go, and never serves. */
  async #overtaken(model: string, version: string, loaded: ServedModel, before?: ServedModel): Promise<boolean> {
    const { pointers, channel, log } = this.#options;
    let stands = false;
    try {
      const now = await pointers.read<unknown>(channelKey(model, channel));
      stands = now?.version === version;
      if (!stands) log('info', 'release-overtaken', { model, channel, bundle: loaded.release.bundle });
      return !stands;
    } finally {
      if (!stands && loaded.pool !== before?.pool) this.#unload(model, loaded);
    }
  }

  /** It is only told on: what cannot be read changes nothing. */
  async #readTerms(model: string, value: unknown): Promise<void> {
    const release = parsePointer(value).value?.release.digest;
    if (release === undefined) return;
    const { pointers, channel } = this.#options;
    const terms = await pointers.read<TermsPointer>(termsKey(model, channel)).catch(() => undefined);
    const reasons = reopenedReasons(terms?.value ?? null, release);
    if (reasons === undefined) this.#reopened.delete(model);
    else this.#reopened.set(model, reasons);
  }

  /** Nothing may be served under this name any more. What was accepted is still answered. */
  #withdraw(model: string, reason: string): void {
    const { channel, metrics, log } = this.#options;
    const state = this.#states.get(model);
    const refused = { bundle: null, kind: 'NotFound', reason: `channel '${channel}' serves nothing: ${reason}` };
    // A name that never stood in the registry stays unknown.
    if (state === undefined && reason === GONE) return;
    if (state !== undefined && state.served === undefined && state.refused?.reason === refused.reason) return;
    this.#states.set(model, { served: undefined, refused });
    this.#seen.delete(model);
    log('warn', 'model-withdrawn', { model, channel, reason, bundle: state?.served?.release.bundle ?? null });
    if (state?.served === undefined) return;
    metrics.modelInfo.remove(infoLabels(state.served.release));
    this.#unload(model, state.served);
  }

  /** The new version, loaded, warm and checked; the old one's workers when only the release around the bundle changed. */
  async #load(model: string, pointer: unknown, before: ServedModel | undefined): Promise<ServedModel> {
    const { store, channel, trusted, workers, maxPixels, metrics, log } = this.#options;
    const release = await verifyRelease(store, pointer, { model, channel }, trusted);
    if (before?.release.bundle === release.bundle) return { ...before, release };
    const verified = await fetchBundle(store, release, trusted);
    const { folder } = verified;
    try {
      const terms = await readTerms(folder);
      const loaded = await loadModel(verified, {
        workers,
        maxPixels,
        onBatch: (rows) => metrics.batchRows.observe({ model }, rows),
        onRestart: (reason) => {
          metrics.workerRestarts.inc({ model });
          log('error', 'model-worker-lost', { model, reason });
        },
      });
      return { ...loaded, release, folder, terms };
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  #unload(model: string, { pool, folder, release }: ServedModel): void {
    const { log } = this.#options;
    const unloading = pool
      .drain()
      .then(() => rm(folder, { recursive: true, force: true }))
      .then(() => log('info', 'model-unloaded', { model, bundle: release.bundle }))
      .catch((error: unknown) => log('error', 'model-unload-failed', { model, reason: messageOf(error) }))
      .finally(() => this.#unloading.delete(unloading));
    this.#unloading.add(unloading);
  }
}

function infoLabels({ model, channel, version, bundle }: Release) {
  return { model, channel, version, bundle };
}

function refusalOf(error: unknown, pointer: unknown): Refusal {
  const bundle = (pointer as { bundle?: { digest?: unknown } } | null)?.bundle?.digest;
  return {
    bundle: typeof bundle === 'string' ? bundle : null,
    kind: error instanceof EspalierError ? error.kind : 'Internal',
    reason: messageOf(error),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
