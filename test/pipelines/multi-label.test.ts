import { deepEqual, equal, ok } from 'node:assert/strict';
import { checkPipeline } from '../../pipelines/check.ts';
import { prototypeInput, trainInput } from '../../workflows/step-inputs.ts';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import type { CandidateOutcome, ExportedEncoder } from '../../activities/contract/selection.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';

const definition = (data: object, parts: object = {}): unknown => ({
  name: 'sorter',
  task: 'text-classification',
  data: { files: ['rows.csv'], text: 'text', label: 'topics', licence: 'CC0-1.0', source: 'ours', ...data },
  intendedUse: { commercial: false, domain: 'support' },
  candidates: [{ id: 'tiny', model: `hf:org/name@${'0'.repeat(40)}` }],
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
  deploy: { model: 'sorter' },
  ...parts,
});

describe('a definition of several labels a text', () => {
  it('parts labels in CSV by semicolons where it names no other separator', () => {
    const checked = checkPipeline(definition({ multiLabel: {} }));
    ok(checked.ok && checked.pipeline.task === 'text-classification');
    deepEqual(checked.pipeline.data.multiLabel, { separator: ';' });
  });

  it('takes tables of behaviour tests and gates of one’s own, and is refused with an empty separator', () => {
    const tables = { behaviour: { cards: { kind: 'minimum-functionality', file: 'cards.csv', min: 1 } } };
    ok(checkPipeline(definition({ multiLabel: {} }, tables)).ok);
    const custom = checkPipeline(definition({ multiLabel: {} }, { customGates: { refundRecall: { min: 0.9 } } }));
    ok(custom.ok && custom.pipeline.customGates?.['refundRecall'] !== undefined);
    const empty = checkPipeline(definition({ multiLabel: { separator: '' } }));
    equal(empty.ok ? '' : empty.problems[0]?.path, 'data.multiLabel.separator');
  });

  it('tells the trainer, of prototypes and of the whole, and says nothing of one label', () => {
    const ref = { digest: `sha256:${'0'.repeat(64)}`, mediaType: 'x', size: 1, name: 'x' } as ArtifactRef;
    const data = {
      dataset: ref,
      labels: ['a', 'b'],
      rows: { train: 100, validation: 20, test: 20 },
    } as unknown as DatasetSummary;
    const told = (multiLabel: object | undefined): unknown[] => {
      const checked = checkPipeline(definition(multiLabel === undefined ? {} : { multiLabel }));
      ok(checked.ok && checked.pipeline.task === 'text-classification');
      const { pipeline } = checked;
      const [candidate] = pipeline.candidates;
      const exported = { weights: ref, parameters: 1_000_000 } as unknown as ExportedEncoder;
      const outcomes = [{ id: 'tiny', exported }] as unknown as readonly CandidateOutcome[];
      const run = { pipeline, input: { candidates: [candidate!] } };
      return [
        trainInput({ candidate: candidate!, exported }, ref, data, pipeline),
        prototypeInput(run, outcomes, 'tiny', data),
      ];
    };
    for (const input of told({})) equal((input as { multiLabel?: true }).multiLabel, true);
    for (const input of told(undefined)) equal('multiLabel' in (input as object), false);
  });
});
