/** Who decided what on which evidence, and what was deployed. */
import type { ApprovalRecord, ResolutionRecord, RunFacts, SettingChange } from '../../contract.ts';
import { digest, percent, setting, time } from '../format.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import { badge, facts, table } from '../parts.ts';
import type { Section } from '../page.ts';

export const approvalsSection: Section = {
  id: 'approvals',
  title: 'Approvals',
  body: ({ facts: run }) => {
    const rules = Object.entries(run.pipeline.approvals).map(
      ([name, rule]) => `${name}: ${rule.roles.join(' or ')} within ${rule.timeout}`,
    );
    return html`<p>Who may decide: ${rules.join('; ')}. A decision holds for the evidence with this digest only.</p>
      ${
        run.approvals.length === 0
          ? html`<p>No decision has been made yet.</p>`
          : table(
              'Decisions',
              [
                { title: 'Approval', cell: (one: ApprovalRecord) => one.approval },
                { title: 'Decision', cell: (one) => badge(one.decision === 'approve' ? 'good' : 'bad', one.decision) },
                { title: 'By', cell: (one) => html`${one.approver}<small>${one.roles.join(', ')}</small>` },
                { title: 'At', cell: (one) => time(one.at) },
                { title: 'Comment', cell: (one) => one.comment },
                { title: 'Evidence', cell: (one) => digest(one.evidenceDigest) },
              ],
              run.approvals,
            )
      }${operatorDecisions(run)}`;
  },
};

/** What people did about steps that had failed, and which settings are no longer the definition's: part of the evidence. */
function operatorDecisions({ resolutions = [], changes = [] }: RunFacts): Content {
  if (resolutions.length + changes.length === 0) return '';
  const changed = table(
    'Settings that are no longer as the definition has them',
    [
      { title: 'Setting', cell: (one: SettingChange) => html`<code>${one.path}</code>` },
      { title: 'From', numeric: true, cell: (one) => setting(one.from) },
      { title: 'To', numeric: true, cell: (one) => setting(one.to) },
      { title: 'From step', cell: (one) => (one.run === undefined ? one.step : `${one.step} of ${one.run}`) },
      { title: 'By', cell: (one) => one.by },
    ],
    changes,
  );
  const decided = table(
    'What was decided about steps that had failed',
    [
      { title: 'Step', cell: (one: ResolutionRecord) => one.step },
      { title: 'It had failed with', cell: (one) => one.error },
      { title: 'Decision', cell: (one) => badge(one.action === 'retry' ? 'neutral' : 'care', one.action) },
      { title: 'By', cell: (one) => one.by },
      { title: 'At', cell: (one) => time(one.at) },
      { title: 'Comment', cell: (one) => one.comment },
    ],
    resolutions,
  );
  return html`<h3>Operator decisions</h3>
    ${resolutions.length === 0 ? '' : decided} ${changes.length === 0 ? '' : changed}`;
}

export const deploymentSection: Section = {
  id: 'deployment',
  title: 'Deployment',
  body: ({ facts: run }) => {
    const { deployment } = run;
    if (deployment === undefined) return null;
    const { serving } = deployment;
    return facts([
      ['Model', `${deployment.model}, channel ${deployment.channel}, revision ${deployment.revision}`],
      ['Deployed', time(deployment.deployedAt)],
      ['Bundle', digest(deployment.bundle.digest)],
      ['Release record', digest(deployment.release.digest)],
      [
        'Before it',
        deployment.previousBundle === null ? 'nothing: the first of this channel' : digest(deployment.previousBundle),
      ],
      ['Server', serving === null ? 'no model server is configured' : html`<code>${serving.url}</code>`],
      ...(serving === null
        ? []
        : ([
            ['Checked on the server', `${serving.checkedRows} rows, ${percent(serving.agreement)} as evaluated`],
          ] as const)),
    ]);
  },
};
