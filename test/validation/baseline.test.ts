import { deepEqual, equal, rejects } from 'node:assert/strict';
import type { ActivityServices, StepContext } from '../../activities/step.ts';
import type { LabelledEmbeddings } from '../../activities/selection/knn.ts';
import { fitBaseline } from '../../activities/validation/baseline.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const LABELS = ['low', 'high'];

/** Rows of one number; the class is whether it is above zero, or `turned` round. */
function rows(count: number, turned: boolean): LabelledEmbeddings {
  const embeddings = Float32Array.from({ length: count }, (_, row) => ((row % 7) + 1) * (row % 2 === 0 ? 1 : -1));
  return { embeddings, classes: Int32Array.from(embeddings, (value) => Number(value > 0 !== turned)) };
}

describe('what tuning must beat', () => {
  let opened: TestStore;
  let context: Pick<StepContext, 'store' | 'signal' | 'workDir' | 'progress'>;
  before(async () => {
    opened = await withStore();
    const store: ActivityServices['store'] = opened.store;
    const workDir = await temporaryFolder();
    context = { store, workDir, signal: new AbortController().signal, progress: () => undefined };
  });
  after(() => opened.close());

  const kept = { labels: ['high', 'low'], weights: [[1], [-1]], bias: [0, 0], l2: 3 };
  const put = (probe: object) => opened.store.putJson(probe, 'probe.json');

  it('is a probe of all training rows, where selection fitted it on some of them', async () => {
    // Of the first rows alone one would learn the contrary of what all of them say.
    async function* trainingRows() {
      await Promise.resolve();
      yield rows(20, true);
      yield rows(200, false);
    }
    const asked = { labels: LABELS, dimension: 1, seed: 7, trainingRows };
    const { baseline, learnt } = await fitBaseline(
      await put({ ...kept, bias: [9, -9], fittedOn: { rows: 20, of: 220 } }),
      asked,
      context,
    );
    deepEqual([...baseline.classesOf(Float32Array.of(-3, 3))], [0, 1]);
    equal(learnt?.classes.length, 220);
    deepEqual((await learnt?.pick([0, 20]))?.embeddings, Float32Array.of(1, 1));
    await rejects(fitBaseline(await put({ ...kept, labels: ['high', 'off'], fittedOn: {} }), asked, context), {
      kind: 'BadModel',
    });
  });

  it('is the very probe of selection where that had them all, and no row is embedded again', async () => {
    const trainingRows = (): never => {
      throw new Error('nobody needs them');
    };
    const asked = { labels: LABELS, dimension: 1, seed: 7, trainingRows };
    const { baseline, learnt } = await fitBaseline(await put(kept), asked, context);
    deepEqual([baseline.l2, learnt, ...baseline.classesOf(Float32Array.of(-3, 3))], [3, null, 0, 1]);
  });
});
