/**
 * What clients of the OpenAI API expect of `/v1/models` and `/v1/chat/completions`. What is not supported is refused by
 * name: an answer that silently leaves something out would be worse.
 */
import { z } from 'zod';
import { OPTION_SCHEMAS, stopSchema, type Completion } from '../inference/generation/options.ts';
import { readBody } from './body.ts';
import { EventStream, type Answer, type Call } from './call.ts';
import { completed, findGenerator, startGeneration, type StartedGeneration } from './generation.ts';
import { parseJson } from './oip.ts';
import { ProtocolError } from './protocol-error.ts';

const TextSchema = z.union(
  [
    z.string(),
    z
      .array(z.strictObject({ type: z.literal('text'), text: z.string() }))
      .transform((parts) => parts.map(({ text }) => text).join('')),
  ],
  { error: 'must be a text, or a list of parts of type text' },
);
/** A field that is accepted only where it changes nothing. */
const only = (...values: readonly (string | number | boolean | null)[]) => z.literal(values as [string]).optional();
const MessageSchema = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: TextSchema,
  name: z.string().optional(),
  // Clients send an answer back as they had it, and ours has it.
  refusal: only(null),
});

const FieldsSchema = z.strictObject({
  model: z.string(),
  messages: z.array(MessageSchema).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().optional() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: OPTION_SCHEMAS.topP.nullish(),
  seed: OPTION_SCHEMAS.seed.nullish(),
  // As many as OpenAI takes.
  stop: stopSchema(4).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({
        type: z.literal('json_schema'),
        json_schema: z.strictObject({
          name: z.string(),
          description: z.string().optional(),
          strict: z.boolean().nullish(),
          schema: z.record(z.string(), z.unknown()),
        }),
      }),
    ])
    .nullish(),
  n: only(1, null),
  logprobs: only(false, null),
  presence_penalty: only(0, null),
  frequency_penalty: only(0, null),
  store: only(false, null),
  user: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});
const RequestSchema = FieldsSchema.refine(({ stream, stream_options: asked }) => stream === true || asked == null, {
  path: ['stream_options'],
  error: 'is for streams alone: ask with stream true, or leave it out',
});
type ChatRequest = z.output<typeof RequestSchema>;
const NamedSchema = z.looseObject({ model: z.string() });

export function listModels({ services }: Call): Answer {
  const data = [...services.follower.states].flatMap(([id, { served }]) =>
    served?.kind === 'generator' ? [{ id, object: 'model', created: 0, owned_by: 'espalier' }] : [],
  );
  return { status: 200, body: { object: 'list', data } };
}

export async function chatCompletions(call: Call): Promise<Answer> {
  const body = parseJson(await readBody(call.request, call.services.maxBodyBytes));
  // Before anything is refused: a refusal is counted by its model, too.
  call.model = NamedSchema.safeParse(body).data?.model ?? '';
  const asked = parse(body);
  findGenerator(call);
  const format = asked.response_format;
  const started = await startGeneration(call, {
    prompt: systemFirst(asked.messages),
    options: {
      maxNewTokens: asked.max_completion_tokens ?? asked.max_tokens ?? undefined,
      temperature: asked.temperature ?? undefined,
      topP: asked.top_p ?? undefined,
      seed: asked.seed ?? undefined,
      stop: typeof asked.stop === 'string' ? [asked.stop] : (asked.stop ?? undefined),
      jsonSchema: format?.type === 'json_schema' ? format.json_schema.schema : undefined,
    },
    record: true,
    names: {
      prompt: 'messages',
      messages: 'messages',
      maxNewTokens: asked.max_completion_tokens == null ? 'max_tokens' : 'max_completion_tokens',
      stop: 'stop',
      jsonSchema: 'response_format.json_schema.schema',
    },
  });
  const about = {
    id: `chatcmpl-${call.requestId}`,
    created: Math.floor(Date.now() / 1000),
    model: asked.model,
    system_fingerprint: started.served.release.bundle,
  };
  if (asked.stream === true) {
    const events = chunks(about, started, asked.stream_options?.include_usage === true);
    return { status: 200, body: new EventStream(events) };
  }
  const completion = await completed(started);
  const message = { role: 'assistant', content: completion.text, refusal: null };
  return {
    status: 200,
    body: {
      ...about,
      object: 'chat.completion',
      choices: [{ index: 0, message, logprobs: null, finish_reason: reasonOf(completion) }],
      usage: usageOf(completion),
    },
  };
}

async function* chunks(about: object, { pieces }: StartedGeneration, withUsage: boolean): AsyncGenerator<string> {
  const chunk = (delta: object, reason: string | null) =>
    JSON.stringify({
      ...about,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
      ...(withUsage ? { usage: null } : {}),
    });
  try {
    yield chunk({ role: 'assistant', content: '' }, null);
    for (;;) {
      const { done, value } = await pieces.next();
      if (done !== true) {
        yield chunk({ content: value.text }, null);
        continue;
      }
      yield chunk({}, reasonOf(value));
      if (withUsage) {
        yield JSON.stringify({ ...about, object: 'chat.completion.chunk', choices: [], usage: usageOf(value) });
      }
      yield '[DONE]';
      return;
    }
  } finally {
    await pieces.return(undefined as never);
  }
}

/** `developer` is the newer name of `system`; whatever stands of them is one text, before everything else. */
function systemFirst(messages: ChatRequest['messages']) {
  const isSystem = (role: string) => role === 'system' || role === 'developer';
  const system = messages.filter(({ role }) => isSystem(role)).map(({ content }) => content);
  return [
    ...(system.length === 0 ? [] : [{ role: 'system', content: system.join('\n\n') } as const]),
    ...messages.flatMap(({ role, content }) => (role === 'user' || role === 'assistant' ? [{ role, content }] : [])),
  ];
}

function parse(body: unknown): ChatRequest {
  const { data, error } = RequestSchema.safeParse(body);
  if (data !== undefined) return data;
  const wrong = error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') return `${issue.keys.join(', ')}: not supported by this server`;
    return `${issue.path.join('.') || 'the request'}: ${issue.message}`;
  });
  throw new ProtocolError(400, wrong.join('; '), {}, fieldOf(error.issues[0]));
}

/** The field that the first mistake is about; undefined where it is the request as a whole. */
function fieldOf(issue: z.core.$ZodIssue | undefined): string | undefined {
  if (issue === undefined) return undefined;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]] : issue.path;
  return path.length === 0 ? undefined : path.join('.');
}

function reasonOf({ finish }: Completion): 'stop' | 'length' {
  return finish === 'length' ? 'length' : 'stop';
}

function usageOf({ promptTokens, tokens }: Completion) {
  return { prompt_tokens: promptTokens, completion_tokens: tokens, total_tokens: promptTokens + tokens };
}
