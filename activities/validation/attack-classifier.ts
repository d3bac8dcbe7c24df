/**
 * Step `validation.attack`: the tuned model, as it was trained, shown test pictures that FGSM and PGD have changed through its
 * gradients. The trainer answers with labels; the shares are made here.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { AttackClassifierInput, AttackMeasures } from '../contract/validation.ts';
import { checkout } from '../checkout.ts';
import { countPictures, loadPictures } from '../data/images/pictures.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { AttackClassifierResultSchema } from '../training/job.ts';
import { runTask } from '../training/run-task.ts';
import { AttackedSchema, measureAttack } from './attack-measures.ts';
import { sampledPlaces } from './sample-rows.ts';

/** Throws BadModel for a model without gradients, or that cannot or must not be loaded; BadData where there are no test pictures. */
export const attackClassifier: StepDefinition<AttackClassifierInput, AttackMeasures> = {
  type: 'validation.attack',
  version: 1,
  async run(input, context) {
    const { store, workDir, signal } = context;
    const { epsilonLevels, steps, stepLevels = (2.5 * epsilonLevels) / steps, pictures } = input.attack;
    const attack = { epsilonLevels, steps, stepLevels, pictures };
    const ids = await writeRows(input, context);
    const task = {
      verb: 'attack-classifier',
      model: await checkout(context, input.model, 'trained'),
      rows: join(workDir, 'rows', 'test.jsonl'),
      epsilonLevels,
      steps,
      stepLevels,
      seed: input.seed,
      threads: input.threads,
      out: join(workDir, 'out'),
    } as const;
    const result = AttackClassifierResultSchema.parse(await runTask(task, context));
    const lines = (await readFile(result.attacked, { encoding: 'utf8', signal })).trim().split('\n');
    const answered = lines.map((line) => AttackedSchema.parse(JSON.parse(line)));
    if (answered.length !== ids.length) {
      throw new EspalierError('TrainerFailed', `${answered.length} of ${ids.length} pictures were answered`, {
        where: 'attacked.jsonl',
      });
    }
    const details = answered.map((row, place) => `${JSON.stringify({ rowId: ids[place], ...row })}\n`).join('');
    return {
      ...measureAttack(answered),
      attack,
      details: await store.putBytes(Buffer.from(details), { name: 'attacked.jsonl', mediaType: 'application/jsonl' }),
    };
  },
};

/** A seeded sample of the test pictures as files, with their rows beside them; the rows' ids. */
async function writeRows(
  { dataset, seed, attack }: AttackClassifierInput,
  context: StepContext,
): Promise<readonly string[]> {
  const { store, workDir, signal } = context;
  const rows = await countPictures(store, dataset, 'test', signal);
  const chosen = new Set(sampledPlaces(rows, attack.pictures, seed));
  const folder = join(workDir, 'rows');
  await mkdir(join(folder, 'test'), { recursive: true });
  const [ids, lines]: [string[], string[]] = [[], []];
  let place = 0;
  context.progress({ phase: 'drawing test pictures' });
  for await (const { id, image, label, bytes } of loadPictures(store, dataset, 'test', signal)) {
    if (!chosen.has(place++)) continue;
    const name = `test/${basename(image)}`;
    await writeFile(join(folder, name), bytes, { signal });
    ids.push(id);
    lines.push(`${JSON.stringify({ image: name, label })}\n`);
  }
  if (ids.length === 0) {
    throw new EspalierError('BadData', 'the test split has no pictures to attack with', {
      where: 'test.tar',
      fix: 'declare test files, or give data.split.test a share',
    });
  }
  await writeFile(join(folder, 'test.jsonl'), lines, { signal });
  return ids;
}
