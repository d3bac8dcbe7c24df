"""A torch file becomes safetensors, in a process of its own without network or credentials, once a scanner calls it clean."""
