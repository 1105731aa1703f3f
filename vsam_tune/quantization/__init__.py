"""LSQ, quantization-aware training with learned step sizes: a transform of any network of ours."""
