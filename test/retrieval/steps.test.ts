import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { buildIndex } from '../../activities/retrieval/build-index.ts';
import { compareRetrievers } from '../../activities/retrieval/compare-retrievers.ts';
import { evaluateRetrieval } from '../../activities/retrieval/evaluate-retrieval.ts';
import type { GateExample } from '../../activities/contract/examples.ts';
import type { RetrievalDetails, RetrievalEvaluation } from '../../activities/contract/retrieval.ts';
import type { JudgeCustom } from '../../activities/contract/validation.ts';
import { judgeRetrieval } from '../../activities/retrieval/judge-retrieval.ts';
import { readCustomGates } from '../../activities/validation/custom-gates/module.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { hardware } from '../../activities/selection/profile-encoder.ts';
import type { HardwareClass } from '../../pipelines/hardware-class.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { float32FromBytes } from '../../activities/validation/float32.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { pythonForTests } from '../support/python.ts';
import { jsonLines, OWN_CORRUPTIONS } from '../support/own-corruptions.ts';
import { runStep } from '../support/step.ts';
import type { QueryFindings } from '../../pipelines/custom-gates.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import { withStore, type TestStore } from '../support/store.ts';
import {
  blindPictureClassifier,
  COLOURS,
  makePictures,
  putPictures,
  tinyPictureClassifier,
  type MadePicture,
} from '../support/tiny-pictures.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const OWN_GATES = fileURLToPath(new URL('../support/own-gates.mjs', import.meta.url));

