import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mostExposed } from '../../activities/privacy/memorisation/exposure.ts';
import { memorisationProblems } from '../../pipelines/memorisation-rules.ts';
import { crossProblems } from '../../pipelines/rules.ts';

const task = 'text-generation';
const same = (length: number, loss: number): readonly number[] => Array.from({ length }, () => loss);

describe('canaries that could show nothing', () => {
  it('are refused before any work, with how many controls it takes', () => {
    const memorisation = { canaries: { count: 64, controls: 1000 } };
    const [problem, ...others] = memorisationProblems({ task, memorisation });
    equal(others.length, 0);
    equal(problem?.path, 'memorisation.canaries.controls');
    match(problem?.message ?? '', /1000 controls show 4\.06 bits of 64 canaries at most/);
    ok(crossProblems({ task, memorisation }, undefined).problems.some(({ path }) => path === problem?.path));
  });

  it('can fail the gate with as many controls as are asked for, and not with one fewer', () => {
    for (const count of [1, 8, 64]) {
      const [problem] = memorisationProblems({ task, memorisation: { canaries: { count, controls: 100 } } });
      const needed = Number(/at least (\d+)/.exec(problem?.fix ?? 'at least 100')?.[1]);
      const best = (controls: number): number => mostExposed(same(count, 0), same(controls, 1)).value ?? 0;
      ok(best(needed) > 4.33, `${count} canaries, ${needed} controls`);
      if (problem !== undefined) ok(best(needed - 1) <= 4.33);
      deepEqual(memorisationProblems({ task, memorisation: { canaries: { count, controls: needed } } }), []);
    }
  });

  it('are told to be fewer where no number of controls that a definition may ask for is enough', () => {
    const gates = { canaryExposure: { max: 30 } };
    const [problem] = memorisationProblems({ task, memorisation: { gates } });
    equal(problem?.fix, "put in fewer canaries, or lower the gate's max");
  });

  it('are nobody’s mistake where there are none, nobody judges them, or the section is no section', () => {
    const few = { count: 64, controls: 100 };
    for (const memorisation of [
      undefined,
      {},
      { canaries: { count: 0, controls: 100 } },
      { canaries: few, gates: { canaryExposure: { severity: 'off' } } },
      { canaries: { count: -1 } },
      7,
    ]) {
      deepEqual(memorisationProblems({ task, memorisation }), []);
    }
    deepEqual(memorisationProblems({ task: 'text-classification', memorisation: { canaries: few } }), []);
  });
});
