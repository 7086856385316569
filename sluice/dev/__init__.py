"""What demo, tests and benchmarks stand on: a scripted mock vendor, and real servers without a container engine."""
