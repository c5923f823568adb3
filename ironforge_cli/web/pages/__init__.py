"""Pages for people who would rather look than type: the same answers, written here, useful without JavaScript."""
