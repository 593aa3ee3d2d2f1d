"""The kinds of a figure's panels: a file each, which defines `panel`."""
