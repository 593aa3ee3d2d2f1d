"""Whether the values of a resolved config make sense together."""

from collections.abc import Mapping
from shutil import which
from typing import Any

from data_gen import InputError
from data_gen.errors import unknown
from synthgap.catalogue import Method, encoders_of, find, methods
from synthgap.options.identity import get, size_of
from synthgap.options.schema import declared_in
from synthgap.sinks import PACKAGES

NOTHING = Method()
COMPILERS = ("g++", "clang++")
#: What counts of encoders, their training and the temperature where images are free.
OF_FREE = ("encoder.embedding", "training.batch", "training.device", "temperature.mode", "temperature.init")
IDEAL = ("clip", "siglip", "modgap")  # the losses whose population's is known


def check(config: dict) -> None:
    """Raises InputError for a value that is of the right type but makes no sense."""
    for name in config["sinks"]:
        if name not in PACKAGES:
            raise unknown("value of sinks", name, PACKAGES)
    for key, option, value in declared_in(config):
        option.check(key, value)
    temperature = config["temperature"]
    if temperature["mode"] == "learnable" and temperature["init"] < 0.01:
        raise InputError(f"temperature.init={temperature['init']}: a learnable one is kept at 0.01 or above")
    if temperature["mode"] == "learnable" and temperature["schedule"] is not None:
        raise InputError(
            f"temperature.schedule={temperature['schedule']} needs temperature.mode=fixed: a learnable one has no course"
        )
    if config["training"]["compile"] and config["training"]["device"] == "cpu" and not any(map(which, COMPILERS)):
        raise InputError(
            f"training.compile=true needs a C++ compiler, and there is none here ({' or '.join(COMPILERS)})"
        )
    size = size_of(config, "train")
    images = get(config, size)
    if not 2 <= config["training"]["batch"] <= images:
        raise InputError(f"training.batch={config['training']['batch']}: it must lie between 2 and {size}={images}")
    if len(config["space"]["correlated"]) not in (0, 2):
        raise InputError(f"space.correlated={config['space']['correlated']}: name two factors, as [digit,colour]")
    _check_loss(config["loss"])
    check_encoders(config, {"image": "pixels" if config["images"] == "pixels" else "tokens", "text": "tokens"})
    _check_afterwards(config)
    if config["images"] == "free":
        _check_free(config)


def check_encoders(config: dict, kinds: Mapping[str, str]) -> None:
    """Raises InputError for encoders that cannot read these modalities, {modality: kind}, or do not go together."""
    encoder, methods = config["encoder"], {name: m for name, (_, m) in encoders_of(config, kinds).items()}
    for modality in encoder["others"]:
        if modality in ("image", "text"):
            raise InputError(f"encoder.others.{modality}: choose the encoder of the {modality} by encoder.{modality}")
    forms = {method.form for method in methods.values()}
    if any(method.name == "transformer" for method in methods.values()) and encoder["width"] % max(
        1, encoder["width"] // 32
    ):
        raise InputError(f"encoder.width={encoder['width']}: a transformer needs a multiple of 32")
    if encoder["apart"] and encoder["share"] != "none":
        raise InputError(f"encoder.apart={encoder['apart']} needs projections of their own: leave encoder.share=none")
    if encoder["share"] != "none" and (len(forms) > 1 or forms == {""}):
        here = ", ".join(f"{modality} {method.name}" for modality, method in methods.items())
        raise InputError(
            f"encoder.share={encoder['share']} needs encoders that end alike: encoder.image=conv-mlp and "
            f"encoder.text=bag, or both transformer (here: {here})"
        )
    if encoder["start"] != "usual" and encoder["share"] != "none":
        raise InputError(f"encoder.start={encoder['start']} needs encoders of their own: leave encoder.share=none")
    if encoder["start"] == "same" and len({(kinds[modality], method.name) for modality, method in methods.items()}) > 1:
        here = ", ".join(f"{modality} {method.name} of {kinds[modality]}" for modality, method in methods.items())
        raise InputError(
            f"encoder.start=same needs encoders alike, as those of images=symbolic and captions are (here: {here})"
        )
    if encoder["apart"] and encoder["embedding"] < len(kinds):
        raise InputError(f"encoder.apart={encoder['apart']} needs encoder.embedding of {len(kinds)} or more")
    _check_subspaces(encoder, len(kinds))
    done = config["posthoc"]["name"]
    if done == "isoclip_mlp" and "transformer" in forms:
        raise InputError(
            "posthoc=isoclip_mlp is for trunks that read vectors: encoder.image and text without transformer"
        )
    if done == "inversion" and any(kinds[name] == "tokens" and method.own for name, method in methods.items()):
        raise InputError("posthoc=inversion looks for a word of bag or transformer: an encoder of your own has none")


