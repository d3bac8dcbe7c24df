import assert from 'node:assert/strict';
import { settingProblems } from '../../pipelines/change.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import { explainIssues } from '../../pipelines/explain.ts';
import { LauncherSchema } from '../../pipelines/launcher.ts';
import { runInput } from '../support/workflow.ts';

const RAY = { kind: 'ray', address: 'http://ray-head:8265' } as const;
const KUBERNETES = { kind: 'kubernetes', namespace: 'training', image: 'registry.example/espalier@sha256:ab' } as const;

function problems(launcher: unknown): readonly string[] {
  const value = { launcher };
  const { error } = TrainingSchema.safeParse(value);
  return explainIssues(TrainingSchema, error?.issues ?? [], value).map(({ path, message }) => `${path} ${message}`);
}

describe('training.launcher', () => {
  it('is absent unless it is written, so that a definition without it stays what it was', () => {
    assert.equal('launcher' in TrainingSchema.parse({}), false);
  });

  it('has a default for everything but the cluster itself', () => {
    const common = { gpus: 0, installation: '/opt/espalier', startWithin: '30m' };
    assert.deepEqual(LauncherSchema.parse(RAY), { ...RAY, cpus: 1, ...common });
    assert.deepEqual(LauncherSchema.parse(KUBERNETES), {
      ...KUBERNETES,
      envFrom: [],
      cpu: '4',
      memory: '16Gi',
      nodeSelector: {},
      tolerations: [],
      ...common,
    });
  });

  const REFUSED: readonly [unknown, RegExp][] = [
    [{ kind: 'slurm' }, /^launcher\.kind must be 'ray' or 'kubernetes'/],
    ['ray', /^launcher must be an object, got 'ray'/],
    [{ kind: 'ray' }, /^launcher\.address is missing/],
    [{ ...RAY, address: 'http://user:password@ray-head' }, /^launcher\.address has a form that is not allowed/],
    [{ ...RAY, image: 'x' }, /^launcher\.image is not a setting here/],
    // They become part of a command line.
    [{ ...RAY, installation: '/opt/x; rm -rf /' }, /^launcher\.installation has a form/],
    [{ ...RAY, installation: '/opt/$(id)' }, /^launcher\.installation has a form/],
    [{ ...RAY, installation: '/opt/x\nid' }, /^launcher\.installation has a form/],
    [{ ...KUBERNETES, namespace: 'Training' }, /^launcher\.namespace has a form/],
    [{ ...KUBERNETES, memory: 'much' }, /^launcher\.memory has a form/],
    [{ ...KUBERNETES, startWithin: '0s' }, /^launcher\.startWithin has a form/],
    // Values of secrets never stand in a definition.
    [
      { ...KUBERNETES, envFrom: [{ secret: 'store', value: 'hunter2' }] },
      /^launcher\.envFrom\[0\]\.value is not a setting/,
    ],
  ];
  for (const [launcher, expected] of REFUSED) {
    it(`refuses ${JSON.stringify(launcher)}`, () => {
      const found = problems(launcher);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', expected);
    });
  }

  it('can be changed for a parked training, one setting at a time or from none at all', () => {
    const { pipeline } = runInput();
    const settings = { 'training.launcher.kind': 'ray', 'training.launcher.address': RAY.address };
    assert.deepEqual(settingProblems(pipeline, settings), []);
    const remote = { ...pipeline, training: TrainingSchema.parse({ launcher: KUBERNETES }) };
    assert.deepEqual(settingProblems(remote, { 'training.launcher.image': 'registry.example/espalier:2' }), []);
    assert.equal(settingProblems(remote, { 'training.launcher.image': '' }).length, 1);
  });
});
