"""What a machine offers: processors, memory, GPUs, contention, how stable its speed is."""
