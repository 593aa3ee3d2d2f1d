"""The commands of `synthgap`, one a module."""
