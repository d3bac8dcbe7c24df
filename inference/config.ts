/** `encoder.json` / `classifier.json` beside a `model.onnx`: all a Node process needs to run it on text. */
export interface EncoderConfig {
  readonly kind: 'encoder';
  /** Tokens; longer texts are truncated. */
  readonly maxLength: number;
  readonly pooling: 'mean' | 'cls';
  readonly dimension: number;
  /** The graph's inputs, of input_ids, attention_mask, token_type_ids. */
  readonly inputs: readonly string[];
}

export interface ClassifierConfig extends Omit<EncoderConfig, 'kind'> {
  readonly kind: 'classifier';
  /** Index = class. */
  readonly labels: readonly string[];
}
