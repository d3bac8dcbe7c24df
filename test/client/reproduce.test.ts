import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import type { ActivityServices } from '../../activities/step.ts';
import type { Digest, TreeManifest } from '../../artifacts/reference.ts';
import { stepRecordKey } from '../../artifacts/step-records.ts';
import type { ReproductionInput } from '../../workflows/reproduce-model.ts';
import { reproductionVerdict, changedFiles, startReproduction } from '../../client/reproduce.ts';
import { reproductionInput } from '../../client/reproduction-input.ts';
import type { FoundRelease } from '../../client/releases.ts';
import { withServices } from '../support/bundle.ts';
import { digestOf, refOf, sampleFacts } from '../support/facts.ts';
import { exportedOf, generatorFacts, searchOf } from '../support/generator-facts.ts';
import type { TestStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';

describe('reproducing a release', () => {
  let services: TestStore & ActivityServices;
  beforeEach(async () => {
    services = await withServices();
  });

  const release = (changes: Partial<FoundRelease['facts']> = {}): FoundRelease =>
    ({ facts: { ...sampleFacts, bundle: refOf('bundle'), ...changes } }) as FoundRelease;
  const recordData = async (ref: Digest) => {
    const key = sampleFacts.steps.find(({ id }) => id === 'data')?.key;
    const file = { path: 'data/messages.csv', format: 'csv', split: 'all', ref };
    await services.pointers.create(stepRecordKey(key ?? digestOf('none')), { input: { files: [file] } });
  };

  /** Facts of a generator whose searches are on record, too. */
  const searchedFacts = (road: Parameters<typeof generatorFacts>[0]): ReturnType<typeof generatorFacts> => {
    const facts = generatorFacts(road);
    const exported = exportedOf('base generator');
    const tuned = { exported, search: searchOf('prompt of the tuned') };
    return {
      ...facts,
      candidates: (facts.candidates ?? []).map((one) => ({
        ...one,
        generator: { exported, search: searchOf('prompt of the base') },
      })),
      generation: {
        ...facts.generation,
        guidelines: refOf('guidelines.json'),
        ...(road === 'prompted' ? {} : { learnt: refOf('learnt'), tuned }),
      },
    };
  };

  it('takes the data from the record of the step that read it, wherever it once came from', async () => {
    const { digest, size } = await services.store.putBytes('a,b\n', { name: 'x', mediaType: 'text/csv' });
    await recordData(digest);
    const { dataFiles, winner } = await reproductionInput(services, release());
    deepEqual(
      dataFiles.map(({ path, format, split, ref }) => [path, format, split, ref.digest, ref.size]),
      [['data/messages.csv', 'csv', 'all', digest, size]],
    );
    ok('candidate' in winner);
    equal(winner.candidate.id, 'minilm-l6');
  });

  it('makes a generator again by its own road: what was trained and not chosen is no part of it', async () => {
    const { digest } = await services.store.putBytes('{}\n', { name: 'x', mediaType: 'application/jsonl' });
    await recordData(digest);
    for (const [road, tuned] of [
      ['prompted', false],
      ['rejected', false],
      ['tuned', true],
    ] as const) {
      const input = await reproductionInput(services, release(searchedFacts(road)));
      ok(input.task === 'text-generation');
      equal(input.winner.search.prompt.digest, digestOf('prompt of the base'));
      equal(input.tuned?.learnt.digest, tuned ? digestOf('learnt') : undefined, road);
    }
    const { generation: _, ...lost } = searchedFacts('tuned');
    await rejects(reproductionInput(services, { facts: { ...release().facts, ...lost } } as FoundRelease), {
      kind: 'NotFound',
      message: /every step of the run/,
    });
  });

  it('says what the record no longer holds', async () => {
    await rejects(reproductionInput(services, release()), {
      kind: 'NotFound',
      message: /the step that prepared the data/,
    });
    await recordData(digestOf('collected'));
    await rejects(reproductionInput(services, release()), /does not hold the data file data\/messages\.csv \(sha256:/);
    const { training: _, ...untrained } = release().facts;
    await rejects(reproductionInput(services, { facts: untrained } as FoundRelease), /every step of the run/);
  });

  it('names the first difference, the environment’s and the bundle’s files', async () => {
    const { store } = services;
    const text = async (path: string, bytes: string) => ({
      path,
      ref: await store.putBytes(bytes, { name: path, mediaType: 'text/plain' }),
    });
    const card = await text('card', 'x');
    const bundle = await store.putManifest([card, await text('provenance.json', '1')], 'bundle');
    const rebuilt = await store.putManifest([card, await text('provenance.json', '2')], 'bundle');
    const { training } = sampleFacts;
    const environment = { ...training?.environment, versions: { ...training?.environment.versions, torch: '0.0.1' } };
    const verdict = await reproductionVerdict(
      services,
      { bundle, ...(training === undefined ? {} : { training }) },
      {
        compared: [
          { what: 'dataset', recorded: digestOf('a'), rebuilt: digestOf('a') },
          { what: 'bundle', recorded: bundle.digest, rebuilt: rebuilt.digest },
        ],
        bundle: rebuilt,
        environment: environment as NonNullable<typeof training>['environment'],
      },
    );
    equal(verdict.equal, false);
    equal(verdict.firstDifference?.what, 'bundle');
    deepEqual(verdict.files, ['provenance.json']);
    deepEqual(
      verdict.environmentDifferences.map(({ path, to }) => [path, to]),
      [['versions.torch', '0.0.1']],
    );
  });

  it('counts a rebuild that never came to a bundle as not equal', async () => {
    equal((await reproductionVerdict(services, { bundle: refOf('bundle') }, { compared: [] })).equal, false);
  });

  it('compares bundles by every path of either', () => {
    const tree = (files: Readonly<Record<string, string>>): TreeManifest => ({
      version: 1,
      entries: Object.entries(files).map(([path, text]) => ({ path, digest: digestOf(text), size: 1, mode: '644' })),
    });
    deepEqual(changedFiles(tree({ a: '1', b: '2', c: '3' }), tree({ b: '2', c: '4', d: '5' })), ['a', 'c', 'd']);
  });
});

describe('a reproduction that is under way', function () {
  this.timeout(60_000); // a server is started, on a busy machine
  it('is not begun a second time under its id: that is said with the way out', async () => {
    const { client, close } = await (await temporalForTests()).connect();
    try {
      const input = { facts: sampleFacts } as Partial<ReproductionInput> as ReproductionInput;
      await startReproduction(client, input, 'made-again');
      await rejects(startReproduction(client, input, 'made-again'), {
        kind: 'Conflict',
        where: 'made-again',
        fix: /wait for its end.*workflow cancel --workflow-id made-again/,
      });
      await client.workflow.getHandle('made-again').terminate();
    } finally {
      await close();
    }
  });
});
