"""Another library's weights become safetensors, in a process of its own without network or credentials: a torch file once a scanner
calls it clean (of the old form: once our own reading finds a state dict and nothing else), TensorFlow's once nothing in them points elsewhere."""
