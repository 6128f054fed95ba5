"""What is known before a job is estimated: the model by its headers, the machine, and how the job is done."""
