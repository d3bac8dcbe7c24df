/**
 * What a search for settings (`training.search`) gains on real data: test accuracy at what it settles minus that at the recommended
 * settings, on the same test rows, and how many times the recommended training it costs. A small real encoder tuned whole; the product's
 * own trials, parts of the data, halving, rule and trainer. With each seed the trials, the parts and the trainings are others.
 * Beside it, what those of the last rung have on the test rows, which the rule does not see. What was trained is kept between runs.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/search.ts [seeds = 3] [SET…]
 */
import { join } from 'node:path';
import type { HalvedCandidates } from '../activities/contract/prototype.ts';
import type { SearchedSettings, Trial, TrialResult } from '../activities/contract/search.ts';
import { subsetData } from '../activities/data/subset-data.ts';
import { chooseSettings } from '../activities/selection/choosing-settings.ts';
import { halveCandidates } from '../activities/selection/halving.ts';
import { drawTrials } from '../activities/selection/search-space.ts';
import { pairedShareInterval } from '../activities/validation/paired.ts';
import { bootstrapInterval } from '../activities/validation/statistics.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { SearchSchema } from '../pipelines/definition/search.ts';
import { SelectionSchema } from '../pipelines/definition/selection.ts';
import { recommended, type RecipeFacts } from '../pipelines/recipe.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import { searchRungInput } from '../workflows/step-inputs.ts';
import { CANDIDATES, MAX_LENGTH } from './selection/candidates.ts';
import { remembered } from './selection/remember.ts';
import { prepare, type DataSet, type Prepared } from './selection/sets.ts';
import { tuneAll } from './selection/tuning.ts';
import { trainerDigest } from './support.ts';

const data = process.env['ESPALIER_TEST_DATA'];
if (data === undefined) throw new Error('set ESPALIER_TEST_DATA');
const SEEDS = Number(process.argv[2] ?? 3);
const asked = process.argv.slice(3);
const SETS: readonly DataSet[] = [
  { name: 'TREC-6', folder: 'trec6', trainRows: 1200, measuredRows: 400, testRows: 500 },
  { name: 'banking77', folder: 'banking77', trainRows: 1200, measuredRows: 400, testRows: 2000 },
  { name: 'SST-2', folder: 'sst2', trainRows: 1200, measuredRows: 400, testRows: 2000 },
];
const search = SearchSchema.parse({});
const { id: encoder, folder: encoderFolder } = CANDIDATES[1];
const factsOf = ({ rows, labels }: Prepared): RecipeFacts => ({
  input: 'text',
  method: 'full',
  family: 'bert',
  parameters: 1.9e6,
  labels: labels.length,
  trainRows: rows.train,
});
const FIRST = 'trial-1';

const storage = await withStore();
const services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
const trainer = await trainerDigest();

/** All of a rung in one process, whose start costs seconds. */
async function tryRung(part: ArtifactRef, trials: readonly Trial[], seed: number, set: Prepared, tested: boolean) {
  const key = ['search', 1, trainer, encoder, part.digest, tested ? set.tested.digest : null, trials, seed, MAX_LENGTH];
  const asked = { part, set, facts: factsOf(set), seed, tested };
  return remembered(key, () => tuneAll(storage.store, join(data!, encoderFolder), asked, trials));
}

interface Searched {
  readonly found: SearchedSettings;
  /** By trial, of those that were trained on all rows. */
  readonly finalists: ReadonlyMap<string, readonly boolean[]>;
  /** Rows seen, of those that the recommended training sees. */
  readonly cost: number;
}

/** As the workflow climbs (workflows/stages/search.ts), with no budget. */
async function searched(set: Prepared, seed: number): Promise<Searched> {
  const open = recommended({}, factsOf(set));
  const { trials } = drawTrials({ recommended: open, method: 'full', trials: search.trials, seed });
  const results: TrialResult[] = [];
  const left: HalvedCandidates['left'][number][] = [];
  const finalists = new Map<string, readonly boolean[]>();
  let going: readonly string[] = trials.map(({ id }) => id);
  const selection = SelectionSchema.parse({ seed });
  for (const [at, share] of search.rungs.entries()) {
    const rung = at + 1;
    const last = rung === search.rungs.length;
    const part = await runStep(subsetData, searchRungInput({ selection }, set, share), services);
    const those = trials.filter(({ id }) => going.includes(id));
    const tried = await tryRung(part.dataset, those, seed, set, last);
    for (const [place, { id: candidate }] of those.entries()) {
      const { accuracy, seconds, right } = tried[place]!;
      const rows = { trainRows: part.rows.train, validationRows: part.rows.validation };
      results.push({ candidate, rung, seed, ...rows, accuracy, seconds });
      if (right !== undefined) finalists.set(candidate, right);
    }
    if (last) break;
    const halved = halveCandidates({ results, rung, kept: FIRST });
    going = halved.survivors;
    left.push(...halved.left);
  }
  const epochsOf = (id: string): number => trials.find((trial) => trial.id === id)?.settings.epochs ?? 0;
  const passes = results.map((one) => epochsOf(one.candidate) * (3 * one.trainRows + one.validationRows));
  const one = epochsOf(FIRST) * (3 * set.rows.train + set.rows.validation);
  const found = chooseSettings({ recommended: open, trials, results, left });
  return { found, finalists, cost: passes.reduce((sum, value) => sum + value, 0) / one };
}

const accuracyOf = (right: readonly boolean[]): number => right.filter(Boolean).length / right.length;
const points = (share: number): string => `${share < 0 ? '−' : ''}${Math.abs(100 * share).toFixed(1)}`;

for (const set of SETS.filter(({ name }) => asked.length === 0 || asked.includes(name))) {
  const prepared = await prepare(data, set, storage.store);
  console.log(
    `\n${set.name}: ${prepared.rows.train} training, ${prepared.rows.validation} validation, ${prepared.rows.test} test rows`,
  );
  const gains: number[][] = [];
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { found, finalists, cost } = await searched(prepared, seed);
    const [before, after] = [finalists.get(FIRST)!, finalists.get(found.chosen)!];
    const gain = after.map((is, row) => Number(is) - Number(before[row]));
    gains.push(gain);
    const won = gain.filter((value) => value > 0).length;
    const lost = gain.filter((value) => value < 0).length;
    const { low, high } = pairedShareInterval({ won, lost }, gain.length);
    const shown =
      found.chosen === FIRST
        ? 'no gain: the same model'
        : `gain ${points((won - lost) / gain.length)} points (${points(low)} to ${points(high)})`;
    const others = [...finalists].map(([id, right]) => `${id} ${points(accuracyOf(right))}`).join(', ');
    console.log(
      `  seed ${seed}: recommended ${points(accuracyOf(before))} %, searched ${points(accuracyOf(after))} % (${found.chosen}), ${shown}; ${cost.toFixed(1)} times the training. Last rung, on test rows: ${others}`,
    );
    console.log(`    ${found.reason} ${JSON.stringify(found.trials[0]?.settings)}`);
  }
  const meanOf = (rows: readonly number[]): number => rows.reduce((sum, value) => sum + value, 0) / rows.length;
  const byRow = gains[0]!.map((_, row) => meanOf(gains.map((gain) => gain[row]!)));
  const interval = await bootstrapInterval(
    byRow.length,
    (rows) => rows.reduce((sum, row) => sum + byRow[row]!, 0) / rows.length,
    { seed: 7 },
  );
  console.log(
    `  mean gain of ${SEEDS} searches ${points(meanOf(byRow))} points (${points(interval!.low)} to ${points(interval!.high)}, over test rows)`,
  );
}
storage.close();
process.exit(0);
