"""`synthgap measure`: anyone's embeddings through the code that measures synthgap's own. Nothing to import here: `--help`
needs the legend alone."""