describe('the steps of retrieval', function () {
  this.timeout(120_000);
  let storage: TestStore;
  let services: ActivityServices;
  let model: ArtifactRef;
  let splits: Record<'train' | 'validation' | 'test', readonly MadePicture[]>;
  let dataset: ArtifactRef;

  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
    model = await storage.store.putTree(await tinyPictureClassifier(), 'model');
    const train = await makePictures(30, 16);
    splits = { train, validation: await makePictures(80, 17), test: await makePictures(12, 18) };
    dataset = await store(splits);
  });
  after(() => storage.close());

  const store = (
    rows: Record<string, readonly MadePicture[]>,
    labels: readonly string[] = COLOURS,
  ): Promise<ArtifactRef> => putPictures(storage.store, rows, { labels });
  const build = (of: ArtifactRef, exactUpTo?: number) =>
    runStep(buildIndex, { model, dataset: of, seed: 3, ...(exactUpTo === undefined ? {} : { exactUpTo }) }, services);
  const evaluate = (index: ArtifactRef, of: ArtifactRef, k = 5) =>
    runStep(evaluateRetrieval, { index, model, dataset: of, k, exportParityMaxAbs: 0, seed: 3 }, services);

  it('index the train split, whatever its order, and find the colour of what is asked', async () => {
    const built = await build(dataset);
    assert.deepEqual([built.rows, built.search, built.graph], [30, 'exact', null]);
    const turned = await store({ ...splits, train: splits.train.toReversed() });
    assert.equal((await build(turned)).index.digest, built.index.digest);
    const found = await evaluate(built.index, dataset);
    assert.deepEqual(
      [found.measures.recallAtK.value, found.measures.precisionAtK.value, found.measures.recallAtK.rows],
      [1, 1, 12],
    );
    assert.equal(found.measures.meanAveragePrecision.value, 1);
    assert.ok(found.measures.meanAveragePrecision.interval!.low < 0.9, 'twelve queries are no proof');
    assert.deepEqual([found.queriesInGallery, found.queriesWithoutRelevant], [0, 0]);
    assert.deepEqual([found.measures.corruptionDrop.rows, found.corruptions.length], [12, 10]);
    assert.match(
      found.measures.domainShift.notApplicable ?? '',
      /pairs of a test picture and one of the gallery with its label are too few to tell \(20 are needed\): 12 could be drawn/,
    );
    // What the tiny model gives is a picture's colour: black has none, and no direction.
    const unusable = found.edgeInputs?.filter(({ ok }) => !ok).map(({ name }) => name);
    assert.deepEqual([unusable, found.measures.edgeInputs.value], [['all black'], 13 / 14]);
    assert.deepEqual(found.examples?.['edgeInputs'], ['all black']);
    assert.deepEqual([found.measures.flipRate.value, found.measures.flipRate.rows], [0, 12]);
    // Plain colours are as easy for pixels: nothing is gained, and nothing is claimed.
    assert.deepEqual([found.measures.gainOverPixels.value, found.measures.gainOverPixels.interval!.low < 0], [0, true]);
  });

  it('ask with pictures that are worse as a table of the definition says, and tell of which', async () => {
    const { index } = await build(dataset);
    const name = { name: 'worse.jsonl', mediaType: 'application/jsonl' };
    const corruptions = await storage.store.putBytes(jsonLines(OWN_CORRUPTIONS), name);
    const asked = { index, model, dataset, k: 5, exportParityMaxAbs: 0, seed: 3, corruptions };
    const found = await runStep(evaluateRetrieval, asked, services);
    assert.deepEqual(
      found.corruptions.map(({ name: called, severity }) => [called, severity]),
      OWN_CORRUPTIONS.map(({ name: called, severity }) => [called, severity]),
    );
    assert.equal(found.measures.corruptionDrop.interval?.confidence, 0.975);
    assert.equal(found.corruptionTable?.digest, corruptions.digest);
    assert.equal((await evaluate(index, dataset)).corruptionTable, undefined);
  });

  it('evaluate on a machine of the declared class, and refuse one of another', async () => {
    const { index } = await build(dataset);
    const on = (hardware: HardwareClass) =>
      runStep(evaluateRetrieval, { index, model, dataset, k: 5, exportParityMaxAbs: 0, seed: 3, hardware }, services);
    const { cores, arch } = hardware();
    const found = await on({ cores, arch });
    assert.equal(found.measures.recallAtK.value, 1);
    assert.ok(found.measures.latencyP95Ms.value! > 0);
    await assert.rejects(on({ cores: cores + 1, arch }), { kind: 'WrongHardware', retryable: true });
  });

  it('foretell a larger gallery where they are told how large the whole one is, and nothing else', async () => {
    const { index } = await build(dataset);
    const asked = { index, model, dataset, k: 5, exportParityMaxAbs: 0, seed: 3 };
    assert.equal((await evaluate(index, dataset)).foretold, undefined);
    const { foretold, details } = await runStep(evaluateRetrieval, { ...asked, fullGallery: 300 }, services);
    if (foretold === undefined || 'not' in foretold) throw new Error(foretold?.not ?? 'nothing is foretold');
    assert.deepEqual([foretold.galleryRows, foretold.fullRows, foretold.queries], [30, 300, 12]);
    assert.deepEqual(
      foretold.curve.map(({ rows }) => rows),
      [8, 15, 30],
    );
    // Every colour finds its own, in any part: so it would in the whole.
    assert.deepEqual([foretold.recallAtK.value, foretold.meanAveragePrecision.value], [1, 1]);
    assert.ok(foretold.secondsAPicture > 0 && foretold.secondsAPicture < 10);
    assert.deepEqual((await storage.store.getJson<RetrievalEvaluation>(details)).foretold, foretold);
  });

  it('tell encoder and index apart where a device is declared, and measure neither again where none is', async () => {
    const { index, sizeBytes } = await build(dataset);
    const asked = { index, model, dataset, k: 5, exportParityMaxAbs: 0, seed: 3 };
    const of = (cores: number) =>
      runStep(evaluateRetrieval, { ...asked, device: { ramMb: 16_000, storageMb: 1, cores } }, services);
    const [one, four] = [await of(1), await of(4)];
    const [memory, disk] = one.hardwareFit!;
    assert.deepEqual([memory!.what, memory!.workers, four.hardwareFit?.[0]?.workers], ['memory', 1, 4]);
    // A process that answers, Node and the runtime included.
    assert.ok(memory!.neededMb > 50 && memory!.neededMb < 5000, JSON.stringify(memory));
    assert.equal(one.measures.hardwareFit.value, Math.max(memory!.neededMb / 16_000, disk!.neededMb));
    const { entries } = await storage.store.tree(model);
    const modelBytes = entries.reduce((sum, { size }) => sum + size, 0);
    assert.equal(disk!.neededMb, (modelBytes + sizeBytes) / 1e6);
    const plain = await evaluate(index, dataset);
    assert.equal(plain.hardwareFit, undefined);
    assert.match(plain.measures.hardwareFit.notApplicable ?? '', /declares no memory or storage/);
  });

  it('are asked the behaviour tests beside the data', async () => {
    const { index } = await build(dataset);
    assert.equal((await evaluate(index, dataset)).behaviour, undefined);
    const behaviour = await makePictures(3, 19);
    const tests = behaviour.map(({ id, label }, at) => ({
      table: 'plain',
      file: 'plain.csv',
      line: at + 2,
      test: {
        kind: 'minimum-functionality' as const,
        image: `behaviour/${id}.png`,
        label: at === 1 ? 'blue' : label,
      },
    }));
    const asked = await evaluate(index, await putPictures(storage.store, { ...splits, behaviour }, { tests }));
    const [plain] = asked.behaviour!;
    assert.deepEqual([plain?.name, plain?.score.value, plain?.failures.map(({ line }) => line)], ['plain', 2 / 3, [3]]);
    const details = await storage.store.getJson<Pick<typeof asked, 'behaviour'>>(asked.details);
    assert.deepEqual(details.behaviour, asked.behaviour);
  });

  it('let a graph answer only where enough queries show that it overlooks next to nothing', async () => {
    const accepted = await build(dataset, 0);
    assert.equal(accepted.search, 'graph');
    assert.ok(accepted.graph?.accepted === true && accepted.graph.recall.rows === 80);
    assert.ok(accepted.graph.recall.interval!.low >= accepted.graph.bound);
    assert.equal((await evaluate(accepted.index, dataset)).measures.recallAtK.value, 1);
    const few = await build(await store({ ...splits, validation: splits.validation.slice(0, 12) }), 0);
    assert.deepEqual([few.search, few.graph?.accepted, few.graph?.recall.value], ['exact', false, 1]);
    const none = await build(await store({ ...splits, validation: [] }), 0);
    assert.deepEqual([none.search, none.graph?.recall.value], ['exact', null]);
  });

  it('never let a picture answer for itself, and count those that stand on both sides', async () => {
    // Its only picture in the gallery is the query itself: nothing is left to find. The other's neighbours are wrong ones.
    const [red, green] = [splits.train[0]!, splits.train[1]!];
    const rows = {
      ...splits,
      train: splits.train.filter(({ label }) => label !== 'red').concat(red),
      test: [red, green],
    };
    const leaked = await store(rows);
    const found = await evaluate((await build(leaked)).index, leaked, 1);
    assert.deepEqual([found.queriesInGallery, found.queriesWithoutRelevant, found.measures.recallAtK.rows], [2, 1, 1]);
    assert.equal(found.measures.meanAveragePrecision.value, 1);
    const { examples } = await storage.store.getJson<{ examples: Record<string, GateExample[]> }>(found.details);
    const evaluated = Object.entries(RETRIEVAL_GATE_TABLE).filter(
      ([, { step, examples: of }]) => step === 'evaluate' && 'rows' in of,
    );
    assert.deepEqual(Object.keys(examples).toSorted(), evaluated.map(([name]) => name).toSorted());
    assert.deepEqual(found.examples?.['queriesInGallery']?.length, 2);
    const [alone] = examples['queriesWithoutRelevant'] ?? [];
    assert.equal(alone?.note, 'red; the gallery has none of this label');
    assert.ok(found.examples['queriesInGallery'].includes(alone.id) && alone.text === undefined);
  });

  it('hold declared pictures from elsewhere against the test split', async () => {
    const plain = await build(dataset);
    assert.match((await evaluate(plain.index, dataset)).measures.shiftedDrop.notApplicable ?? '', /data\.shiftedFiles/);
    // There each is called by the next one's colour.
    const next = (label: string): string => COLOURS[(COLOURS.indexOf(label as 'red') + 1) % COLOURS.length]!;
    const shifted = (await makePictures(20, 19)).map((one) => ({ ...one, label: next(one.label) }));
    const of = await store({ ...splits, shifted });
    const { measures } = await evaluate((await build(of)).index, of);
    assert.equal(measures.shiftedDrop.rows, 20);
    assert.ok(
      measures.shiftedDrop.value! > 0.5 && measures.shiftedDrop.interval!.low > 0.2,
      JSON.stringify(measures.shiftedDrop),
    );
    assert.equal(measures.recallAtK.value, 1);
  });

  it('tell test pictures from elsewhere by embeddings that learnt nothing from the gallery', async () => {
    const random = seededRandom(7, 1);
    // A colour, no two alike, and as much of grey in it.
    const tinted = (count: number, grey: number): Promise<readonly MadePicture[]> =>
      Promise.all(
        Array.from({ length: count }, async (_, at) => {
          const own = at % 3;
          const channels = [0, 1, 2].map((channel) =>
            Math.round((channel === own ? 150 : grey) + 60 * random.uniform()),
          );
          const [r, g, b] = channels as [number, number, number];
          const bytes = await sharp({ create: { width: 16, height: 12 + at, channels: 3, background: { r, g, b } } })
            .png()
            .toBuffer();
          return { id: digestBytes(bytes).slice(-16), bytes, label: COLOURS[own]! };
        }),
      );
    const test = await tinted(150, 70);
    const of = await store({ ...splits, train: await tinted(151, 0), test });
    const { index } = await build(of);
    const found = await evaluate(index, of);
    const { domainShift } = found.measures;
    // Colours have few directions, so that few of the pictures are unlike: no proof, but a figure.
    assert.ok(domainShift.value! > 0.6 && domainShift.rows >= 20, JSON.stringify(domainShift));
    const ids = new Set(test.map(({ id }) => id));
    const shown = found.examples?.['domainShift'] ?? [];
    assert.ok(shown.length > 0 && shown.every((id) => ids.has(id)), String(shown));
    // Of a tuned model the frozen one is asked: this one sees no difference, whatever the tuned one learnt to see.
    const frozen = await storage.store.putTree(await blindPictureClassifier(), 'blind');
    const input = { index, model, frozen, dataset: of, k: 5, exportParityMaxAbs: 0, seed: 3 };
    const tuned = (await runStep(evaluateRetrieval, input, services)).measures.domainShift;
    assert.match(tuned.notApplicable ?? '', /150 could be drawn, of which 1 test pictures and 1 of the gallery/);
  });

  it('hold the declared groups of the test pictures against each other', async () => {
    const few = (await evaluate((await build(dataset)).index, dataset)).measures.sliceGap;
    assert.match(few.notApplicable ?? '', /no slice has 30 pictures beside 30 others/);
    const next = (label: string): string => COLOURS[(COLOURS.indexOf(label as 'red') + 1) % COLOURS.length]!;
    const test = (await makePictures(70, 20)).map((one, at) => ({
      ...one,
      label: at % 2 === 0 ? one.label : next(one.label),
      groups: { site: at % 2 === 0 ? 'south' : 'north' },
    }));
    const of = await store({ ...splits, test });
    const found = await evaluate((await build(of)).index, of);
    const { sliceGap } = found.measures;
    assert.equal(found.slices?.[0]?.name, 'site = north');
    assert.ok(sliceGap.value! > 0.5 && sliceGap.interval!.low > 0.2, JSON.stringify(sliceGap));
    const north = new Set(test.filter(({ groups }) => groups.site === 'north').map(({ id }) => id));
    const shown = found.examples?.['sliceGap'] ?? [];
    assert.deepEqual([shown.length, shown.every((id) => north.has(id))], [5, true]);
  });

  it('have no figures where the gallery has nothing of the label that is asked for', async () => {
    const blind = await store({ ...splits, train: splits.train.filter(({ label }) => label === 'red') });
    const found = await evaluate((await build(blind)).index, blind);
    assert.deepEqual([found.measures.recallAtK.rows, found.queriesWithoutRelevant], [4, 8]);
    const unknown = await store({ ...splits, train: splits.train.slice(0, 1), test: splits.test.slice(1, 3) });
    const nothing = await evaluate((await build(unknown)).index, unknown);
    const { allQueries } = await storage.store.getJson<RetrievalDetails>(nothing.details);
    const lines = (await readFile(await storage.store.file(allQueries!.file), 'utf8')).trim().split('\n');
    assert.deepEqual(
      lines
        .map((line) => JSON.parse(line) as QueryFindings)
        .map(({ recallAtK, found: [first] }) => [recallAtK, first?.label]),
      [
        [null, 'red'],
        [null, 'red'],
      ],
    );
    const no = { value: null, interval: null, rows: 0 };
    assert.deepEqual(
      [nothing.measures.recallAtK, nothing.measures.meanAveragePrecision, nothing.measures.gainOverPixels],
      [no, no, no],
    );
  });

  it('hold a tuned model against the frozen one, and say of each label and each query how it was served', async () => {
    const frozen = await storage.store.putTree(await blindPictureClassifier(), 'blind');
    const { index } = await build(dataset);
    const input = { index, model, frozen, dataset, k: 5, exportParityMaxAbs: 1e-6, seed: 3 };
    const found = await runStep(evaluateRetrieval, input, services);
    const { measures } = found;
    // All alike to it: a third of what it finds is right, in whatever order.
    assert.ok(Math.abs((found.frozen?.meanAveragePrecision.value ?? 1) - 1 / 3) < 0.15);
    assert.ok(measures.gainOverFrozen.interval!.low > 0.2, 'every query gains');
    assert.deepEqual(
      found.perLabel.map(({ label, queries, averagePrecision }) => [label, queries, averagePrecision]),
      COLOURS.map((label) => [label, 4, 1]),
    );
    assert.match(measures.worstLabelPrecision.notApplicable ?? '', /no label has 10 test pictures/);
    assert.deepEqual([found.misses.length, measures.exportParity.value, measures.queriesInGallery.value], [0, 1e-6, 0]);
    assert.ok(measures.latencyP95Ms.value! > 0 && measures.memoryMb.value! > 0 && measures.sizeMb.value! > 0);
    const details = await storage.store.getJson<RetrievalDetails & { readonly testRows: number }>(found.details);
    assert.equal(details.testRows, splits.test.length);
    assert.deepEqual(
      details.queries.map(({ rowId, averagePrecision }) => [rowId, averagePrecision]),
      splits.test.map(({ id }) => [id, 1]),
    );
    const lines = (await readFile(await storage.store.file(details.allQueries!.file), 'utf8')).trim().split('\n');
    const queries = lines.map((line) => JSON.parse(line) as QueryFindings);
    assert.deepEqual(
      queries.map(({ rowId, averagePrecision, found: near }) => [rowId, averagePrecision, near.length]),
      splits.test.map(({ id }) => [id, 1, 5]),
    );
    assert.ok(queries.every(({ label, found: near }) => near.every((one) => one.label === label)));
    const { customGates } = await readCustomGates({ ESPALIER_GATES: OWN_GATES });
    const custom: JudgeCustom = {
      gates: { findsAsMeasured: { max: 1e-9, severity: 'fail' } },
      judges: 'neighbours',
      module: customGates!.digest,
      details: found.details,
    };
    const judging = { measures, gates: RetrievalGatesSchema.parse({}), custom };
    const own = (await runStep(judgeRetrieval, judging, { ...services, customGates: customGates! })).gates.at(-1);
    assert.deepEqual([own?.name, own?.verdict, own?.score.rows], ['findsAsMeasured', 'pass', 12], own?.reason);
    const folder = await temporaryFolder();
    await storage.store.checkout(found.reference, folder);
    const shares = float32FromBytes(await readFile(join(folder, 'probabilities.f32')));
    assert.deepEqual(Array.from(shares.subarray(0, 3)), [1, 0, 0], 'all five that the first, a red one, finds are red');
  });

  it('name a query that finds nothing of its label, and the label that is served worst', async () => {
    const blind = await storage.store.putTree(await blindPictureClassifier(), 'blind');
    // One green picture among many red ones: no query finds it by an embedding that points the same way for all.
    const odd = { ...splits, train: [...splits.train.filter(({ label }) => label === 'red'), splits.train[1]!] };
    const many = await store({ ...odd, test: splits.validation.filter(({ label }) => label !== 'blue').slice(0, 30) });
    const { index } = await runStep(buildIndex, { model: blind, dataset: many, seed: 3 }, services);
    const asked = { index, model: blind, dataset: many, k: 1, exportParityMaxAbs: 0, seed: 3 };
    const found = await runStep(evaluateRetrieval, asked, services);
    assert.equal(found.measures.worstLabelPrecision.rows, 15);
    const green = found.perLabel.find(({ label }) => label === 'green');
    assert.equal(found.measures.worstLabelPrecision.value, green?.averagePrecision);
    // Eleven alike: it is first in one order of eleven.
    assert.ok(Math.abs((green?.recallAtK ?? 0) - 1 / 11) < 1e-6);
  });

  it('compare with what is in production in one gallery, but for the pictures that it was made of', async () => {
    const blind = await storage.store.putTree(await blindPictureClassifier(), 'blind');
    const { index } = await build(dataset);
    const { details } = await evaluate(index, dataset);
    const before = await store({ ...splits, train: splits.test.slice(0, 3) });
    const against = (production: ArtifactRef, made: ArtifactRef) =>
      runStep(
        compareRetrievers,
        {
          production: { bundle: digestBytes('bundle'), model: production, dataset: made },
          candidate: { model, evaluation: details },
          dataset,
          gate: { min: 0, severity: 'fail' },
          seed: 3,
        },
        services,
      );
    const better = await against(blind, before);
    assert.ok(better.comparable);
    assert.deepEqual(
      [better.rows, better.rowsKnown, better.won, better.lost, better.gate.verdict],
      [9, 3, 9, 0, 'pass'],
    );
    assert.equal(better.meanAveragePrecision.candidate.value, 1);
    const same = await against(model, before);
    assert.ok(!same.comparable && same.reason.includes('byte for byte'));
    const allKnown = await against(blind, await store({ ...splits, train: splits.test }));
    assert.ok(!allKnown.comparable && allKnown.reason.includes('every one of the 12 test pictures'));
    const gone = { ...before, digest: digestBytes('gone') };
    const unknown = await against(blind, gone);
    assert.ok(unknown.comparable && unknown.rowsKnown === null && unknown.rows === 12);
    const noModel = await against(await storage.store.putTree(await temporaryFolder(), 'nothing'), before);
    assert.ok(!noModel.comparable);
  });

  it('refuse more pictures than an index holds before the first is embedded', async () => {
    const folder = await temporaryFolder();
    await storage.store.checkout(dataset, folder);
    const file = join(folder, 'train.jsonl');
    await rm(file);
    await writeFile(file, '{}\n'.repeat(1_000_001));
    await assert.rejects(build(await storage.store.putTree(folder, 'dataset')), {
      kind: 'BadData',
      message: /too large a gallery.*it would hold 1000001 rows, more than 1000000/,
      fix: /fewer pictures/,
    });
  });

  it('refuse an empty gallery, one picture twice, other pictures, and the index of another model', async () => {
    await assert.rejects(build(await store({ ...splits, train: [] })), { kind: 'BadData', message: /no pictures/ });
    const twice = await store({ ...splits, train: [splits.train[0]!, splits.train[0]!] });
    await assert.rejects(build(twice), { kind: 'BadData' });
    const { index } = await build(dataset);
    const fewer = await store({ ...splits, train: splits.train.slice(1) });
    await assert.rejects(evaluate(index, fewer), { kind: 'BadData', message: /other pictures/ });
    const folder = await temporaryFolder();
    await storage.store.checkout(index, folder);
    const file = join(folder, 'index.json');
    const text = await readFile(file, 'utf8');
    await rm(file);
    await writeFile(file, text.replace(/"model":"sha256:[0-9a-f]{64}"/, `"model":"sha256:${'0'.repeat(64)}"`));
    const other = await storage.store.putTree(folder, 'index');
    await assert.rejects(evaluate(other, dataset), {
      kind: 'BadModel',
      message: /was built with the model sha256:0000/,
    });
  });
});
