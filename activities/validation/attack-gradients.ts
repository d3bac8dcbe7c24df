/**
 * Step `validation.attack`: the model with its weights, shown test pictures that FGSM and PGD have changed through its
 * gradients. The trainer answers with labels, of a classifier or of what is nearest in a gallery; the shares are made here.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { readIndexHeader, VECTORS_FILE, type IndexHeader } from '../../inference/retrieval/index-files.ts';
import type { AttackMeasures, GradientAttackInput } from '../contract/validation.ts';
import { checkout } from '../checkout.ts';
import { countPictures, loadPictures } from '../data/images/pictures.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { AttackResultSchema, type AttackTask } from '../training/job.ts';
import { runTask } from '../training/run-task.ts';
import { AttackedSchema, lostPictures, measureAttack } from './attack-measures.ts';
import { sampledPlaces } from './sample-rows.ts';

/** Throws BadModel for a model without gradients, or that cannot or must not be loaded; BadData where there are no test pictures. */
export const attackGradients: StepDefinition<GradientAttackInput, AttackMeasures> = {
  type: 'validation.attack',
  version: 3,
  async run(input, context) {
    const { store, workDir, signal } = context;
    const { epsilonLevels, steps, stepLevels = (2.5 * epsilonLevels) / steps, pictures } = input.attack;
    const attack = { epsilonLevels, steps, stepLevels, pictures };
    const gallery =
      input.index === undefined ? null : await writeGallery(await checkout(context, input.index, 'index'));
    const ids = await writeRows(input, gallery?.header ?? null, context);
    const model = await checkout(context, input.model, 'trained');
    const asking = join(workDir, 'rows', 'test.jsonl');
    const how = { epsilonLevels, steps, stepLevels, seed: input.seed, threads: input.threads };
    const asked = { model, rows: asking, ...how, out: join(workDir, 'out') } as const;
    const task: AttackTask =
      gallery === null
        ? { verb: 'attack-classifier', ...asked }
        : { verb: 'attack-embedder', vectors: gallery.vectors, gallery: gallery.labels, ...asked };
    const result = AttackResultSchema.parse(await runTask(task, context));
    const lines = (await readFile(result.attacked, { encoding: 'utf8', signal })).trim().split('\n');
    const answered = lines.map((line) => AttackedSchema.parse(JSON.parse(line)));
    if (answered.length !== ids.length) {
      throw new EspalierError('TrainerFailed', `${answered.length} of ${ids.length} pictures were answered`, {
        where: 'attacked.jsonl',
      });
    }
    const rows = answered.map((row, place) => ({ rowId: ids[place]!, ...row }));
    const details = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    return {
      ...measureAttack(rows),
      examples: lostPictures(rows),
      attack,
      details: await store.putBytes(Buffer.from(details), { name: 'attacked.jsonl', mediaType: 'application/jsonl' }),
    };
  },
};

/** What the trainer reads of an index: its vectors as they are, and the label of each. */
async function writeGallery(
  folder: string,
): Promise<{ readonly header: IndexHeader; readonly vectors: string; readonly labels: string }> {
  const header = await readIndexHeader(folder);
  const labels = join(folder, 'gallery.jsonl');
  await writeFile(
    labels,
    header.classes.map((label) => `${JSON.stringify({ label: header.labels[label] })}\n`),
  );
  return { header, vectors: join(folder, VECTORS_FILE), labels };
}

/**
 * A seeded sample of the test pictures as files, with their rows beside them; the rows' ids. Of those that ask a gallery, the ones
 * that it has something for, each with its own place there, which is no answer.
 */
async function writeRows(
  { dataset, seed, attack }: GradientAttackInput,
  gallery: IndexHeader | null,
  context: StepContext,
): Promise<readonly string[]> {
  const { store, workDir, signal } = context;
  const rows = await countPictures(store, dataset, 'test', signal);
  const chosen = new Set(sampledPlaces(rows, attack.pictures, seed));
  const folder = join(workDir, 'rows');
  await mkdir(join(folder, 'test'), { recursive: true });
  const [ids, lines]: [string[], string[]] = [[], []];
  const ownPlace = gallery === null ? null : placesIn(gallery);
  let place = 0;
  context.progress({ phase: 'drawing test pictures' });
  for await (const { id, image, label, bytes } of loadPictures(store, dataset, 'test', signal)) {
    if (!chosen.has(place++)) continue;
    const own = ownPlace === null ? {} : ownPlace(id, label);
    if (own === null) continue;
    const name = `test/${basename(image)}`;
    await writeFile(join(folder, name), bytes, { signal });
    ids.push(id);
    lines.push(`${JSON.stringify({ image: name, label, ...own })}\n`);
  }
  if (ids.length === 0) {
    throw new EspalierError(
      'BadData',
      gallery === null
        ? 'the test split has no pictures to attack with'
        : 'the test split has no pictures to attack with, or the gallery nothing for them',
      { where: 'test.tar', fix: 'declare test files, or give data.split.test a share' },
    );
  }
  await writeFile(join(folder, 'test.jsonl'), lines, { signal });
  return ids;
}

/** Of a picture the entry that it must not find; null where nothing of its label is left. */
function placesIn({ ids, labels, classes }: IndexHeader) {
  const rowOf = new Map(ids.map((id, row) => [id, row]));
  const counts = new Map<string, number>();
  for (const label of classes) counts.set(labels[label]!, (counts.get(labels[label]!) ?? 0) + 1);
  return (id: string, label: string): { readonly except?: number } | null => {
    const row = rowOf.get(id);
    const isOwn = row !== undefined && labels[classes[row]!] === label;
    if ((counts.get(label) ?? 0) - Number(isOwn) < 1) return null;
    return row === undefined ? {} : { except: row };
  };
}
