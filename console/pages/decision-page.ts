/** The evidence, and the decision beside it: what a signed link opens. A pure function of what is shown. */
import { html, type Content, type Html } from '../../artifacts/html.ts';
import { shortDigest, type Digest } from '../../artifacts/reference.ts';
import { openSeats } from '../../artifacts/seats.ts';
import { voterText, type Delegation } from '../../artifacts/votes.ts';
import type { SummaryLine, SummaryRow } from '../../client/summary.ts';
import type { ShownApproval } from '../decisions.ts';
import { page } from './page.ts';

export interface DecisionPage {
  readonly approval: ShownApproval;
  /** Whose link it is. */
  readonly approver: string;
  /** What the link is bound to: another pack than the open one cannot be decided on. */
  readonly evidence: Digest;
  readonly summary: readonly SummaryRow[];
  /** The whole report, under the same signature. */
  readonly reportUrl: string;
  /** Of a browser's session: its form shows that it was ours, and whose evidence was looked at. */
  readonly csrf?: string;
  /** Why the vote that was just sent does not count, and its comment, so that it is not lost. */
  readonly refused?: { readonly reason: string; readonly comment: string; readonly breakGlass: boolean };
  /** By which they may fill an open seat of somebody else now. */
  readonly delegations: readonly Delegation[];
  readonly mayBreakGlass: boolean;
}

const TITLES = { review: 'Review', release: 'Release' } as const;
const OUTCOMES = {
  approved: 'Approved',
  rejected: 'Rejected',
  expired: 'Expired',
  'changes-requested': 'Changes requested',
} as const;
const REASONS = {
  'run-starter': 'started the run',
  'definition-author': 'wrote the definition',
  'policy-editor': 'edited the policy last',
} as const;

export function decisionPage(shown: DecisionPage): string {
  const { approval, reportUrl, summary } = shown;
  const title = `${TITLES[approval.approval]} of ${approval.pipeline}`;
  return page(
    title,
    html`<header>
        <p class="over">Espalier · approval</p>
        <h1>${title}</h1>
        <p class="quiet">
          Run <code>${approval.runId}</code>, started by
          ${approval.startedBy}.${approval.deadline === undefined ? '' : html` Open until ${time(approval.deadline)}; then it counts as rejected.`}
        </p>
        <p class="jump"><a href="#decision">Go to the decision</a></p>
      </header>
      <main>
        <div>
          <section aria-labelledby="short">
            <h2 id="short">The evidence in short</h2>
            <dl>
              ${summary.map(
                ({ name, lines }) =>
                  html`<dt>${name}</dt>
                    <dd>${lines.map((line) => html`<p>${judged(line)}</p>`)}</dd>`,
              )}
              <dt>digest</dt>
              <dd><code>${shown.evidence}</code></dd>
            </dl>
          </section>
          <section aria-labelledby="whole">
            <h2 id="whole">The whole evidence</h2>
            <iframe src="${reportUrl}" title="The report that this decision is based on"></iframe>
            <p class="quiet"><a href="${reportUrl}">Open it on a page of its own</a></p>
          </section>
        </div>
        <aside aria-labelledby="decision">
          <h2 id="decision">${approval.closed ? 'The decision' : 'Your decision'}</h2>
          ${panel(shown)} ${seats(approval)} ${votes(approval)}
        </aside>
      </main>`,
  );
}

function panel(shown: DecisionPage): Content {
  const { approval, approver, evidence, refused } = shown;
  const why =
    refused === undefined
      ? ''
      : html`<div class="notice bad" role="alert">
          <p><strong>Your vote was not counted.</strong></p>
          <p>${refused.reason}</p>
        </div>`;
  if (approval.closed) return [why, outcome(approval)];
  if (approval.evidence?.digest !== evidence) {
    return html`<div class="notice">
      <p><strong>The evidence has changed</strong> since this link was made. Ask for a new link.</p>
    </div>`;
  }
  if (approval.state !== 'open')
    return html`<div class="notice"><p>It is not open yet. Come back in a moment.</p></div>`;
  const written = refused?.breakGlass === false ? refused.comment : '';
  return html`${why}
    <p>You decide as <strong>${approver}</strong> on the evidence <code>${shortDigest(evidence)}</code>.</p>
    <form method="post">
      ${bound(shown)} ${onBehalfOf(shown)}
      <label for="comment">Comment <span>(required, except to approve)</span></label>
      <textarea id="comment" name="comment" maxlength="4000" required>${written}</textarea>
      <div class="actions">
        <button class="approve" name="decision" value="approve" formnovalidate>Approve</button>
        <button class="changes" name="decision" value="request-changes">Request changes</button>
        <button class="reject" name="decision" value="reject">Reject</button>
      </div>
      <p class="quiet">
        Your decision stands. One rejection ends the run; a request for changes voids every vote and asks again with new
        evidence.
      </p>
    </form>
    ${shown.mayBreakGlass ? glass(shown) : ''}`;
}

/** Of a session's form: that it is ours, and what was looked at. */
function bound({ csrf, evidence }: DecisionPage): Content {
  if (csrf === undefined) return '';
  return html`<input type="hidden" name="csrf" value="${csrf}" />
    <input type="hidden" name="evidence" value="${evidence}" />`;
}

