/**
 * How the known families of chat models write a conversation, as data. A downloaded model's own template (Jinja) is
 * code and is never run: the export step recognises it by its markers and records one of these names.
 */

interface Turn {
  readonly before: string;
  readonly after: string;
}

export interface ChatFormat {
  readonly system: Turn;
  readonly user: Turn;
  readonly assistant: Turn;
  /** Stands at the end of the prompt; the answer comes next. */
  readonly opening: string;
  /** Ends an answer, besides the model's own end tokens. */
  readonly stop: readonly string[];
  /** What after an answer says that it has ended: a model learns it with each. '' where the next turn alone says so. */
  readonly end: string;
  /** The system text is written into the first user turn instead of a turn of its own. */
  readonly systemInUser?: boolean;
}

export const CHAT_FORMAT_NAMES = ['plain', 'chatml', 'llama-2', 'llama-3', 'mistral', 'zephyr'] as const;
export type ChatFormatName = (typeof CHAT_FORMAT_NAMES)[number];

const llama3 = (role: string): Turn => ({
  before: `<|start_header_id|>${role}<|end_header_id|>\n\n`,
  after: '<|eot_id|>',
});
const chatml = (role: string): Turn => ({ before: `<|im_start|>${role}\n`, after: '<|im_end|>\n' });

export const CHAT_FORMATS: Readonly<Record<ChatFormatName, ChatFormat>> = {
  // For models that were never taught a format: words that any text model has seen.
  plain: {
    system: { before: '', after: '\n\n' },
    user: { before: 'User: ', after: '\n' },
    assistant: { before: 'Assistant: ', after: '\n' },
    // Without the space: a tokenizer writes it as part of the answer's first word.
    opening: 'Assistant:',
    stop: ['\nUser:'],
    end: '',
  },
  chatml: {
    system: chatml('system'),
    user: chatml('user'),
    assistant: chatml('assistant'),
    opening: '<|im_start|>assistant\n',
    stop: ['<|im_end|>'],
    end: '<|im_end|>',
  },
  'llama-2': {
    system: { before: '<<SYS>>\n', after: '\n<</SYS>>\n\n' },
    user: { before: '[INST] ', after: ' [/INST]' },
    assistant: { before: ' ', after: ' </s><s>' },
    opening: '',
    stop: ['[INST]'],
    end: '</s>',
    systemInUser: true,
  },
  'llama-3': {
    system: llama3('system'),
    user: llama3('user'),
    assistant: llama3('assistant'),
    opening: '<|start_header_id|>assistant<|end_header_id|>\n\n',
    stop: ['<|eot_id|>'],
    end: '<|eot_id|>',
  },
  mistral: {
    system: { before: '', after: '\n\n' },
    user: { before: '[INST] ', after: ' [/INST]' },
    assistant: { before: ' ', after: '</s>' },
    opening: '',
    stop: ['[INST]'],
    end: '</s>',
    systemInUser: true,
  },
  zephyr: {
    system: { before: '<|system|>\n', after: '</s>\n' },
    user: { before: '<|user|>\n', after: '</s>\n' },
    assistant: { before: '<|assistant|>\n', after: '</s>\n' },
    opening: '<|assistant|>\n',
    stop: ['<|user|>'],
    end: '</s>',
  },
};
