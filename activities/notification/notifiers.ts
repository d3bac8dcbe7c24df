/** Who is told of what, as the file that `ESPALIER_NOTIFIERS` names says it. Secrets are named there, never written. */
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { decodeUtf8, parseStrangersYaml } from '../../pipelines/licence/strangers-yaml.ts';
import { isPlainAllowed } from './addresses.ts';
import { NOTIFICATION_EVENTS } from './events.ts';
import { readSecret, signingKey } from './secrets.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const VARIABLE = 'ESPALIER_NOTIFIERS';
const MAX_FILE_BYTES = 256 * 1024;

/** Where a secret lies: a variable of the worker's environment, or a file that it may read. */
const Secret = z.union([
  z.strictObject({ env: z.string().regex(/^[A-Z][A-Z0-9_]{0,99}$/, 'name an environment variable') }),
  z.strictObject({ file: z.string().min(1).max(1000).refine(isAbsolute, 'give an absolute path') }),
]);
export type SecretPlace = z.output<typeof Secret>;

const common = {
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/, 'use up to 40 lower-case letters, digits and hyphens'),
  /** Only these. @default all */
  events: z.array(z.enum(NOTIFICATION_EVENTS)).min(1).optional(),
  /** One message to each approver that an event asks, with a link that signs them in to that one decision. */
  perApprover: z.boolean().default(false),
};

const Webhook = z
  .strictObject({
    ...common,
    type: z.literal('webhook'),
    /** A secret place for a URL that is itself a secret. */
    url: z.union([z.url({ protocol: /^https?$/ }).max(2000), Secret]),
    /** Standard Webhooks secrets (`whsec_…`): a message carries a signature by each, so that receivers can change theirs. */
    secrets: z.array(Secret).min(1).max(4),
    timeoutSeconds: z.number().positive().max(60).default(10),
    /** http:// to other machines than this. */
    allowPlainHttp: z.boolean().default(false),
    /** Addresses of private networks. Link-local ones (cloud metadata) are refused whatever this says. */
    allowPrivateNetwork: z.boolean().default(false),
  })
  .readonly();
export type WebhookNotifier = z.output<typeof Webhook>;

const Command = z
  .strictObject({
    ...common,
    type: z.literal('command'),
    /** The program and its arguments, as they are: no shell reads them. */
    argv: z
      .array(
        z
          .string()
          .max(1000)
          .refine((text) => !text.includes('\0'), 'holds a NUL'),
      )
      .min(1)
      .max(100)
      .refine(([program]) => program !== undefined && isAbsolute(program), 'name the program by an absolute path'),
    /** Variables of the worker's environment that it gets besides PATH, HOME and LANG. */
    passEnvironment: z
      .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/))
      .max(50)
      .default([]),
    timeoutSeconds: z.number().positive().max(300).default(30),
  })
  .readonly();
export type CommandNotifier = z.output<typeof Command>;

export type Notifier = WebhookNotifier | CommandNotifier;

const File = z.strictObject({
  version: z.literal(1),
  notifiers: z
    .array(z.discriminatedUnion('type', [Webhook, Command]))
    .max(50)
    .superRefine((all, context) => {
      const seen = new Set<string>();
      for (const [index, { name }] of all.entries()) {
        if (seen.has(name))
          context.addIssue({ code: 'custom', path: [index, 'name'], message: `'${name}' stands twice` });
        seen.add(name);
      }
    }),
});

/**
 * The notifiers of the file that `ESPALIER_NOTIFIERS` names (YAML or JSON), none where it names none; every secret has
 * been found and has the right form.
 * @throws EspalierError BadConfig that lists every problem, without quoting a value
 */
export function readNotifiers(env: Environment): readonly Notifier[] {
  const path = env[VARIABLE];
  if (!path) return [];
  const { success, data, error } = File.safeParse(readFile(path));
  if (!success) {
    throw bad(
      path,
      error.issues.map(({ path: at, message }) => `${at.map(String).join('.') || 'the file'}: ${message}`),
    );
  }
  const problems = data.notifiers.flatMap((notifier, index) =>
    problemsOf(notifier, env).map((problem) => `notifiers.${index}.${problem}`),
  );
  if (problems.length > 0) throw bad(path, problems);
  return data.notifiers;
}

/** What only this machine can tell: whether the secrets are there and what they are good for. */
function problemsOf(notifier: Notifier, env: Environment): readonly string[] {
  if (notifier.type === 'command') {
    const [program = ''] = notifier.argv;
    return statSync(program, { throwIfNoEntry: false })?.isFile() === true ? [] : ['argv.0: there is no such program'];
  }
  const attempt = (where: string, read: () => unknown): string[] => {
    try {
      read();
      return [];
    } catch (error) {
      return [`${where}: ${(error as Error).message}`];
    }
  };
  return [
    ...attempt('url', () => webhookUrl(notifier, env)),
    ...notifier.secrets.flatMap((place, index) =>
      attempt(`secrets.${index}`, () => signingKey(readSecret(place, env))),
    ),
  ];
}

/** Where a webhook's messages go. Throws an Error that does not quote it. */
export function webhookUrl(notifier: WebhookNotifier, env: Environment): URL {
  const text = typeof notifier.url === 'string' ? notifier.url : readSecret(notifier.url, env);
  if (!URL.canParse(text)) throw new Error('is not a URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('is neither https:// nor http://');
  if (url.username !== '' || url.password !== '') throw new Error('holds a password: receivers check the signature');
  if (url.protocol === 'http:' && !notifier.allowPlainHttp && !isPlainAllowed(url)) {
    throw new Error('is plain http:// to another machine: use https://, or say `allowPlainHttp: true`');
  }
  return url;
}

function readFile(path: string): unknown {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) throw new Error(`it has more than ${MAX_FILE_BYTES} bytes`);
    const text = decodeUtf8(readFileSync(path));
    if (text === undefined) throw new Error('it is not UTF-8 text');
    return parseStrangersYaml(text);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The parser's message could quote a line with what should not stand there.
    throw bad(path, [code ?? (error as Error).message.split(':')[0] ?? 'it cannot be read']);
  }
}

function bad(path: string, problems: readonly string[]): EspalierError {
  return new EspalierError('BadConfig', `the notifiers in ${path} cannot be used: ${problems.join('; ')}`, {
    where: VARIABLE,
    fix: 'correct the file (docs/operating.md, "Notifications"), or unset the variable to tell nobody anything',
  });
}
