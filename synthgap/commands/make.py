"""`synthgap make`: a dataset, without any run."""

from pathlib import Path

from data_gen import InputError
from synthgap.commands import asked as common

epilog = common.overrides_help
WHAT = "make a dataset, or find it if it was made before, and print its folder"


def arguments(command) -> None:
    command.add_argument("world", help="mad, avmnist, or a Python file that defines `world`")
    command.add_argument("overrides", nargs="*", help="name=value, see below")
    sheet = "only draw some samples with captions and bits, and write their sounds as WAV files beside"
    command.add_argument("--sheet", action="store_true", help=sheet)
    what = "also write them for other tools: image files with metadata.csv, or Parquet with PNGs inside"
    command.add_argument("--export", choices=("folder", "parquet"), help=what)
    command.add_argument("--to", metavar="DIR", help="where exports go (beside the datasets)")


def do(asked) -> int:
    from functools import partial

    from data_gen import captions, export, store
    from data_gen.worlds import own_data
    from synthgap import observations, options, progress

    overrides, workers = common.workers([f"world={asked.world}", *asked.overrides])
    given = {override.key_or_group for override in options.parse(overrides)}
    fits = {} if "training.batch" in given else {"training.batch": 2}  # nothing trains here: any size will do
    c, root = options.resolve(overrides, fits), options.folder(overrides, "runs/datasets")
    if c["images"] != "pixels":
        raise InputError(f"images={c['images']} has no pixels to make; leave it out")
    if asked.to and not asked.export:
        raise InputError("--to says where exports go; add --export folder or --export parquet")
    worlds = {split: observations.world_of(c, split) for split in observations.splits_of(c)}
    if asked.sheet or asked.export:
        if "captions.attributes" not in given:
            _fit_captions(c, worlds["train"].space)
        observations.policy_of(c, worlds["train"].space)
    exports = {}
    if asked.export:
        folder, ending = Path(asked.to or f"{root}-{asked.export}"), ".parquet" if asked.export == "parquet" else ""
        exports = {split: export.free(folder / f"{split}{ending}") for split in worlds}
    if asked.sheet:
        for path in _sheet(c, worlds["train"], root):
            print(path)
        if not asked.export:
            return 0
    unit = "images" if worlds["train"].modalities == ("image",) else "samples"
    for split, world in worlds.items():
        wanted = (world, *observations.dataset_of(c, split)[1:])
        place = store.place(root, store.recipe(*wanted))
        if place.exists():
            store.load(place, mapped=True)
        else:
            again = partial(observations.world_of, c, split)
            with progress.bar(f"{split} {unit}", wanted[1], unit=unit) as advance_to:
                store.make(root, *wanted, report=advance_to, workers=workers, again=again)
        print(place)
        if split in exports:
            dataset = store.load(place, mapped=True)
            codes = world.space.codes(dataset.table)
            images, policy = dataset.table.get(own_data.SOURCE), observations.policy_of(c, world.space, split)
            texts = captions.texts(world.space, observations.captions_of(c, codes, split, images=images), policy)
            with progress.bar(f"{split} export", len(codes), unit=unit) as advance_to:
                print(export.FORMATS[asked.export](dataset, texts, exports[split], report=advance_to))
    return 0


def _fit_captions(c: dict, space) -> None:
    """Where captions.attributes is not given, at most as many as the world has."""
    if c["captions"]["policy"] == "attributes":
        c["captions"]["attributes"] = min(c["captions"]["attributes"], len(space) - 1)


def _sheet(c: dict, world, root: Path) -> list[Path]:
    """Draw the first training samples of what `c` describes, the very ones that a whole dataset would begin with, and write
    their sounds, where the world gives them."""
    from data_gen import files, sheet, store
    from data_gen.seeds import generator
    from synthgap import observations

    n = 30
    drawn, codes, tokens = observations.first(c)
    observed = {modality: values[:n] for modality, values in drawn.items()}
    name = f"sheet-{store.digest({'config': c})}"
    path, policy = root / f"{name}.png", observations.policy_of(c, world.space)
    with files.locked(root / f"{name}.lock"):
        for left in (name, f"{name}.wavs"):
            files.sweep_up(root, left)
        paths = [sheet.draw(world, policy, observed, codes[:n], tokens[:n], path)]
        if world.listen:
            waves = store.listen(world, codes, generator(c["seeds"]["data"], "render", "train", 0))[:n]
            paths.append(sheet.save_sounds(world, waves, codes[:n], path.with_suffix(".wavs")))
    return paths
