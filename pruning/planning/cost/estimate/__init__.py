"""What a job will take on a machine, from a model's headers alone: memory, disk and time. No torch."""
