import { runDoctor } from '../../infra/doctor.ts';
import { createContext } from '../context.ts';
import { EXIT, printJson, say, style } from '../output.ts';

export async function doctor(json: boolean): Promise<number> {
  const context = createContext();
  const checks = await runDoctor(context.env);
  if (json) printJson(checks);
  for (const { name, ok, detail, fix } of json ? [] : checks) {
    const mark = ok === true ? style.green('ok  ') : ok === 'warn' ? style.yellow('warn') : style.red('FAIL');
    process.stdout.write(`${mark} ${name}: ${detail}\n`);
    if (ok !== true && fix !== undefined) process.stdout.write(`       fix: ${fix}\n`);
  }
  const failed = checks.filter(({ ok }) => ok === false).length;
  if (!json) say(failed === 0 ? 'ready' : `${failed} to fix`);
  return failed === 0 ? EXIT.ok : EXIT.failed;
}
