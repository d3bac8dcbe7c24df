/** The evidence, and the decision beside it: what a signed link opens. A pure function of what is shown. */
import { html, type Content, type Html } from '../../artifacts/html.ts';
import { shortDigest, type Digest } from '../../artifacts/reference.ts';
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
  readonly refused?: { readonly reason: string; readonly comment: string };
}

const TITLES = { review: 'Review', release: 'Release' } as const;
const OUTCOMES = { approved: 'Approved', rejected: 'Rejected', expired: 'Expired' } as const;

export function decisionPage(shown: DecisionPage): string {
  const { approval, reportUrl, summary } = shown;
  const title = `${TITLES[approval.approval]} of ${approval.pipeline}`;
  return page(
    title,
    html`<header>
        <p class="over">Espalier · approval</p>
        <h1>${title}</h1>
        <p class="quiet">
          Run <code>${approval.runId}</code>, started by ${approval.startedBy}. Needs
          ${approval.roles.join(' or ')}${approval.deadline === undefined ? '' : html`, by ${time(approval.deadline)}`}.
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
          ${panel(shown)}
        </aside>
      </main>`,
  );
}

function panel({ approval, approver, evidence, refused, csrf }: DecisionPage): Content {
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
  return html`${why}
    <p>You decide as <strong>${approver}</strong> on the evidence <code>${shortDigest(evidence)}</code>.</p>
    <form method="post">
      ${
        csrf === undefined
          ? ''
          : html`<input type="hidden" name="csrf" value="${csrf}" />
              <input type="hidden" name="evidence" value="${evidence}" />`
      }
      <label for="comment">Comment <span>(required to reject)</span></label>
      <textarea id="comment" name="comment" maxlength="4000" required>${refused?.comment ?? ''}</textarea>
      <div class="actions">
        <button class="approve" name="decision" value="approve" formnovalidate>Approve</button>
        <button class="reject" name="decision" value="reject">Reject</button>
      </div>
      <p class="quiet">The first decision stands. A rejection ends the run.</p>
    </form>`;
}

function outcome({ state, record }: ShownApproval): Html {
  const kind = state === 'approved' ? 'good' : 'bad';
  const word = state === 'open' || state === 'not-open' ? 'Closed' : OUTCOMES[state];
  if (record === undefined) {
    const reason = state === 'expired' ? 'The deadline passed without a decision.' : 'The run ended without it.';
    return html`<div class="notice ${kind}">
      <p><strong>${word}.</strong> ${reason}</p>
    </div>`;
  }
  return html`<div class="notice ${kind}">
      <p><strong>${word}</strong> by ${record.approver} (${record.roles.join(', ')})</p>
      <p class="quiet">${time(record.at)}</p>
    </div>
    ${record.comment === '' ? '' : html`<p>“${record.comment}”</p>`}`;
}

const BADGES = { pass: ['good', '✓'], warn: ['care', '!'], fail: ['bad', '✗'], off: ['quiet', '–'] } as const;

/** The verdict by a sign and a word: the colour only repeats it. */
function judged({ text, verdict }: SummaryLine): Content {
  if (verdict === undefined) return text;
  const [kind, sign] = BADGES[verdict];
  return html`<span class="badge ${kind}"><span aria-hidden="true">${sign}</span> ${verdict}</span>${text}`;
}

export function time(iso: string): Html {
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}
