"""A finished neck as files: generated source, safetensors, ONNX, bundles."""
