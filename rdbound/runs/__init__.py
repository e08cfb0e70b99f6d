"""Run what the commands run: a configuration in, a run folder out.

    config = load_config("configs/kodak.yaml", ["output=runs/mine"])
    folder = evaluate_run(config)

A mistake in a configuration raises ValueError before the folder is made, if it can be found by
then. Interrupted runs resume; finished runs are not repeated.
"""
