import { StepLeftOut } from '../failures.ts';
import type { Run } from '../run.ts';
import { approved } from './approve.ts';
import { compareWithProduction } from './compare.ts';
import { judgeTermsAgain } from './terms.ts';
import type { PackagedModel } from '../../activities/contract/deployment.ts';
import type { ProductionModel } from '../../activities/contract/validation.ts';
import type { Winner } from './select.ts';

/** What a release is of. */
export interface Releasing {
  readonly winner: Pick<Winner, 'candidate' | 'resolved' | 'imported'>;
  readonly pack: () => Promise<PackagedModel>;
  readonly compare: (production: ProductionModel) => Promise<void>;
}

/**
 * Package, approve, deploy, watch. The bundle is made before the approval, so that the approval binds its very bytes:
 * the evidence names the bundle's digest, and the server serves nothing else. true = deployed; false = refused, by a person
 * or by the gate that holds it against the model in production.
 */
export async function release(run: Run, { winner, pack, compare }: Releasing): Promise<boolean> {
  const { pipeline } = run;
  const { model, channel, recordText } = pipeline.deploy;
  const { bundle, duties } = await pack();
  run.facts.bundle = bundle;
  run.facts.duties = duties;
  await judgeTermsAgain(run, winner);
  await compareWithProduction(run, compare);
  // Nobody is asked to approve what the definition forbids.
  if (run.comparisonGates.some(({ verdict }) => verdict === 'fail')) return false;
  if (!(await approved(run, 'release'))) return false;
  const evidence = run.evidence;
  if (evidence === undefined) throw new Error('approved without evidence');
  const deploy = () =>
    run.activities('deploy', 'deploy').deployModel(
      run.call('deploy', {
        model,
        channel,
        bundle,
        evidence,
        approvals: run.desk.records(),
        monitor: pipeline.monitor,
        recordText,
        runInput: run.inputRef,
      }),
    );
  run.facts.deployment = await run.engine.step('deploy', deploy, run.parking());
  const watch = () =>
    run
      .activities('deploy', 'monitor')
      .scheduleMonitor(run.call('monitor', { model, channel, monitor: pipeline.monitor }));
  try {
    await run.engine.step('monitor', watch, run.parking());
  } catch (error) {
    // An operator skipped it: the model is served, but nobody watches it.
    if (!(error instanceof StepLeftOut)) throw error;
  }
  return true;
}
