/** What somebody who has signed in sees around the decisions: what waits for one, and the way out. */
import { html } from '../../artifacts/html.ts';
import type { ApprovalsList, ListedApproval } from '../../client/approvals.ts';
import type { Session } from '../sessions.ts';
import { time } from './decision-page.ts';
import { page } from './page.ts';

export function approvalsPage({ approvals: open, total }: ApprovalsList, { caller, csrf }: Session): string {
  const { user, roles = [] } = caller;
  return page(
    'Approvals',
    html`<main class="single">
      <p class="over">Espalier</p>
      <h1>What waits for a decision</h1>
      <p class="quiet">Signed in as <strong>${user}</strong>${roles.length === 0 ? '' : ` (${roles.join(', ')})`}</p>
      ${
        open.length === 0
          ? html`<p>Nothing does.</p>`
          : html`<ul>
              ${open.map(item)}
            </ul>`
      }
      ${total > open.length ? html`<p class="quiet">And ${total - open.length} of older runs.</p>` : ''}
      <form method="post" action="/sign-out">
        <input type="hidden" name="csrf" value="${csrf}" />
        <div class="actions"><button class="reject">Sign out</button></div>
      </form>
    </main>`,
  );
}

function item({ runId, approval, pipeline, startedBy, deadline }: ListedApproval) {
  return html`<li>
    <p>
      <a href="/approvals/${encodeURIComponent(runId)}/${approval}">${approval} of ${pipeline}</a>, run
      <code>${runId}</code>, started by ${startedBy}${deadline === undefined ? '' : html`, by ${time(deadline)}`}
    </p>
  </li>`;
}

export function signedOutPage(): string {
  return page(
    'Signed out',
    html`<main class="single">
      <p class="over">Espalier</p>
      <h1>Signed out</h1>
      <p>This browser is signed out of the console; of the identity provider it may not be.</p>
      <p><a href="/sign-in">Sign in again</a></p>
    </main>`,
  );
}
