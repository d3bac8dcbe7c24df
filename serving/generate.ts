/**
 * The Open Inference Protocol's generate extension, whole and streamed.
 * https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/generate_rest.yaml
 */
import { z } from 'zod';
import { OPTION_SCHEMAS, stopSchema, type Completion } from '../inference/generation/options.ts';
import { readBody } from './body.ts';
import { EventStream, type Answer, type Call } from './call.ts';
import {
  completed,
  findGenerator,
  startGeneration,
  type GenerationRequest,
  type StartedGeneration,
} from './generation.ts';
import { parseJson } from './oip.ts';
import { ProtocolError } from './protocol-error.ts';

const RequestSchema = z.strictObject({
  id: z.string().max(256).optional(),
  text_input: z.string(),
  parameters: z
    .strictObject({
      max_tokens: z.int().min(1).optional(),
      temperature: OPTION_SCHEMAS.temperature.optional(),
      top_k: OPTION_SCHEMAS.topK.optional(),
      top_p: OPTION_SCHEMAS.topP.optional(),
      repetition_penalty: OPTION_SCHEMAS.repetitionPenalty.optional(),
      seed: OPTION_SCHEMAS.seed.optional(),
      stop: stopSchema().optional(),
      banned_phrases: OPTION_SCHEMAS.bannedPhrases.optional(),
      json_schema: z.record(z.string(), z.unknown()).optional(),
      /** The text is continued as it is; else it is what a user says, after the bundle's own prompt. */
      raw: z.boolean().default(false),
      /** What was said before the text, which is then what the user says next. */
      history: z
        .array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }))
        .optional(),
      espalier_record: z.boolean().default(true),
    })
    .prefault({}),
});

export async function generate(call: Call): Promise<Answer> {
  const started = await start(call);
  const completion = await completed(started);
  const details = detailsOf(started, completion);
  return { status: 200, body: { ...about(started), text_output: completion.text, details } };
}

export async function generateStream(call: Call): Promise<Answer> {
  return { status: 200, body: new EventStream(events(await start(call))) };
}

async function* events(started: StartedGeneration): AsyncGenerator<string> {
  const { pieces } = started;
  try {
    for (;;) {
      const { done, value } = await pieces.next();
      if (done === true) {
        yield JSON.stringify({ ...about(started), text_output: '', details: detailsOf(started, value) });
        return;
      }
      yield JSON.stringify({ ...about(started), text_output: value.text });
    }
  } finally {
    await pieces.return(undefined as never);
  }
}

async function start(call: Call): Promise<StartedGeneration> {
  findGenerator(call);
  const body = parseJson(await readBody(call.request, call.services.maxBodyBytes));
  const { data, error } = RequestSchema.safeParse(body);
  if (data === undefined) {
    const wrong = error.issues.map(({ path, message }) => `${path.join('.') || 'the request'}: ${message}`);
    throw new ProtocolError(400, wrong.join('; '));
  }
  const { text_input: text, parameters } = data;
  const { raw, history = [] } = parameters;
  if (raw && history.length > 0)
    throw new ProtocolError(
      400,
      'parameters.history: a raw text is no part of a conversation; leave out raw or history',
    );
  const request: GenerationRequest = {
    prompt: raw ? text : [...history, { role: 'user', content: text }],
    options: {
      maxNewTokens: parameters.max_tokens,
      temperature: parameters.temperature,
      topK: parameters.top_k,
      topP: parameters.top_p,
      repetitionPenalty: parameters.repetition_penalty,
      seed: parameters.seed,
      stop: typeof parameters.stop === 'string' ? [parameters.stop] : parameters.stop,
      bannedPhrases: parameters.banned_phrases,
      jsonSchema: parameters.json_schema,
    },
    record: parameters.espalier_record,
    names: {
      prompt: history.length === 0 ? 'text_input' : 'parameters.history and text_input',
      messages: 'parameters.history',
      maxNewTokens: 'parameters.max_tokens',
      stop: 'parameters.stop',
      bannedPhrases: 'parameters.banned_phrases',
      jsonSchema: 'parameters.json_schema',
    },
  };
  return startGeneration(call, request);
}

function detailsOf({ seed }: StartedGeneration, { finish, promptTokens, tokens }: Completion) {
  return { finish_reason: finish, prompt_tokens: promptTokens, generated_tokens: tokens, seed };
}

function about({ served }: StartedGeneration) {
  const { model, version } = served.release;
  return { model_name: model, model_version: version };
}
