"""The stages as the commands run them: a configuration in, a run folder out."""
