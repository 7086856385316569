"""What carries a job: the collectors' own pipeline with another source and another end."""
