"""What is said of the commands, made from the commands themselves: shown command lines and docs/cli.md."""
