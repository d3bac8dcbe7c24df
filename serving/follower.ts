/**
 * Follows the registry: what a channel points to is verified, loaded beside the old version, and swapped in. A release
 * that fails on the way is never served and changes nothing: the version before keeps answering, and says why. Only a
 * channel that is deleted or withdrawn takes the model from service. All channels are looked at while some of them are loaded, and
 * what is loaded counts only if its channel named it all the while.
 */
import { rm } from 'node:fs/promises';
import { channelKey, parseChannelKey } from '../artifacts/bundle.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointer, Pointers } from '../artifacts/pointers.ts';
import { reopenedReasons, termsKey, type TermsPointer } from '../artifacts/model-terms.ts';
import { parsePointer, withdrawnChannel } from '../artifacts/release.ts';
import type { TrustedKeys } from '../artifacts/signing-keys.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { Loads, type Load } from './loads.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { loadModel, type ServedModel } from './served-model.ts';
import { bundleOf, messageOf, refusalOf, type Refusal } from './refusal.ts';
import { readTerms } from './terms.ts';
import { fetchBundle, verifyRelease, type Release } from './release.ts';

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

interface Loaded {
  readonly served: ServedModel;
  /** Its workers are those of what serves already. */
  readonly reused: boolean;
}

const MAX_RETRY_MS = 60_000;
const GONE = 'its pointer was deleted from the registry';
const OVERTAKEN = 'its channel names another release now';

export class Follower {
  readonly #options: FollowerOptions;
  readonly #states = new Map<string, ModelState>();
  readonly #seen = new Map<string, Seen>();
  readonly #loads = new Loads();
  readonly #unloading = new Set<Promise<void>>();
  /** What was last wrong with the registry ('') or a model's pointer. */
  readonly #troubles = new Map<string, string>();
  /** Why the review of what a model serves is open again. */
  readonly #reopened = new Map<string, string>();
  #polling: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looked = false;
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

  /** The registry was read, what it named then is loaded or refused, and every model asked for by name is served. */
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

