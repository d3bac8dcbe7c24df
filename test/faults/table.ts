/** Faults as lines of a table: who, what, when, how often. Pure: which lines make sense, all of them, and a covering few. */
import { createHash } from 'node:crypto';

export const WHO = ['trainer', 'worker', 'gateway', 'temporal', 'proxyS3', 'proxyTemporal'] as const;
export const WHAT = [
  'kill',
  'term',
  'stop10s',
  'restart',
  'partition',
  'reset',
  'latency',
  '5xx',
  'slowBody',
  'truncate',
  'diskFull',
] as const;
/** In the order in which a run comes by them. */
export const POINTS = [
  'download',
  'first-step',
  'mid-epoch',
  'checkpoint-write',
  'upload',
  'export',
  'gates',
  'deploy',
] as const;

export type Who = (typeof WHO)[number];
export type What = (typeof WHAT)[number];
export type Point = (typeof POINTS)[number];

export interface Fault {
  readonly who: Who;
  readonly what: What;
  /** A named point of the run, or milliseconds after its start. */
  readonly when: Point | number;
  /** Again at the next time that the run comes by the point. */
  readonly times: number;
}

export interface Row {
  readonly name: string;
  readonly faults: readonly Fault[];
}

/** What can happen to whom. A restart of a worker is an orderly one, as a deployment of a new version does it. */
const CAN: Readonly<Record<Who, readonly What[]>> = {
  trainer: ['kill', 'term', 'stop10s'],
  worker: ['kill', 'term', 'stop10s', 'restart', 'diskFull'],
  gateway: ['kill', 'restart', 'stop10s', 'diskFull'],
  temporal: ['kill', 'restart', 'stop10s'],
  proxyS3: ['partition', 'reset', 'latency', '5xx', 'slowBody', 'truncate'],
  proxyTemporal: ['partition', 'reset', 'latency'],
};
/** When there is a training process. */
const TRAINER_LIVES: ReadonlySet<Point> = new Set(['first-step', 'mid-epoch', 'checkpoint-write', 'upload', 'export']);

export function applies({ who, what, when }: Pick<Fault, 'who' | 'what' | 'when'>): boolean {
  if (!CAN[who].includes(what)) return false;
  return who !== 'trainer' || (typeof when === 'string' && TRAINER_LIVES.has(when));
}

export function describeFault({ who, what, when, times }: Fault): string {
  return `${who} ${what} @${typeof when === 'number' ? `${when}ms` : when}${times === 1 ? '' : ` x${times}`}`;
}

/** `worker kill @export x2`, `gateway kill @5300ms`: what `--only` and a failure's replay line take. Undefined: not a fault. */
export function parseFault(text: string): Fault | undefined {
  const [, who, what, when = '', times = '1'] = /^(\w+) (\w+) @([\w-]+?)(?: x(\d+))?$/.exec(text.trim()) ?? [];
  const [, afterMs] = /^(\d+)ms$/.exec(when) ?? [];
  const fault = { who, what, when: afterMs === undefined ? when : Number(afterMs), times: Number(times) } as Fault;
  const known = (typeof fault.when === 'number' || POINTS.includes(fault.when)) && WHO.includes(fault.who);
  return known && applies(fault) ? fault : undefined;
}

/** Every fault at every point where it can happen, one a row. */
export function wholeMatrix(): Row[] {
  return matrixTogether().flatMap(({ faults }) =>
    faults.map((fault) => ({ name: describeFault(fault), faults: [fault] })),
  );
}

/** The same faults in an eighth of the runs: who and what make a row, which meets it at one point after the other. */
export function matrixTogether(): Row[] {
  return WHO.flatMap((who) =>
    CAN[who].map((what) => ({
      name: `${who} ${what} everywhere`,
      faults: POINTS.map((when): Fault => ({ who, what, when, times: 1 })).filter(applies),
    })),
  );
}

const row = (name: string, ...faults: readonly string[]): Row => ({
  name,
  faults: faults.map((text) => {
    const fault = parseFault(text);
    if (fault === undefined) throw new Error(`'${text}' is no fault that can happen`);
    return fault;
  }),
});

/** Every who, what, when and every possible pair of who and what, in few runs: several faults a run, each at a point of its own. */
export function coveringRows(): Row[] {
  return [
    row(
      'everything is killed once',
      'worker kill @download',
      'trainer kill @first-step',
      'gateway kill @upload',
      'temporal kill @export',
      'worker kill @gates',
      'gateway kill @deploy',
    ),
    row(
      'everything is asked to end, or is restarted',
      'gateway restart @download',
      'worker restart @first-step',
      'trainer term @mid-epoch',
      'worker term @export',
      'temporal restart @gates',
      'worker kill @deploy',
    ),
    row(
      'a frozen worker comes back as a zombie',
      'trainer kill @checkpoint-write x2',
      'worker stop10s @mid-epoch',
      'gateway stop10s @export',
    ),
    row(
      'requests to the store go wrong one by one',
      'proxyS3 truncate @download',
      'proxyS3 reset @upload',
      'proxyS3 5xx @export',
      'proxyS3 slowBody @gates',
      'proxyS3 latency @deploy',
    ),
    row(
      'the network to both services fails',
      'proxyTemporal latency @download',
      'proxyS3 partition @upload',
      'proxyTemporal partition @mid-epoch',
      'proxyTemporal reset @export',
      'proxyS3 truncate @deploy',
    ),
    row(
      'disks are full for a while',
      'worker diskFull @checkpoint-write',
      'gateway diskFull @upload',
      'trainer kill @export',
    ),
    row('the trainer and the server hang', 'trainer stop10s @first-step', 'temporal stop10s @gates'),
  ];
}

/** Numbers in [0, 1), the same for the same seed everywhere: digests of a counter. */
export function randomOf(seed: number): () => number {
  let drawn = 0;
  return () => createHash('sha256').update(`${seed}/${drawn++}`).digest().readUInt32BE() / 2 ** 32;
}

/** Faults at random moments of a run that lasts about `durationMs` undisturbed. */
export function randomRow(seed: number, durationMs: number, count = 3): Row {
  const random = randomOf(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
  const possible = WHO.flatMap((who) => CAN[who].map((what) => ({ who, what }))).filter((one) =>
    applies({ ...one, when: 0 }),
  );
  const faults = Array.from({ length: count }, (): Fault => {
    const { who, what } = pick(possible);
    return { who, what, when: Math.round(random() * durationMs * 0.9), times: 1 };
  });
  return { name: `random ${seed}`, faults: faults.toSorted((a, b) => Number(a.when) - Number(b.when)) };
}
