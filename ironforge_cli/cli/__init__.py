"""Words in, words out: the commands, their options and how results are shown."""