/** Whose seat the vote is to fill; nothing where nobody has delegated theirs. */
function onBehalfOf({ approver, delegations }: DecisionPage): Content {
  if (delegations.length === 0) return '';
  return html`<label for="on-behalf-of">Whose vote it is</label>
    <select id="on-behalf-of" name="onBehalfOf">
      <option value="">${approver}: my own</option>
      ${delegations.map(
        ({ from, role, endsAt }) =>
          html`<option value="${from}">${from}, ${role} (delegated until ${stamp(endsAt)})</option>`,
      )}
    </select>
    <p class="quiet">You vote once: for yourself or for one other person.</p>`;
}

/** Apart, and closed at first: nobody breaks the glass by a slip of the hand. */
function glass(shown: DecisionPage): Html {
  const { approval, refused } = shown;
  const again = refused?.breakGlass === true;
  const open = openSeats(approval.seats).map(({ role }) => role);
  return html`<details class="glass" ${again ? html`open` : ''}>
    <summary>Break the glass</summary>
    <form method="post">
      ${bound(shown)}
      <input type="hidden" name="breakGlass" value="yes" />
      <p>
        <strong>You approve alone, in place of ${open.join(', ') || 'everybody'}.</strong> It cannot be undone. Your
        name and reason stay for ever in the evidence, the model card, the bill of materials, the audit log and every
        list of models.
      </p>
      <label for="why">Why <span>(required)</span></label>
      <textarea id="why" name="comment" maxlength="4000" required>${again ? refused.comment : ''}</textarea>
      <div class="actions">
        <button class="reject" name="decision" value="approve">Break the glass and approve</button>
      </div>
    </form>
  </details>`;
}

function outcome({ state, record }: ShownApproval): Html {
  const kind = state === 'approved' && record?.breakGlass !== true ? 'good' : 'bad';
  const word = state === 'open' || state === 'not-open' ? 'Closed' : OUTCOMES[state];
  if (record === undefined) {
    const reason = state === 'expired' ? 'The deadline passed without a decision.' : 'The run ended without it.';
    return html`<div class="notice ${kind}">
      <p><strong>${word}.</strong> ${reason}</p>
    </div>`;
  }
  return html`<div class="notice ${kind}">
      <p><strong>${word}</strong> by ${voterText(record)}</p>
      <p class="quiet">${time(record.at)}</p>
    </div>
    ${record.comment === '' ? '' : html`<p>“${record.comment}”</p>`}`;
}

/** Which seats there are, who fills them, and who cannot. */
function seats({ seats: all, excluded, escalateTo, escalatesAt }: ShownApproval): Html {
  return html`<h3>Seats</h3>
    <ul class="seats">
      ${all.map(({ role, by }) =>
        by === null
          ? html`<li><span aria-hidden="true">○</span> ${role}: <span class="quiet">open</span></li>`
          : html`<li><span class="good" aria-hidden="true">●</span> ${role}: <strong>${by}</strong></li>`,
      )}
    </ul>
    ${excluded.length === 0 ? '' : html`<p class="quiet">Left out: ${excluded.map(({ name, because }) => `${name} (${REASONS[because]})`).join(', ')}.</p>`}
    ${
      escalateTo.length === 0 || escalatesAt === undefined
        ? ''
        : html`<p class="quiet">From ${time(escalatesAt)} on, ${escalateTo.join(' or ')} may fill any seat.</p>`
    }`;
}

const DONE = {
  approve: ['good', '✓ approved'],
  reject: ['bad', '✗ rejected'],
  'request-changes': ['care', '↺ requested changes'],
} as const;

/** What has been decided so far, the void votes, too. */
function votes({ votes: all }: ShownApproval): Content {
  if (all.length === 0) return '';
  return html`<h3>Votes</h3>
    <ul class="votes">
      ${all.map((vote) => {
        const [kind, word] = DONE[vote.decision];
        return html`<li class="${vote.voided === undefined ? '' : 'void'}">
          <strong>${voterText(vote)}</strong> <span class="${kind}">${word}</span>
          ${vote.breakGlass === true ? html`<span class="bad">glass broken</span>` : ''}
          ${vote.voided === undefined ? '' : html`<span class="quiet">void: ${vote.voided.reason}</span>`}
          <small class="quiet">${time(vote.at)}</small>${vote.comment === '' ? '' : html`<p>“${vote.comment}”</p>`}
        </li>`;
      })}
    </ul>`;
}

const BADGES = { pass: ['good', '✓'], warn: ['care', '!'], fail: ['bad', '✗'], off: ['quiet', '–'] } as const;

/** The verdict by a sign and a word: the colour only repeats it. */
function judged({ text, verdict }: SummaryLine): Content {
  if (verdict === undefined) return text;
  const [kind, sign] = BADGES[verdict];
  return html`<span class="badge ${kind}"><span aria-hidden="true">${sign}</span> ${verdict}</span>${text}`;
}

export function time(iso: string): Html {
  return html`<time datetime="${iso}">${stamp(iso)}</time>`;
}

function stamp(iso: string): string {
  return `${iso.slice(0, 16).replace('T', ' ')} UTC`;
}
