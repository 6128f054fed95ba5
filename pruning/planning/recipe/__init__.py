"""What is to be done, as data: plans, mask options, presets, schedules, training and recipes."""
