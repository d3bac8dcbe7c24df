import * as delegations from '../../client/delegations.ts';
import type { Delegation } from '../../artifacts/votes.ts';
import { EXIT, printJson, printTable, say } from '../output.ts';
import { withContext } from './runs.ts';

interface Options extends Pick<Delegation, 'from' | 'to' | 'role'> {
  readonly starts?: string;
  readonly until: string;
}

export async function delegate(json: boolean, options: Options): Promise<number> {
  return withContext(async (context) => {
    const { from, to, role, starts = new Date().toISOString(), until } = options;
    const { pointers } = await context.store();
    const made = await delegations.delegate(pointers, { from, to, role, startsAt: starts, endsAt: until });
    if (json) printJson(made);
    else say(`${to} may fill the seat ${role} of ${from} until ${made.endsAt}: --on-behalf-of ${from}`);
    return EXIT.ok;
  });
}

export async function list(json: boolean): Promise<number> {
  return withContext(async (context) => {
    const found = await delegations.listDelegations((await context.store()).pointers);
    if (json) printJson(found);
    else if (found.length === 0) say('nobody has delegated a seat');
    else {
      printTable(
        ['ID', 'FROM', 'TO', 'ROLE', 'STARTS (UTC)', 'ENDS (UTC)'],
        found.map(({ id, from, to, role, startsAt, endsAt }) => [id, from, to, role, startsAt, endsAt]),
      );
    }
    return EXIT.ok;
  });
}

export async function revoke(json: boolean, id: string, { comment }: { readonly comment: string }): Promise<number> {
  return withContext(async (context) => {
    const { pointers } = await context.store();
    const asked = { by: context.user, reason: comment, operator: true };
    const revoked = await delegations.revokeDelegation(pointers, id, asked);
    if (json) printJson(revoked);
    else say(`${revoked.to} may fill no seat of ${revoked.from} by ${id} any more; votes that were cast stay`);
    return EXIT.ok;
  });
}
