import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { planRun } from '../../workflows/plan.ts';

for (const task of ['text-classification', 'text-generation'] as const)
  describe(`the plan of a run for ${task}`, () => {
    it('is acyclic, complete and in topological order for any number of candidates', () => {
      fc.assert(
        fc.property(
          fc.uniqueArray(fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/), { minLength: 1, maxLength: 8 }),
          (ids) => {
            const plan = planRun({
              task,
              candidates: ids.map((id) => ({ id, model: 'x', pooling: 'mean', optional: false })),
            });
            const seen = new Set<string>();
            for (const { id, needs } of plan) {
              assert.ok(!seen.has(id), `${id} stands once`);
              for (const need of needs) assert.ok(seen.has(need), `${id} comes after ${need}`);
              seen.add(id);
            }
          },
        ),
      );
    });

    it('lets nothing be trained before review and nothing be deployed before release', () => {
      const plan = planRun({ task, candidates: [{ id: 'one', model: 'x', pooling: 'mean', optional: false }] });
      const before = (id: string): Set<string> => {
        const needs = plan.find((step) => step.id === id)?.needs ?? [];
        return new Set([...needs, ...needs.flatMap((need) => [...before(need)])]);
      };
      assert.ok(before('train').has('approve-review'));
      assert.ok(before('train').has('privacy'));
      assert.ok(before('deploy').has('approve-release'));
      assert.ok(before('approve-release').has('gates'));
      assert.ok(before('approve-release').has('package'), 'the approval binds the bundle that will be served');
      assert.ok(
        before('approve-release').has('terms'),
        'nothing is approved whose licence was not judged as it is now',
      );
      assert.ok(before('approve-release').has('compare'), 'who approves sees what is replaced');
    });
  });
