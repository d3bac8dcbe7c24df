"""Another library's weights become safetensors, in a process of its own without network or credentials: a torch file once a scanner
calls it clean, TensorFlow's once nothing in them points elsewhere."""
