/**
 * Whether what `espalier run --prototype` foretells of a generator or a finder comes true: the prototype and the whole run, both for real on
 * the embedded stack, and what each says of the other's figures. The whole run computes all of its steps: nothing of the prototype is reused
 * but the model's import and export.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/foretold-runs.ts [prompted | tuned | finder]
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { ReportMaterial } from '../activities/report/material.ts';
import { runOutcome } from '../client/runs.ts';
import type { PipelineDefinition } from '../pipelines/definition.ts';
import { finishRun, startDefinition, startTestHost } from '../test/support/host.ts';
import { FORETOLD_CASES, type ForetoldCase } from './foretold/cases.ts';
import { compareAnswers, compareGallery, type Compared } from './foretold/compare.ts';

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in FORETOLD_CASES));
if (unknown.length > 0) throw new Error(`no case ${unknown.join(', ')}: ${Object.keys(FORETOLD_CASES).join(', ')}`);
const cases = Object.entries(FORETOLD_CASES).filter(([name]) => asked.length === 0 || asked.includes(name));

/** One unit an hour on either queue, so that money is hours. */
const PRICES = {
  version: 1,
  currency: 'EUR',
  source: 'made up for this benchmark',
  perHour: { 'espalier-cpu': 1, 'espalier-gpu': 1 },
};
const WITHIN_MS = 60 * 60_000;

for (const [name, about] of cases) await compare(name, about);
process.exit(0);

async function compare(name: string, about: ForetoldCase): Promise<void> {
  process.env['ESPALIER_PRICES'] = join(process.env['TMPDIR'] ?? '/tmp', `espalier-foretold-${process.pid}.json`);
  await writeFile(process.env['ESPALIER_PRICES'], JSON.stringify(PRICES));
  const host = await startTestHost();
  const run = async (id: string, definition: PipelineDefinition): Promise<Ended> => {
    const began = performance.now();
    await startDefinition(host, id, definition);
    const { state } = await finishRun(host, id, undefined, WITHIN_MS);
    const { report } = await runOutcome(host.temporal.client, id);
    const { entries } = await host.store.store.tree(report);
    const read = async <Value>(path: string): Promise<Value> =>
      host.store.store.getJson<Value>(entries.find((entry) => entry.path === path)!.digest);
    const ended = {
      facts: await read<RunFacts>('facts.json'),
      evidence: await read<Partial<ReportMaterial>>('evidence.json'),
    };
    console.log(`${name}, ${id}: ${state} after ${((performance.now() - began) / 1000).toFixed(0)} s`);
    return ended;
  };
  try {
    const definition = await about.definition(host.folder);
    const prototype = await run('prototype', {
      ...definition,
      prototype: about.prototype,
      deploy: { ...definition.deploy, channel: 'staging' },
    });
    const whole = await run('whole', definition);
    const { wholeAnswers, wholeGallery } = prototype.evidence;
    const compared =
      wholeAnswers !== undefined
        ? compareAnswers(wholeAnswers, prototype.facts, whole.facts)
        : wholeGallery !== undefined
          ? compareGallery(wholeGallery, prototype.facts, whole.facts)
          : [];
    if (compared.length === 0) throw new Error(`the prototype of ${name} foretold nothing`);
    for (const line of compared) console.log(`  ${told(line)}`);
    for (const [id, { facts }] of Object.entries({ prototype, whole })) {
      const steps = facts.steps.flatMap(({ id: step, ranSeconds }) =>
        ranSeconds === undefined || ranSeconds < 1 ? [] : [`${step} ${ranSeconds.toFixed(0)}`],
      );
      console.log(`  seconds of the ${id}: ${steps.join(', ')}`);
    }
  } finally {
    await host.stop();
  }
}

interface Ended {
  readonly facts: RunFacts;
  readonly evidence: Partial<ReportMaterial>;
}

function told({ figure, prototype, foretold, range, achieved, digits = 3 }: Compared): string {
  const figured = (value: number | null): string => value?.toFixed(digits) ?? 'not known';
  const held =
    range === undefined || achieved === null
      ? ''
      : `, ${range.low <= achieved && achieved <= range.high ? 'held' : 'not held'}`;
  const ends = range === undefined ? '' : ` (${figured(range.low)} to ${figured(range.high)})`;
  return `${figure}: prototype ${figured(prototype)}; foretold ${figured(foretold)}${ends}; achieved ${figured(achieved)}${held}`;
}
