"""The stages as the commands run them: a configuration in, a run folder out.

    config = load_config("configs/kodak.yaml", ["output=runs/mine"])
    folder = evaluate_run(config)

Stages know of run folders, bars and reports. What is wrong with a configuration is told
before the folder is made, wherever it can be known by then; a run that was interrupted
is gone on with, and one that is finished is not repeated.
"""
