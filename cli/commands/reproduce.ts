import { shortDigest } from '../../artifacts/reference.ts';
import { findRelease } from '../../client/releases.ts';
import {
  reproductionOutcome,
  reproductionVerdict,
  startReproduction,
  type ReproductionVerdict,
} from '../../client/reproduce.ts';
import { reproductionInput } from '../../client/reproduction-input.ts';
import { newRunId } from '../../client/start-run.ts';
import { EXIT, printJson, say, style } from '../output.ts';
import { withContext } from './runs.ts';

/** Makes a released model again and says whether the bytes are the same. Exits 1 when they are not. */
export async function reproduce(json: boolean, digest: string): Promise<number> {
  return withContext(async (context) => {
    const opened = await context.store();
    const release = await findRelease(opened.store, opened.pointers, digest);
    const { model, runId } = release.record;
    const input = await reproductionInput(opened, release);
    const { client } = await context.temporal();
    const id = newRunId(`${model}-again`);
    await startReproduction(client, input, id);
    say(`making ${shortDigest(release.record.bundle)} of ${runId} again as ${id}; nothing is released by it`);
    const outcome = await reproductionOutcome(client, id, ({ what, recorded, rebuilt }) =>
      say(`  ${recorded === rebuilt ? style.green('same ') : style.red('other')} ${what} ${shortDigest(rebuilt)}`),
    );
    const verdict = await reproductionVerdict(opened, release.facts, outcome);
    if (json) printJson(verdict);
    else process.stdout.write(`${verdictText(verdict)}\n`);
    return verdict.equal ? EXIT.ok : EXIT.failed;
  });
}

function verdictText({ equal, firstDifference, environmentDifferences, files, bundle }: ReproductionVerdict): string {
  if (equal) return `equal: every byte of ${bundle?.digest ?? 'the bundle'} was made again`;
  const lines = [
    `not equal: ${firstDifference?.what ?? 'something'} is ${firstDifference?.rebuilt ?? 'other'}, not ${firstDifference?.recorded ?? 'what was recorded'}`,
    ...files.map((path) => `  in the bundle: ${path}`),
    ...environmentDifferences.map(
      ({ path, from, to }) => `  environment: ${path} was ${JSON.stringify(from)} and is ${JSON.stringify(to)}`,
    ),
  ];
  return lines.join('\n');
}
