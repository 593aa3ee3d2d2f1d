"""When a study's claims were stated: before its runs, or after how many of them."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from data_gen import InputError, files, store
from synthgap import packs
from synthgap.study import Study, claim_hash


def hash_of(claim_hash: str, changed: Sequence[str]) -> str:
    """8 hex digits of a claim about a variation of its study: the claim's own, where nothing is `changed`."""
    if not changed:
        return claim_hash
    return sha256(json.dumps([claim_hash, sorted(changed)]).encode()).hexdigest()[:8]


def home(study: Study, folder: Path, changed: Sequence[str] = ()) -> Path:
    """Where it is kept when the claims of a result in `folder` were stated: there, where the study is changed or reads a
    table; else where the study's runs are, whatever the result is called."""
    return folder if changed or study.table else folder.with_name(study.name)


def stated_after(study: Study, folder: Path, runs: int = 0, changed: Sequence[str] = ()) -> dict[str, int | None]:
    """How many runs were there when each of the study's claims was first seen, by its hash; None where that is not recorded.

    Those in its folder count, or those of the table that is judged, `runs`, if they are more. Of a variation of the study,
    made by the overrides `changed`, its own `runs` count alone, and the hash is `hash_of`.
    Claims that `claims.json` there does not know are appended to it, now; what it knows stays as it is. So a claim that is
    edited after its runs is a new one, and shows as one. Where you may not write, nothing is. Raises InputError if that file
    is damaged.
    """
    path = folder / "claims.json"
    writes = not files.forbidden(folder)
    with files.locked(folder / ".locks" / "claims") if writes else nullcontext():  # another `run` may be starting
        known = read(path)
        count = runs if changed else max(runs, _runs_in(folder))
        now = {"stated": datetime.now(UTC).isoformat(timespec="seconds"), "runs_done": count}
        now |= {"changed": list(changed)} if changed else {}
        stated = {hash_of(claim_hash(claim), changed): {"claim": claim.claim} | now for claim in study.claims}
        if writes and not stated.keys() <= known.keys():
            write(path, stated | known)
    return {name: record["runs_done"] for name, record in (stated | known).items()}


def _runs_in(folder: Path) -> int:
    there = {
        path.parent.name for path in folder.glob("[!.]*/done.json")
    }  # a name with a dot is one that is being written
    return len(there | packs.known(folder).keys())


def write(path: Path, known: dict[str, dict]) -> None:
    """Write what is known of claims, each with a checksum. Hold the lock of the folder's claims."""
    files.sweep_up(path.parent, path.stem)
    sealed = {name: record | {"checksum": _checksum(name, record)} for name, record in known.items()}
    with files.whole(path) as beside:
        beside.write_text(json.dumps(sealed, indent=1, ensure_ascii=False), encoding="utf-8")


def _checksum(name: str, record: dict) -> str:
    return store.digest([name, {key: value for key, value in record.items() if key != "checksum"}])


def read(path: Path) -> dict[str, dict]:
    """What is known of the claims of a folder, `claims.json` there, by hash; nothing where there is none. Raises InputError."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        for name, record in known.items():
            if not isinstance(record["runs_done"], int | None):
                raise TypeError
            if record.get("checksum", good := _checksum(name, record)) != good:  # none: written before there were any
                raise ValueError
    except FileNotFoundError:
        return {}
    except PermissionError as error:
        raise files.not_yours(error) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{path} is damaged; without that file, all claims count as stated now") from error
    return known