  /** One look at the registry: loads may go on after it. Never rejects: a registry that cannot be read leaves things as they are. */
  poll(): Promise<void> {
    this.#polling ??= this.#look().finally(() => {
      this.#polling = undefined;
    });
    return this.#polling;
  }

  /** Stops following, gives up what is being loaded and unloads everything, after what was accepted is answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#polling, this.#loads.stop()]);
    for (const [model, { served }] of this.#states) if (served !== undefined) this.#unload(model, served);
    await Promise.all(this.#unloading);
  }

  async #look(): Promise<void> {
    const wanted = await this.#wanted().catch((error: unknown) => this.#unreadable('', error));
    if (wanted === undefined) return;
    const loads: Promise<void>[] = [];
    for (const model of wanted) {
      if (this.#stopped) return;
      const load = await this.#followed(model);
      if (load !== undefined) loads.push(load.ended);
    }
    this.#troubles.delete('');
    if (this.#looked) return;
    this.#looked = true;
    void Promise.all(loads).then(() => (this.#polled = true));
  }

  /** Never rejects: one model's trouble must not keep the others from being followed. */
  async #followed(model: string): Promise<Load | undefined> {
    try {
      const load = await this.#follow(model);
      this.#troubles.delete(model);
      return load;
    } catch (error) {
      return this.#unreadable(model, error);
    }
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
    return [...new Set([...listed, ...this.#states.keys(), ...this.#loads.models])];
  }

  /** The load of it that is under way then; undefined where there is nothing to do. */
  async #follow(model: string): Promise<Load | undefined> {
    const { pointers, channel } = this.#options;
    const pointer = await pointers.read<unknown>(channelKey(model, channel));
    // What is served is unloaded by now: nothing is withdrawn once more.
    if (this.#stopped) return undefined;
    if (pointer === undefined) return this.#withdraw(model, GONE);
    const tombstone = withdrawnChannel(pointer.value);
    if (tombstone !== undefined) return this.#withdraw(model, tombstone.withdrawn);
    await this.#readTerms(model, pointer.value);
    if (this.#stopped) return undefined;
    const running = this.#loads.of(model);
    if (running !== undefined && running.version !== pointer.version) this.#loads.callOff(model, OVERTAKEN);
    if (running !== undefined) return running;
    const seen = this.#seen.get(model);
    if (seen?.version === pointer.version && Date.now() < seen.retryAt) return undefined;
    return this.#loads.begin(model, pointer.version, {
      run: (signal) => this.#take(model, pointer, signal),
      again: async () => {
        if (!this.#stopped) await (await this.#followed(model))?.ended;
      },
    });
  }

  /**
   * Loads what the pointer names and puts it into service, unless the channel named anything else or nothing meanwhile: loading may
   * take minutes, where a graph is built. Never rejects.
   */
  async #take(model: string, pointer: Pointer<unknown>, signal: AbortSignal): Promise<void> {
    const { pointers, channel, log } = this.#options;
    let loaded: Loaded | undefined;
    try {
      loaded = await this.#load(model, pointer.value, signal);
      const now = await pointers.read<unknown>(channelKey(model, channel));
      if (now?.version !== pointer.version) this.#loads.callOff(model, OVERTAKEN);
      // Nothing may come between this and the installation.
      signal.throwIfAborted();
      this.#install(model, pointer.version, loaded.served);
    } catch (error) {
      if (loaded?.reused === false) this.#unload(model, loaded.served);
      if (!signal.aborted) return this.#refuse(model, pointer, error);
      const reason = messageOf(signal.reason);
      log('info', 'release-overtaken', { model, channel, bundle: bundleOf(pointer.value), reason });
    }
  }

  #install(model: string, version: string, served: ServedModel): void {
    const { metrics, log } = this.#options;
    const before = this.#states.get(model)?.served;
    this.#states.set(model, { served, refused: undefined });
    this.#seen.set(model, { version, retryAt: Number.POSITIVE_INFINITY, failures: 0 });
    if (before !== undefined) metrics.modelInfo.remove(infoLabels(before.release));
    metrics.modelInfo.set(infoLabels(served.release), 1);
    log('info', 'model-served', { ...served.release, previousBundle: before?.release.bundle ?? null });
    if (before !== undefined && before.pool !== served.pool) this.#unload(model, before);
  }

  #refuse(model: string, { version, value }: Pointer<unknown>, error: unknown): void {
    const { channel, metrics, log } = this.#options;
    const seen = this.#seen.get(model);
    const served = this.#states.get(model)?.served;
    const failures = seen?.version === version ? seen.failures + 1 : 1;
    // What is wrong for good is looked at again only when the pointer moves.
    const retryable = !(error instanceof EspalierError) || error.retryable;
    const delayMs = retryable ? Math.min(MAX_RETRY_MS, 1000 * 2 ** failures) : Number.POSITIVE_INFINITY;
    this.#seen.set(model, { version, retryAt: Date.now() + delayMs, failures });
    const refused = refusalOf(error, value);
    this.#states.set(model, { served, refused });
    if (failures === 1) metrics.refused.inc({ model, kind: refused.kind });
    log('error', 'release-refused', { model, channel, ...refused, serving: served?.release.bundle ?? null });
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

  /**
   * Nothing may be served under this name any more, nor what is being loaded, also where the pointer comes back to the very version:
   * what served before is being unloaded. What was accepted is still answered.
   */
  #withdraw(model: string, reason: string): undefined {
    const { channel, metrics, log } = this.#options;
    const state = this.#states.get(model);
    const loading = this.#loads.of(model) !== undefined;
    this.#loads.callOff(model, reason);
    const refused = { bundle: null, kind: 'NotFound', reason: `channel '${channel}' serves nothing: ${reason}` };
    // A name that never stood in the registry stays unknown.
    if (state === undefined && !loading && reason === GONE) return;
    if (state !== undefined && state.served === undefined && state.refused?.reason === refused.reason) return;
    this.#states.set(model, { served: undefined, refused });
    this.#seen.delete(model);
    log('warn', 'model-withdrawn', { model, channel, reason, bundle: state?.served?.release.bundle ?? null });
    if (state?.served === undefined) return;
    metrics.modelInfo.remove(infoLabels(state.served.release));
    this.#unload(model, state.served);
  }

  /** The new version, loaded, warm and checked; the old one's workers when only the release around the bundle changed. */
  async #load(model: string, pointer: unknown, signal: AbortSignal): Promise<Loaded> {
    const { store, channel, trusted } = this.#options;
    const release = await verifyRelease(store, pointer, { model, channel }, trusted);
    signal.throwIfAborted();
    const before = this.#states.get(model)?.served;
    if (before?.release.bundle === release.bundle) return { served: { ...before, release }, reused: true };
    return this.#loads.inTurn(signal, async () => ({ served: await this.#loadNew(release, signal), reused: false }));
  }

  async #loadNew(release: Release, signal: AbortSignal): Promise<ServedModel> {
    const { store, trusted, workers, maxPixels, metrics, log } = this.#options;
    const { model, channel, version, bundle } = release;
    log('info', 'release-loading', { model, channel, version, bundle });
    const verified = await fetchBundle(store, release, trusted, signal);
    const { folder } = verified;
    try {
      const terms = await readTerms(folder);
      const loaded = await loadModel(verified, {
        workers,
        maxPixels,
        signal,
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
