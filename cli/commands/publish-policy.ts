/** `espalier licence publish`: the organisation's policy as it is from now on. */
import { basename, resolve } from 'node:path';
import { publishPolicy } from '../../client/licence-policy.ts';
import { readPolicyFile } from '../../pipelines/licence/policy-file.ts';
import { EXIT, printJson, say } from '../output.ts';
import { withContext } from './runs.ts';

export async function publish(json: boolean, path: string, options: { pipeline?: string }): Promise<number> {
  const text = readPolicyFile(resolve(path));
  return withContext(async (context) => {
    const { pipeline } = options;
    const given = { text, name: basename(path), by: context.user, pipeline };
    const published = await publishPolicy(await context.store(), given);
    if (json) printJson(published);
    else say(`${published.policy.digest} is the licence policy of ${pipeline ?? 'all pipelines that name none'} now`);
    return EXIT.ok;
  });
}
