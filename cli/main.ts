/** The `espalier` command. Commands are loaded when called: the clients behind them take seconds to import. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
import { packageRoot } from '../infra/root.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { closeInspector } from '../artifacts/no-inspector.ts';
import { EXIT, exitCodeOf, printError, printJson } from './output.ts';

closeInspector();
// Whoever reads us has read enough (`| head`): as a program that SIGPIPE ends, without a word.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(141);
});
const { version } = JSON.parse(readFileSync(`${packageRoot}/package.json`, 'utf8')) as { version: string };
const program = new Command('espalier')
  .description('Takes a pre-trained model to a fine-tuned, reviewed, approved, deployed and watched one, durably.')
  .version(version)
  .option('--json', 'print data as JSON on stdout')
  .exitOverride()
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(espalier COMMAND --help shows what there is)')
  .addHelpText(
    'after',
    `
Exit codes:
  0 done   1 failed or rejected   2 usage   3 waits for an approval   4 conflict   5 not found
  6 needs confirmation   7 a step is parked: retry, skip or abort it   130 interrupted`,
  );

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

const FOLLOW = 'follow the run; exits 3 when it waits for an approval, 7 when a step is parked';
const repeated = (flags: string, description: string): Option =>
  new Option(flags, description).argParser((value: string, all: string[]) => [...all, value]).default([], 'none');
const setting = (description: string): Option => repeated('--set <path=value>', description);

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
  .addOption(setting('change a setting of the pipeline'))
  .argument('[pipeline]', 'a shipped name or a file', 'support-intents')
  .action(run(async () => (await import('./commands/demo.ts')).demo));
program
  .command('run')
  .description('start a run of a pipeline (a file, a folder or a shipped name)')
  .argument('<pipeline>')
  .addOption(setting('change a setting, e.g. training.epochs=2'))
  .option('-w, --watch', FOLLOW)
  .option('--id <id>', 'the run id')
  .option('--no-reuse', 'compute every step anew')
  .option('--plan', 'show the steps, what is known already, and what the rest would take; start nothing')
  .option('--prototype', 'the whole run on a small part of the data, for the staging channel; never for production')
  .addOption(
    new Option('--on-failure <what>', 'a step that fails waits for `runs retry|skip|abort`, or ends the run')
      .choices(['park', 'fail'])
      .default('park'),
  )
  .action(run(async () => (await import('./commands/run.ts')).run));

const runs = program.command('runs').description('look at runs, and steer them');
runs
  .command('list')
  .description('newest first')
  .option('-p, --pipeline <name>')
  .option('-n, --limit <count>', 'how many', '20')
  .action(run(async () => (await import('./commands/runs.ts')).list));
runs
  .command('show')
  .argument('<run>')
  .description('its steps, approvals and report, and how far it is')
  .action(run(async () => (await import('./commands/runs.ts')).show));
runs
  .command('watch')
  .argument('<run>')
  .description('follow a run to its end; without a terminal, exits 7 when a step is parked')
  .action(run(async () => (await import('./commands/runs.ts')).watch));
runs
  .command('cancel')
  .argument('<run>')
  .description('stop a run; its finished steps and last checkpoint are kept (asks on a terminal)')
  .option('-y, --yes', 'do not ask')
  .action(run(async () => (await import('./commands/runs.ts')).cancel));
runs
  .command('resume')
  .argument('<run>')
  .description('start a new run where a cancelled or failed one ended: finished steps are reused, training goes on')
  .option('-w, --watch', FOLLOW)
  .option('--id <id>', 'the id of the new run')
  .action(run(async () => (await import('./commands/runs.ts')).resume));
runs
  .command('explain')
  .argument('<run>')
  .argument('<step>')
  .description('why a step was or was not reused: which input, environment or code version differed')
  .action(run(async () => (await import('./commands/steps.ts')).explain));
for (const { action, description } of [
  { action: 'retry', description: 'try a parked step again, with changed settings if you like' },
  { action: 'skip', description: 'leave a parked step out (a candidate is dropped, a model goes unwatched)' },
  { action: 'abort', description: 'end the run at a parked step (asks on a terminal)' },
] as const) {
  const command = runs.command(action).argument('<run>').argument('<step>').description(description);
  if (action === 'retry') command.addOption(setting('a new value, e.g. training.learningRate=1e-5'));
  if (action === 'abort') command.option('-y, --yes', 'do not ask');
  command
    .option('-m, --comment <text>', 'why; kept in the report')
    .action(run(async () => (await import('./commands/steps.ts'))[action]));
}

const approvals = program.command('approvals').description('what waits for a person');
approvals
  .command('list')
  .description('of the newest runs, the longest open first')
  .option('-n, --limit <count>', 'how many', '100')
  .action(run(async () => (await import('./commands/approvals.ts')).list));
approvals
  .command('show')
  .argument('<run>')
  .description('the open approval of a run, with its evidence saved beside')
  .action(run(async () => (await import('./commands/approvals.ts')).show));
for (const [decision, name] of [
  ['approve', 'approve'],
  ['reject', 'reject'],
  ['request-changes', 'requestChanges'],
] as const) {
  const command = approvals
    .command(decision)
    .argument('<run>')
    .option('--as <name>', 'the approver (default: ESPALIER_USER or the login name)')
    .option('-m, --comment <text>', decision === 'approve' ? 'a comment' : 'why (required)', '')
    .option('--evidence <digest>', 'the evidence looked at (default: what `approvals show` saved last)')
    .option('--on-behalf-of <name>', 'fill the seat of somebody who has delegated it to you')
    .action(run(async () => (await import('./commands/approvals.ts'))[name]));
  if (decision === 'approve') command.option('--break-glass', 'approve alone, with a reason (-m), marked for ever');
}
approvals
  .command('delegate')
  .description("let somebody fill one person's seat of one role, for a time")
  .requiredOption('--from <name>', 'whose seat it is')
  .requiredOption('--to <name>', 'who may fill it')
  .requiredOption('--role <role>')
  .option('--starts <time>', 'since when (default: now)')
  .requiredOption('--until <time>', 'until when, e.g. 2026-12-24T08:00Z')
  .action(run(async () => (await import('./commands/delegations.ts')).delegate));
approvals
  .command('delegations')
  .description('every delegation that has neither ended nor been revoked')
  .action(run(async () => (await import('./commands/delegations.ts')).list));

const delegations = program.command('delegations').description('who lets whom fill their seat');
delegations
  .command('list')
  .description('every delegation that has neither ended nor been revoked')
  .action(run(async () => (await import('./commands/delegations.ts')).list));
delegations
  .command('revoke')
  .argument('<id>')
  .option('-m, --comment <text>', 'why; kept in the audit log', '')
  .description('end it now: no later vote counts by it, votes that were cast stay')
  .action(run(async () => (await import('./commands/delegations.ts')).revoke));

approvals
  .command('link')
  .argument('<run>')
  .argument('<approval>', 'review or release')
  .description('a link to the evidence with the buttons beside it, for a browser, without a token')
  .requiredOption('--as <name>', 'whose link it is: whoever opens it decides as this approver')
  .option('--expires <duration>', 'how long it works', '1d')
  .option('--url <url>', 'where the console is reached (default: ESPALIER_CONSOLE_URL, else http://127.0.0.1:7330)')
  .action(run(async () => (await import('./commands/link.ts')).link));

const notifications = program.command('notifications').description('what was told to whom');
notifications
  .command('list')
  .argument('[run]', 'only what it told')
  .option('-n, --limit <count>', 'how many of the newest', '50')
  .description('the delivery log, the newest first')
  .action(run(async () => (await import('./commands/notifications.ts')).list));
notifications
  .command('test')
  .argument('<name>', 'a notifier of the file that ESPALIER_NOTIFIERS names')
  .description('send it a test message, from this machine: exits 1 when it was not delivered')
  .action(run(async () => (await import('./commands/notifications.ts')).test));

const tokens = program.command('tokens').description('API tokens for the console');
tokens
  .command('create')
  .description('a new token, shown this once')
  .requiredOption('--user <name>', 'who acts by it, as in the list of approvers')
  .requiredOption('--scopes <list>', 'what for: runs:read,runs:write,approvals:read,approvals:decide,models:read')
  .option('--expires <duration>', 'how long it is valid', '30d')
  .action(run(async () => (await import('./commands/tokens.ts')).create));
tokens.command('list').action(run(async () => (await import('./commands/tokens.ts')).list));
tokens
  .command('revoke')
  .argument('<id>')
  .description('it opens nothing from now on')
  .action(run(async () => (await import('./commands/tokens.ts')).revoke));

const audit = program.command('audit').description('the log of votes, tokens, releases and keys');
audit
  .command('list')
  .option('-n, --limit <count>', 'how many of the newest', '50')
  .option('--action <name>', 'only these, e.g. vote.cast')
  .description('what happened, the oldest first')
  .action(run(async () => (await import('./commands/audit.ts')).list));
audit
  .command('verify')
  .option('--head <digest>', 'what `audit verify` printed earlier, kept where the store’s writers cannot change it')
  .description('find any gap, edit or reorder: exits 1 when there is one')
  .action(run(async () => (await import('./commands/audit.ts')).verify));

const models = program.command('models').description('what is deployed');
models.command('list').action(run(async () => (await import('./commands/models.ts')).list));
models
  .command('show')
  .argument('<model>')
  .option('--channel <name>', 'the channel', 'production')
  .action(run(async () => (await import('./commands/models.ts')).show));

models
  .command('export')
  .argument('<model>')
  .argument('<folder>', 'an empty one')
  .option('--channel <name>', 'the channel', 'production')
  .description('write the released bundle with its attestations and signature to a folder, verified')
  .action(run(async () => (await import('./commands/models.ts')).exportBundle));
models
  .command('verify')
  .argument('<folder>')
  .description('check every file of a bundle by its signature (ESPALIER_TRUSTED_KEYS)')
  .action(run(async () => (await import('./commands/models.ts')).verify));

program
  .command('trace')
  .argument('<digest>', 'of a bundle, a release or a model; its first digits will do')
  .description('where a released model comes from: approvals, gates, training, base model, data')
  .option('--svg <file>', 'draw it, too')
  .action(run(async () => (await import('./commands/trace.ts')).trace));
program
  .command('reproduce')
  .argument('<digest>', 'of a bundle, a release or a model; its first digits will do')
  .description('make a released model again from its record, and say whether the bytes are equal; releases nothing')
  .action(run(async () => (await import('./commands/reproduce.ts')).reproduce));
program
  .command('predict')
  .description('ask the deployed model')
  .argument('<model>')
  .argument('[text...]')
  .option('--url <url>', 'the model server (default: ESPALIER_SERVING_URL or the embedded one)')
  .addOption(repeated('--pair <text>', 'the second text, for a model of pairs: once for each text, in their order'))
  .addOption(repeated('--file <picture>', 'for a model of pictures, in the place of texts: once for each'))
  .option(
    '--neighbours <count>',
    'of a model that finds pictures: how many it shows (default: as many as it was measured with)',
  )
  .action(run(async () => (await import('./commands/predict.ts')).predictCommand));

const licence = program.command('licence').description('what licences permit');
licence
  .command('publish')
  .argument('<policy>', 'the policy (YAML)')
  .option('--pipeline <name>', 'for this pipeline alone')
  .description('make a licence policy the current one: releases and served models are judged by it from now on')
  .action(run(async () => (await import('./commands/publish-policy.ts')).publish));
licence
  .command('check')
  .argument(
    '<model>',
    'a card, a model’s folder, hf:…, pypi:…, s3://…, a deployed model’s name or digest, or cases.jsonl',
  )
  .option('--use <file>', 'the intended use (YAML; default for what is deployed: what it was released for)')
  .option('--policy <file>', 'the organisation’s policy (default: ESPALIER_LICENCE_POLICY)')
  .description('judge licences for an intended use: allow (exit 0), review (3) or deny (1)')
  .action(run(async () => (await import('./commands/licence.ts')).check));

const pipelines = program.command('pipelines').description('definitions');
pipelines.command('list').action(run(async () => (await import('./commands/pipelines.ts')).list));
pipelines
  .command('check')
  .argument('<pipeline>')
  .addOption(setting('change a setting'))
  .description('every mistake in a definition, by path')
  .action(run(async () => (await import('./commands/pipelines.ts')).check));

program
  .command('console')
  .description('serve the HTTP API and the pages of signed links in the foreground')
  .option('--port <port>', 'where it listens', '7330')
  .option('--host <address>', 'on which address', '127.0.0.1')
  .option('--trusted-proxies <addresses>', 'proxies in front of it, whose X-Forwarded-For says who calls')
  .addOption(repeated('--pipeline <name>', 'what the API may start; repeat for more, without it the shipped ones'))
  .action(run(async () => (await import('./commands/console.ts')).serveConsole));
program
  .command('gc')
  .description('delete stored content that no run, release or checkpoint needs any more (asks on a terminal)')
  .option('--dry-run', 'only say what would be deleted')
  .option('--grace <duration>', 'leave what was stored or used more recently, at least 2d', '7d')
  .option('--keep-checkpoints', 'leave the checkpoints of finished trainings')
  .option('-y, --yes', 'do not ask')
  .action(run(async () => (await import('./commands/gc.ts')).gc));
program
  .command('doctor')
  .description('check everything Espalier needs, each with a fix')
  .action(run(async () => (await import('./commands/doctor.ts')).doctor));

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  // Commander has said it on stderr; whoever reads JSON gets it there too. The option may not have been parsed yet.
  if (error.exitCode !== 0 && process.argv.includes('--json')) printJson({ error: usageError(error).toRecord() });
}

function usageError({ code, message }: CommanderError): EspalierError {
  const reason = code === 'commander.help' ? 'a command is missing' : message.replace(/^error: /, '');
  return new EspalierError('BadConfig', reason, { fix: '`espalier COMMAND --help` shows what there is' });
}
