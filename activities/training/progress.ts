/** What is known of a running training, as one record: whoever looks sees all of it, whenever they look. */
import type { Progress } from '../contract.ts';
import type { TrainerEventOf } from './job.ts';

/** Steps are shown at most this often; Temporal throttles what it sends further. */
const SHOW_EVERY_MS = 200;

export class TrainingProgress {
  readonly #report: (progress: Progress) => void;
  #known: Progress;
  /** Where this process began: the pace of an earlier one says nothing. */
  #first: { step: number; atMs: number } | undefined;
  #shownAtMs = 0;

  constructor(report: (progress: Progress) => void, known: Partial<Progress>) {
    this.#report = report;
    this.#known = { phase: 'starting', ...known };
  }

  /** Adds to what is known. A note is shown once. */
  show(news: Partial<Progress>): void {
    const known = { ...this.#known };
    delete known.note;
    this.#known = { ...known, ...news };
    this.#report(this.#known);
  }

  restart(): void {
    this.#first = undefined;
  }

  stepped(event: TrainerEventOf<'step'>): void {
    const nowMs = Date.now();
    this.#first ??= { step: event.step, atMs: nowMs };
    if (nowMs - this.#shownAtMs < SHOW_EVERY_MS && event.step < event.total) return;
    this.#shownAtMs = nowMs;
    const since = event.step - this.#first.step;
    const etaSeconds = ((event.total - event.step) * (nowMs - this.#first.atMs)) / Math.max(1, since) / 1000;
    const { epoch, loss, lr: learningRate, samplesPerSecond, gpuMemoryMb, gpuUtilisation } = event;
    this.show({
      phase: 'training',
      done: event.step,
      total: event.total,
      note: `epoch ${epoch}, loss ${loss.toPrecision(4)}, ${Math.round(samplesPerSecond)} rows/s`,
      epoch,
      loss,
      learningRate,
      samplesPerSecond,
      ...(since > 0 ? { etaSeconds: Math.round(etaSeconds) } : {}),
      ...(gpuMemoryMb == null ? {} : { gpuMemoryMb }),
      ...(gpuUtilisation == null ? {} : { gpuUtilisation }),
    });
  }
}
