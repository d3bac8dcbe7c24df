/** Who decided what on which evidence, and what was deployed. */
import type { ApprovalRecord, ResolutionRecord, RunFacts, SettingChange } from '../../contract/evidence.ts';
import { digest, percent, setting, time } from '../format.ts';
import { html, type Content } from '../../../artifacts/html.ts';
import { seatText } from '../../../artifacts/seats.ts';
import { seatHolder, tally, voterText } from '../../../artifacts/votes.ts';
import { badge, facts, table } from '../parts.ts';
import type { Section } from '../page.ts';

export const approvalsSection: Section = {
  id: 'approvals',
  title: 'Approvals',
  body: ({ facts: run }) => {
    return html`${rules(run)} ${authors(run)}
      <p>One person fills one seat. A vote holds for the evidence with its digest only.</p>
      ${glassBroken(run)}
      ${
        run.approvals.length === 0
          ? html`<p>No decision has been made yet.</p>`
          : table(
              'Decisions',
              [
                { title: 'Approval', cell: (one: ApprovalRecord) => one.approval },
                { title: 'Decision', cell: (one) => decided(one) },
                { title: 'By', cell: (one) => html`${voterText(one)}${seatOf(run, one)}` },
                { title: 'At', cell: (one) => time(one.at) },
                { title: 'Comment', cell: (one) => one.comment },
                { title: 'Evidence', cell: (one) => digest(one.evidenceDigest) },
              ],
              run.approvals,
            )
      }${operatorDecisions(run)}`;
  },
};

const REASONS = {
  'run-starter': 'started the run',
  'definition-author': 'wrote the definition',
  'policy-editor': 'edited the licence policy last',
} as const;

/** Who has to approve, who is left out, and what the definition lifts of that. */
function rules({ pipeline, electorate }: RunFacts): Content {
  return Object.entries(pipeline.approvals).map(([name, rule]) => {
    const left = electorate.excluded.filter(({ because }) => !rule.liftedExclusions.includes(because));
    const lifted = electorate.excluded.filter(({ because }) => rule.liftedExclusions.includes(because));
    const text = (people: typeof left): string =>
      people.map((one) => `${one.name} (${REASONS[one.because]})`).join(', ');
    return html`<p>
      <strong>${name}</strong> needs ${seatText(rule.seats)} within
      ${rule.timeout}${rule.escalateTo.length === 0 ? '' : `; from half of that on, ${rule.escalateTo.join(' or ')} may fill any seat`}.
      ${left.length === 0 ? 'Nobody is left out.' : `Left out: ${text(left)}.`}
      ${rule.liftedExclusions.length === 0 ? '' : html`<strong>The definition lets decide</strong> whoever ${rule.liftedExclusions.map((one) => REASONS[one]).join(' or ')}${lifted.length === 0 ? '' : ` (${text(lifted)})`}.`}
    </p>`;
  });
}

const WORKS = { 'definition-author': 'The definition', 'policy-editor': 'The licence policy' } as const;

/** Whose work it is, also where they are no approver: nobody has to ask who wrote it. */
function authors({ authors: all = [] }: RunFacts): Content {
  return all.map(({ of, person, approvers }) => {
    const as = approvers.length === 0 ? 'no approver' : `the approver ${approvers.join(', ')}`;
    const by =
      person === null ? 'is in no repository: who edited it last is not known' : `was last edited by ${person}, ${as}`;
    return html`<p>${WORKS[of]} ${by}.</p>`;
  });
}

function glassBroken({ approvals }: RunFacts): Content {
  const broken = approvals.filter(({ breakGlass, voided }) => breakGlass === true && voided === undefined);
  return broken.map(
    (one) =>
      html`<p>
        <strong>${badge('bad', 'glass broken')} ${one.approver} approved the ${one.approval} alone:</strong>
        ${one.comment}
      </p>`,
  );
}

function decided({ decision, voided }: ApprovalRecord): Content {
  if (voided !== undefined) return html`<s>${decision}</s><small>void: ${voided.reason}, ${time(voided.at)}</small>`;
  return badge(decision === 'approve' ? 'good' : 'bad', decision);
}

/** The seat that a vote fills, where it fills one. */
function seatOf({ pipeline, electorate, approvals }: RunFacts, vote: ApprovalRecord): Content {
  if (vote.voided !== undefined || vote.decision !== 'approve') return '';
  const beside = approvals.filter(({ evidenceDigest }) => evidenceDigest === vote.evidenceDigest);
  const { seats } = tally(beside, pipeline.approvals[vote.approval], electorate);
  const seat = seats.find(({ by }) => by === seatHolder(vote));
  return seat === undefined ? '' : html`<small>fills the seat ${seat.role}</small>`;
}

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
