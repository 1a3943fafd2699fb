"""The command line: a file a command; `bench.cli.main.main` ties them together."""
