"""The tests of claims: a file each, which defines `test`."""
