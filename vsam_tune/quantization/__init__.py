"""LSQ, quantization-aware training with learned step sizes: a transform of a network."""
