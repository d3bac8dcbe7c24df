/** The program that bench/gates-latency.ts forks: measures as the gate does, and answers with every run's time instead of their p95. */
import { setTimeout as wait } from 'node:timers/promises';
import { timeRuns, type TimedRuns } from '../../activities/selection/timed-runs.ts';
import { TextModel } from '../../inference/text-model.ts';

/** `waitMs`: how long every tenth text waits besides, as for a disk: a defect that takes no core. */
export interface Asked {
  readonly folder: string;
  readonly texts: readonly string[];
  readonly waitMs: number;
}

const models = new Map<string, TextModel>();
async function measure({ folder, texts, waitMs }: Asked): Promise<TimedRuns> {
  const model = models.get(folder) ?? (await TextModel.load(folder));
  models.set(folder, model);
  const ask = async (place: number): Promise<unknown> => {
    if (waitMs > 0 && place % 10 === 0) await wait(waitMs);
    return model.run([texts[place] ?? '']);
  };
  return timeRuns(texts.length, (place) => Promise.resolve(() => ask(place)));
}

process.on('message', (asked: Asked) => {
  void measure(asked).then((times) => process.send?.(times));
});
