/** How far a run is, in words that fit a line. */
import type { Progress } from '../activities/contract.ts';
import type { StepView } from '../workflows/messages.ts';
import { seconds } from './output.ts';

/** What is needed of a run to say how far it is. */
export interface Followed {
  readonly steps: readonly Pick<StepView, 'id' | 'title' | 'state'>[];
  readonly progress: Readonly<Record<string, Progress & { readonly attempt: number }>>;
}

/** What runs now. Shortened to `width` by leaving out what matters least; never cut within a figure while a part can go. */
export function status(run: Followed, nowMs = Date.now(), width = Number.POSITIVE_INFINITY): string {
  const active = run.steps.filter(({ state }) => state === 'running' || state === 'waiting');
  const parts = active.map((step) => stepParts(step, run.progress[step.id], nowMs));
  for (;;) {
    const text = parts.map((one) => one.join(' · ')).join('  |  ');
    const longest = parts.reduce<string[]>((most, one) => (one.length > most.length ? one : most), []);
    if (text.length <= width || longest.length <= 1) return clip(text, width);
    longest.pop();
  }
}

/** The most important first: a narrow terminal shows the beginning. */
function stepParts(
  { title, state }: Pick<StepView, 'title' | 'state'>,
  progress: Followed['progress'][string] | undefined,
  nowMs: number,
): string[] {
  if (state === 'waiting') return [`waiting: ${title}`];
  if (progress === undefined) return [title];
  const { phase, done, total, etaSeconds, note, attempt, epoch, loss, learningRate, samplesPerSecond } = progress;
  const share = total === undefined ? '' : ` ${done ?? 0}/${total}`;
  const all: (string | undefined)[] = [
    // The step's title says already that it trains.
    phase === 'training' && share !== '' ? `${title}${share}` : `${title}: ${phase}${share}`,
    attempt > 1 ? `attempt ${attempt}` : undefined,
    etaSeconds === undefined ? undefined : `${seconds(etaSeconds)} left`,
    epoch === undefined ? undefined : `epoch ${epoch}`,
    loss === undefined ? undefined : `loss ${loss.toPrecision(3)}`,
    learningRate === undefined ? undefined : `lr ${learningRate === 0 ? '0' : learningRate.toExponential(1)}`,
    samplesPerSecond === undefined ? undefined : `${rate(samplesPerSecond)}/s`,
    // With figures of their own, the note only repeats them.
    loss === undefined ? note : undefined,
    progress.lastCheckpointAt === undefined ? undefined : `checkpoint ${age(progress.lastCheckpointAt, nowMs)} ago`,
    gpu(progress),
  ];
  return all.filter((part) => part !== undefined);
}

function rate(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

function age(since: string, nowMs: number): string {
  return seconds(Math.max(0, Math.round((nowMs - Date.parse(since)) / 1000))).replace('.0 ', ' ');
}

function gpu({ gpuMemoryMb, gpuUtilisation }: Progress): string | undefined {
  const memory = gpuMemoryMb === undefined ? '' : ` ${(gpuMemoryMb / 1000).toFixed(1)} GB`;
  const busy = gpuUtilisation === undefined ? '' : ` ${Math.round(gpuUtilisation * 100)} %`;
  return memory === '' && busy === '' ? undefined : `GPU${memory}${busy}`;
}

function clip(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
}
