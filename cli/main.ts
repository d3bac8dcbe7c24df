/** The `espalier` command. Commands are loaded when called: the clients behind them take seconds to import. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { packageRoot } from '../infra/root.ts';
import { EXIT, exitCodeOf, printError } from './output.ts';

const { version } = JSON.parse(readFileSync(`${packageRoot}/package.json`, 'utf8')) as { version: string };
const program = new Command('espalier')
  .description('Takes a pre-trained model to a fine-tuned, reviewed, approved, deployed and watched one, durably.')
  .version(version)
  .option('--json', 'print data as JSON on stdout')
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(espalier COMMAND --help shows what there is)');

/** Runs a command and turns what it returns or throws into the exit code. */
function run<Arguments extends unknown[]>(
  load: () => Promise<(json: boolean, ...rest: Arguments) => Promise<number>>,
): (...rest: Arguments) => Promise<void> {
  return async (...rest) => {
    const json = program.opts<{ json?: boolean }>().json === true;
    try {
      process.exitCode = await (await load())(json, ...rest);
    } catch (error) {
      printError(error, json);
      process.exitCode = exitCodeOf(error);
    }
  };
}

const collect = (value: string, all: string[]): string[] => [...all, value];

program
  .command('setup')
  .description('install or build what Espalier needs on this machine (run it before anything else)')
  // The launcher runs it before there is anything to load; here it only stands in the help.
  .action(() => program.error("'setup' takes no options"));
program
  .command('dev')
  .description('start the embedded stack, the workers and the model server in the foreground')
  .action(run(async () => (await import('./commands/dev.ts')).dev));
program
  .command('demo', { hidden: true })
  .description('what `npm start` does: the stack, the shipped pipeline, its approvals, the served model')
  .option('-y, --yes', 'answer the approvals as the demo approvers')
  .option('--once', 'stop everything at the end instead of waiting for Ctrl-C')
  .option('--again', 'a new run although these inputs have a finished one (finished steps are reused)')
  .option('--set <path=value>', 'change a setting of the pipeline', collect, [])
  .argument('[pipeline]', 'a shipped name or a file', 'support-intents')
  .action(run(async () => (await import('./commands/demo.ts')).demo));
program
  .command('run')
  .description('start a run of a pipeline (a file, a folder or a shipped name)')
  .argument('<pipeline>')
  .option('--set <path=value>', 'change a setting, e.g. training.epochs=2', collect, [])
  .option('-w, --watch', 'follow the run to its end; exits 3 when it waits for an approval')
  .option('--id <id>', 'the run id')
  .option('--no-reuse', 'compute every step anew')
  .action(run(async () => (await import('./commands/run.ts')).run));

const runs = program.command('runs').description('look at runs');
runs
  .command('list')
  .option('-p, --pipeline <name>')
  .option('-n, --limit <count>', 'how many', '20')
  .action(run(async () => (await import('./commands/runs.ts')).list));
runs
  .command('show')
  .argument('<run>')
  .action(run(async () => (await import('./commands/runs.ts')).show));
runs
  .command('watch')
  .argument('<run>')
  .description('follow a run to its end')
  .action(run(async () => (await import('./commands/runs.ts')).watch));
runs
  .command('cancel')
  .argument('<run>')
  .action(run(async () => (await import('./commands/runs.ts')).cancel));

const approvals = program.command('approvals').description('what waits for a person');
approvals.command('list').action(run(async () => (await import('./commands/approvals.ts')).list));
approvals
  .command('show')
  .argument('<run>')
  .description('the open approval of a run, with its evidence saved beside')
  .action(run(async () => (await import('./commands/approvals.ts')).show));
for (const decision of ['approve', 'reject'] as const) {
  approvals
    .command(decision)
    .argument('<run>')
    .option('--as <name>', 'the approver (default: ESPALIER_USER or the login name)')
    .option('-m, --comment <text>', decision === 'reject' ? 'why (required)' : 'a comment', '')
    .option('--evidence <digest>', 'the evidence looked at (default: what `approvals show` saved last)')
    .action(run(async () => (await import('./commands/approvals.ts'))[decision]));
}

const models = program.command('models').description('what is deployed');
models.command('list').action(run(async () => (await import('./commands/models.ts')).list));
models
  .command('show')
  .argument('<model>')
  .option('--channel <name>', 'the channel', 'production')
  .action(run(async () => (await import('./commands/models.ts')).show));

program
  .command('predict')
  .description('ask the deployed model')
  .argument('<model>')
  .argument('<text...>')
  .option('--url <url>', 'the model server (default: ESPALIER_SERVING_URL or the embedded one)')
  .action(run(async () => (await import('./commands/predict.ts')).predictCommand));

const pipelines = program.command('pipelines').description('definitions');
pipelines.command('list').action(run(async () => (await import('./commands/pipelines.ts')).list));
pipelines
  .command('check')
  .argument('<pipeline>')
  .option('--set <path=value>', 'change a setting', collect, [])
  .description('every mistake in a definition, by path')
  .action(run(async () => (await import('./commands/pipelines.ts')).check));

program
  .command('doctor')
  .description('check everything Espalier needs, each with a fix')
  .action(run(async () => (await import('./commands/doctor.ts')).doctor));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
}
