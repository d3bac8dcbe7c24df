/** Who decided what on which evidence, and what was deployed. */
import type { ApprovalRecord } from '../../contract.ts';
import { digest, percent, time } from '../format.ts';
import { badge, facts, html, table } from '../html.ts';
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
      }`;
  },
};

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