def _check_subspaces(encoder: dict, modalities: int) -> None:
    rank, angle, size = encoder["rank"], encoder["angle"], encoder["embedding"]
    if rank > size:
        raise InputError(f"encoder.rank={rank}: it must be a whole number from 0 to encoder.embedding={size}")
    if rank and encoder["apart"]:
        raise InputError(f"encoder.apart={encoder['apart']} would leave the subspaces: it needs encoder.rank=0")
    if angle is None:
        return
    if not rank:
        raise InputError(f"encoder.angle={angle} is between subspaces: add encoder.rank, e.g. encoder.rank=8")
    if rank * modalities > size:
        raise InputError(
            f"encoder.angle={angle} of {modalities} subspaces of {rank} dimensions needs encoder.embedding of "
            f"{rank * modalities} or more"
        )
    if encoder["share"] != "none" or encoder["start"] != "usual":
        raise InputError(
            f"encoder.angle={angle} needs subspaces of their own: leave encoder.share=none and encoder.start=usual"
        )


def _check_afterwards(config: dict) -> None:
    """Of what is done to embeddings, and of what is shown to a trained model."""
    posthoc, shift, size = config["posthoc"], config["shift"], config["encoder"]["embedding"]
    for name, low, high in (
        ("dimensions", 0, size - 1),
        ("components", 1, size),
        ("top", 0, size - 1),
        ("bottom", 0, _directions(config) - 1 - posthoc.get("top", 0)),
    ):
        if name in methods("posthoc").get(posthoc["name"], NOTHING).options and not low <= posthoc[name] <= high:
            raise InputError(f"posthoc.{name}={posthoc[name]}: it must be a whole number from {low} to {high}")
    if config["images"] != "pixels" and shift["name"] not in ("none", "unseen"):
        raise InputError(
            f"shift={shift['name']} changes what is seen, and images={config['images']} has nothing to see"
        )
    if shift["name"] == "pen" and (config["digits"]["name"] != "strokes" or config["world"] != "mad"):
        raise InputError("shift=pen is for the generated digits of world=mad: leave digits=strokes")
    if shift["name"] == "idx" and config["world"] not in ("mad", "avmnist"):
        raise InputError(f"shift={shift['name']} is for world=mad or avmnist, not for {config['world']}")
    if shift["name"] == "unseen" and not config["space"]["held_out"]:
        raise InputError("shift=unseen needs space.held_out above 0: nothing is unseen")


def _check_free(config: dict) -> None:
    """What free vectors, which are not trained, cannot have; and what the ideal space is not known of."""
    for key, option, value in declared_in(config):
        trained = key.partition(".")[0] in ("encoder", "training", "temperature") and key not in OF_FREE
        if trained and value != option.default:
            raise InputError(f"{key}={value} is of encoders and their training, and images=free has neither")
    if config["finetune"]["name"] != "none":
        raise InputError(f"finetune={config['finetune']['name']} needs encoders, and images=free has none")
    posthoc = find("posthoc", config["posthoc"]["name"])
    if posthoc.needs or posthoc.form:
        raise InputError(f"posthoc={posthoc.name} needs encoders, and images=free has none")
    if config["keep"] == "course":
        raise InputError("keep=course is of training, and images=free has none")
    loss, space, tau = config["loss"], config["space"], config["temperature"]["init"]
    if loss["name"] not in IDEAL:
        raise unknown("loss of images=free", loss["name"], IDEAL)
    if loss.get("query") is not None:
        raise InputError(f"loss.query={loss['query']}: images=free is of both directions")
    if tau < 0.01:
        raise InputError(f"temperature.init={tau}: that of images=free must be at least 0.01")
    if space["held_out"] and (space["test"] != "seen" or config["shift"]["name"] == "unseen"):
        raise InputError(
            f"space.held_out={space['held_out']}: what is not seen has no vector; add space.test=seen to images=free"
        )


def _directions(config: dict) -> int:
    """Of how many singular directions IsoCLIP drops some: as many as the space has dimensions; as published, as the text's
    features have (with their 1 for the bias), if those are more. How many an own encoder of texts has is not known here."""
    encoder, done = config["encoder"], config["posthoc"]
    form = encoders_of(config, {"text": "tokens"})["text"][1].form
    if not done.get("published") or not form:
        return encoder["embedding"]
    read = 2 * encoder["width"] if form == "mlp" and done["name"] == "isoclip" else encoder["width"]
    return max(encoder["embedding"], read + 1)


def _check_loss(loss: dict) -> None:
    terms = [loss[name] for name in ("contrast", "align", "uniform", "cross", "weight") if name in loss]
    if loss["name"] in methods("loss") and "contrast" in loss and not any(_ever(weight) for weight in terms):
        raise InputError(f"loss={loss['name']} with all its weights 0: nothing would be learnt")


def _ever(weight: Any) -> bool:
    """Whether a weight, or its course, is ever above 0."""
    return any(y > 0 for _, y in weight) if isinstance(weight, list) else weight > 0
