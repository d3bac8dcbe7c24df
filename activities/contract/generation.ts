/** Steps of text generation: export for the runtime (more beside it as the pipeline grows). */
import type { ArtifactRef } from '../../artifacts/reference.ts';

export interface ExportGeneratorInput {
  /** Tree: a causal language model (`config.json`, `model.safetensors`, tokenizer files), as imported or as trained. */
  readonly model: ArtifactRef;
}
export interface ExportedGenerator {
  /** Tree: `model.onnx` (one graph for prefill and decode), `tokenizer.json`, `generator.json` (`GeneratorConfig`). */
  readonly generator: ArtifactRef;
  /** Largest |Δ logit| PyTorch against onnxruntime-node, over prompts and the tokens that follow them. */
  readonly parityMaxAbs: number;
  /** Tokens that both chose greedily, one after the other; any that differed would have failed the step. */
  readonly parityTokens: number;
  readonly sizeBytes: number;
  readonly parameters: number;
  readonly layers: number;
  readonly contextTokens: number;
  readonly vocabularySize: number;
}
