"""What a file of the user's holds, by its first bytes, where something else was expected."""

from pathlib import Path

from data_gen.errors import InputError

_STARTS = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a ZIP archive",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"version https://git-lfs": "a Git LFS pointer, not the file that it stands for",
}


def kind(start: bytes) -> str:
    """What a file that begins with `start` is, where that is something that data is often mistaken for; else nothing."""
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return "a web page, not the file that was to be downloaded"
    return next((what for first, what in _STARTS.items() if start.startswith(first)), "")


def unreadable(path: str | Path, error: OSError) -> InputError:
    """The line for a file or folder that cannot be read."""
    return InputError(f"{path} cannot be read ({error.strerror}); it should be there, and yours to read")
