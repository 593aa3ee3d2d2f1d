"""The options of a run, each with its why: dataclasses that Hydra composes."""

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import lru_cache
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import II, MISSING

from data_gen.mad import STRENGTHS, STYLE, VARIANTS


def option(default: Any, why: str) -> Any:
    make = {"default_factory": default} if isinstance(default, type) or callable(default) else {"default": default}
    return field(**make, metadata={"why": why})


@dataclass
class NoFinetuning:
    name: str = "none"


@dataclass
class Finetuning:
    epochs: int = option(4, "passes, after training, over the same images with captions of this policy")
    lr: float = option(0.008, "AdamW's peak in them; its state goes on, and the schedule begins anew")
    temperature: str = option("learnable", "learnable (if it was), or frozen where training left it")


@dataclass
class FinetuningAttributes(Finetuning):
    name: str = "attributes"
    attributes: int = option(1, "k of these captions")


@dataclass
class FinetuningContiguous(Finetuning):
    name: str = "contiguous"
    fraction: float = option(0.25, "share of the full caption that these keep")


@dataclass
class Strokes:
    name: str = "strokes"
    style: dict[str, float] = option(
        dict[str, float], "latents of the handwriting set to a number, e.g. digits.style.slant=0.4"
    )


@dataclass
class Idx:
    name: str = "idx"
    root: str = option(MISSING, "folder of MNIST's four IDX files, gzipped or not")


@dataclass
class Attributes:
    policy: str = "attributes"
    object: str | None = option(None, "the factor that every caption names, and whose bias is measured (first factor)")
    attributes: int = option(5, "k: how many of the other factors a caption names, drawn without replacement")
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Fixed:
    policy: str = "fixed"
    object: str | None = option(None, "the factor whose bias is measured (first factor)")
    factors: list[str] = option(list[str], "the factors that every caption names")
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Contiguous:
    policy: str = "contiguous"
    object: str | None = option(None, "the factor whose bias is measured (first factor)")
    fraction: float = option(1.0, "share of the full caption that is kept, in one piece and never empty")
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Independent:
    policy: str = "independent"
    object: str | None = option(None, "the factor whose bias is measured (first factor)")
    probability: dict[str, float] = option(
        dict[str, float], "each factor's chance of being named, e.g. {digit: 1, colour: 0.5}"
    )
    shuffled: bool = option(True, "words in random order, or in the space's")


@dataclass
class Anchored:
    anchor: str | None = option("text", "only its pairs count; null: all pairs (the same for two modalities)")


@dataclass
class Clip(Anchored):
    name: str = "clip"


@dataclass
class Siglip(Anchored):
    name: str = "siglip"
    bias: float = option(-10.0, "of the logits at the start; it is learnt, at ten times temperature.lr")


@dataclass
class Modgap(Anchored):
    name: str = "modgap"
    contrast: Any = option(1.0, "weight of CLIP's loss, or its course; 0: the loss's other terms alone")
    align: Any = option(1.0, "weight of align-true-pairs, or its course [[share done,weight],…]; code: [[0.5,1],[1,2]]")
    uniform: Any = option(1.0, "weight of centroid uniformity, or its course; the published code has [[0.2,1],[0.7,0]]")
    normalised: bool = option(False, "bring centroids to length 1: in the published code, not in the paper")


@dataclass
class Gram(Anchored):
    name: str = "gram"
    smoothing: float = option(0.0, "of the targets: 0.1 in the published code, none in the paper")


@dataclass
class Unicl(Anchored):
    name: str = "unicl"
    labels: str = option("caption", "what makes rows alike: caption (equal ones), or object (the same value)")
    alike: str = option("positive", "rows that are alike are positive, all of them, or ignored: no negatives")


@dataclass
class Alignclip(Anchored):
    name: str = "alignclip"
    contrast: Any = option(1.0, "weight of CLIP's loss, or its course; 0: the loss's other terms alone")
    weight: float = option(0.5, "of the separation within modalities (IMSep)")
    distance: str = option(
        "factors", "how far apart two are to be: by factors, object, ones (all alike), shuffled (placebo)"
    )
    side: str | None = option(None, "the modality that alone is spread, e.g. image (both of a pair)")
    positive: bool = option(True, "the true pair is among the denominator's terms: in the code it is, in the paper not")


@dataclass
class Voices:
    name: str = "voices"


@dataclass
class Recordings:
    name: str = "recordings"
    root: str = option(MISSING, "folder of WAV files named {digit}_{speaker}_{index}.wav, as FSDD's are")
    held_out: list[str] = option(list[str], "speakers that are heard in the test only (the last fifth by name)")


@dataclass
class AsTrained:
    name: str = "none"


@dataclass
class Centring:
    name: str = "centring"


@dataclass
class Translation:
    name: str = "translation"
    gap: float = option(0.0, "the mean distance between modalities' means that is forced; 0 closes the gap")


@dataclass
class Whitening:
    name: str = "whitening"
    shrinkage: float = option(0.1, "of each modality's covariance towards a multiple of the identity")


@dataclass
class Rotation:
    name: str = "rotation"
    seed: int = option(
        0, "of the one random rotation of all, which keeps every cosine; of the random order of dimensions"
    )


@dataclass
class Ablation:
    name: str = "ablation"
    dimensions: int = option(1, "how many are set to 0")
    order: str = option("gap", "those with the largest difference of means first, or random")
    seed: int = option(0, "of the random order")


@dataclass
class TextComponents:
    name: str = "text_components"
    components: int = option(8, "principal components of the texts that all are projected onto")


@dataclass
class IsoClip:
    name: str = "isoclip"
    top: int = option(1, "singular directions of the inter-modal operator that are dropped, strongest first")
    bottom: int = option(0, "and weakest first")
    published: bool = option(False, "count directions from the features' dimensions, not the space's, as the code does")


@dataclass
class IsoClipMlp(IsoClip):
    name: str = "isoclip_mlp"
    published: bool = option(
        False, "the same; and linearise at 0, GELU as half its input, in place of the head, as the code does"
    )


@dataclass
class Features:
    name: str = "features"
    whitened: bool = option(False, "whiten what the projection reads, or leave it as it is")


@dataclass
class Inversion:
    name: str = "inversion"
    steps: int = option(150, "of AdamW, where images and sounds ask (OTI; as published)")
    text_steps: int = option(150, "where texts ask (OVI; 1,000 in the published code, at seven times the cost)")
    lr: float = option(0.02, "AdamW's, of the word vector, or of the image's values in [-1, 1]")


@dataclass
class Unshifted:
    name: str = "none"


@dataclass
class Noise:
    name: str = "noise"
    sd: float = option(40.0, "of Gaussian noise on the test images, in steps of 255")


@dataclass
class Blur:
    name: str = "blur"
    sigma: float = option(1.0, "of the Gaussian that test images are blurred with, in pixels")


@dataclass
class OtherPen:
    name: str = "pen"
    width: float = option(
        5.0, "of the pen that writes all test images, in pixels of 28 (1.1 to 6; most writers' own: about 2)"
    )


@dataclass
class OtherDigits:
    name: str = "idx"
    root: str = option(MISSING, "folder of the IDX files whose digits the test images show")


@dataclass
class Unseen:
    name: str = "unseen"


@dataclass
class Mad:
    images: int = option(30000, "training images, each with its one caption (of a custom world too); fewer overfit")
    test_images: int = option(3000, "evaluation images; entropies are over as many captions (of a custom world too)")
    variant: str = option("corrected", "corrected, or published: with the faults of the published code")
    strength: str = option("published", "of the operations: published, or strong, where every one can be seen")
    style: list[str] = option(
        list[str], f"styles of the handwriting that are factors too, of {', '.join(STYLE)} (strokes only)"
    )


@dataclass
class Avmnist:
    images: int = option(55000, "training samples of world=avmnist, each an image, a sound and a caption")
    validation_images: int = option(5000, "samples of other writers and voices, to choose by; no study reads them")
    test_images: int = option(10000, "evaluation samples, of yet others")


@dataclass
class Data:
    """Of images of your own."""

    size: int = option(28, "pixels along each side that your images are brought to (world=FOLDER or a table)")
    gray: bool = option(False, "their brightness alone")
    factors: list[str] = option(list[str], "columns of the table that are factors (all with few distinct values)")


@dataclass
class Image:
    components: int | None = option(20, "principal components left of avmnist's images; null: all of the image")


@dataclass
class Audio:
    snr_db: float = option(10.0, "level of avmnist's speech over white noise, in decibels; inf: no noise")


@dataclass
class Space:
    """How factors are distributed and shown, in any world."""

    rho: float = option(0.0, "0 to 1: how strongly the second of space.correlated goes with the first")
    correlated: list[str] = option(list[str], "two factors (the space's first and last)")
    held_out: float = option(0.0, "share of combinations that training images never show")
    held_out_of: list[str] = option(list[str], "the factors whose combinations are held out (all)")
    test: str = option("all", "evaluation images show all combinations, only seen ones, or only unseen ones")
    hidden: list[str] = option(list[str], "factors that images do not show, though captions may name them")


@dataclass
class Temperature:
    mode: str = option("learnable", "learnable (scale clamped at 100, as CLIP) or fixed")
    init: float = option(0.07, "τ at the start; for good if fixed")
    lr: float = option(0.01, "of the log scale: far above the weights', else it hardly moves in a short run")


@dataclass
class Encoder:
    embedding: int = option(64, "dimensions of the shared space: far above the 10.7 bits there are to say")
    channels: int = option(16, "of the first convolution; then twice and four times as many")
    image: str = option(
        "conv", "conv (straight into the space), conv-mlp (by way of a bag's MLP), transformer; sounds' too"
    )
    text: str = option("bag", "bag (blind to word order, as MAD's captions are) or transformer")
    share: str = option(
        "none", "what modalities have in common: none, projection, or trunk (and projection: SharedCLIP)"
    )
    width: int = option(64, "of word and patch vectors; the transformer has one head each 32")
    depth: int = option(2, "transformer blocks")
    patches: int = option(4, "along each side of an image or a spectrogram that a transformer reads")
    apart: float = option(0.0, "how far modalities are set apart at the start, in their embeddings' usual lengths")


@dataclass
class Training:
    epochs: int = option(4, "passes over the training images")
    steps: int | None = option(None, "of the optimiser, in place of epochs: the same number whatever the batch")
    batch: int = option(512, "pairs a step; a larger one holds more equal captions")
    lr: float = option(0.008, "AdamW's peak, after warmup and before the cosine; high, as the schedule is short")
    weight_decay: float = option(0.05, "AdamW's, on matrices only")
    warmup: float = option(0.1, "share of the steps in which the rate rises")
    bf16: bool = option(False, "bfloat16 autocast: quicker where the CPU or GPU has it, other numbers")
    device: str = option("cpu", "cpu or cuda")


@dataclass
class Seeds:
    data: int = option(II("seed"), "factors, pixels and captions")
    init: int = option(II("seed"), "weights at the start")
    order: int = option(II("seed"), "batches")


@dataclass
class Run:
    """One run, complete. Each group has its first option unless another is chosen."""

    defaults: list[Any] = field(
        default_factory=lambda: ["_self_", *({group: next(iter(options))} for group, options in GROUPS.items())]
    )
    out: str = option("runs", "where runs and datasets are kept")
    world: str = option(
        "mad",
        "mad, avmnist, a Python file that defines `world = data_gen.World(space, render)`, or images of your own: a folder, "
        "or a .csv or .parquet, with their files, captions and factors",
    )
    metrics: list[str] = option(list[str], "Python files of metrics of your own, each with METRICS = [Metric(…), …]")
    images: str = option("pixels", "pixels, or symbolic: the factors themselves as tokens")
    seed: int = option(0, "sets the three seeds below; runs that are compared share it")
    seeds: Seeds = field(default_factory=Seeds)
    mad: Mad = field(default_factory=Mad)
    avmnist: Avmnist = field(default_factory=Avmnist)
    data: Data = field(default_factory=Data)
    image: Image = field(default_factory=Image)
    audio: Audio = field(default_factory=Audio)
    space: Space = field(default_factory=Space)
    encoder: Encoder = field(default_factory=Encoder)
    temperature: Temperature = field(default_factory=Temperature)
    training: Training = field(default_factory=Training)
    digits: Any = MISSING
    captions: Any = MISSING
    loss: Any = MISSING
    finetune: Any = MISSING
    speech: Any = MISSING
    posthoc: Any = MISSING
    shift: Any = MISSING


GROUPS = {
    "digits": {"strokes": Strokes, "idx": Idx},
    "captions": {"attributes": Attributes, "fixed": Fixed, "contiguous": Contiguous, "independent": Independent},
    "loss": {
        "clip": Clip,
        "unicl": Unicl,
        "siglip": Siglip,
        "modgap": Modgap,
        "gram": Gram,
        "alignclip": Alignclip,
    },
    "finetune": {"none": NoFinetuning, "attributes": FinetuningAttributes, "contiguous": FinetuningContiguous},
    "speech": {"voices": Voices, "recordings": Recordings},
    "posthoc": {
        "none": AsTrained,
        "centring": Centring,
        "translation": Translation,
        "whitening": Whitening,
        "rotation": Rotation,
        "ablation": Ablation,
        "text_components": TextComponents,
        "isoclip": IsoClip,
        "isoclip_mlp": IsoClipMlp,
        "features": Features,
        "inversion": Inversion,
    },
    "shift": {
        "none": Unshifted,
        "noise": Noise,
        "blur": Blur,
        "pen": OtherPen,
        "idx": OtherDigits,
        "unseen": Unseen,
    },
}
#: Groups of what happens after training: runs that differ in them alone share a model.
AFTERWARDS = ("posthoc", "shift")
CHOICES = {
    "images": ("pixels", "symbolic"),
    "temperature.mode": ("learnable", "fixed"),
    "encoder.image": ("conv", "conv-mlp", "transformer"),
    "encoder.text": ("bag", "transformer"),
    "encoder.share": ("none", "projection", "trunk"),
    "training.device": ("cpu", "cuda"),
    "mad.variant": VARIANTS,
    "mad.strength": tuple(STRENGTHS),
    "space.test": ("all", "seen", "unseen"),
}
#: The same of options that only some options of a group have.
CHOICES_OF_SOME = {
    "loss.labels": ("caption", "object"),
    "loss.alike": ("positive", "ignored"),
    "loss.distance": ("factors", "object", "ones", "shuffled"),
    "posthoc.order": ("gap", "random"),
    "finetune.temperature": ("learnable", "frozen"),
}
MODALITIES = ("image", "audio", "text")
#: Options that hold a mapping with free keys.
FREE = ("captions.probability", "digits.style")
#: Where things are kept, not what they are: left out of a run's identity.
PLACES = ("out", "digits.root", "speech.root", "shift.root")


def register() -> None:
    """Tell Hydra the schemas; the config is called `run`."""
    store = ConfigStore.instance()
    store.store(name="run", node=Run)
    for group, options in GROUPS.items():
        for name, schema in options.items():
            store.store(group=group, name=name, node=schema)


@lru_cache
def types() -> dict[str, Any]:
    """Every option of any choice of groups → the type of its values."""
    schemas = [(Run, ""), *((schema, f"{group}.") for group, some in GROUPS.items() for schema in some.values())]
    return {key: f.type for schema, prefix in schemas for key, f in _fields(schema, prefix)}


def keys(chosen: dict[str, str] | None = None) -> dict[str, tuple[Any, str]]:
    """Every option under its override's name → (default, why), for the chosen group options."""
    return dict(keys_of(tuple((chosen or {}).items())))


@lru_cache
def keys_of(chosen: tuple[tuple[str, str], ...]) -> dict[str, tuple[Any, str]]:
    found = dict(_options(Run, ""))
    for group, name in {**{group: next(iter(options)) for group, options in GROUPS.items()}, **dict(chosen)}.items():
        found |= dict(_options(GROUPS[group][name], f"{group}."))
    return found


def _options(schema: type, prefix: str) -> Iterator[tuple[str, tuple[Any, str]]]:
    for key, f in _fields(schema, prefix):
        yield key, (f.default_factory() if callable(f.default_factory) else f.default, f.metadata["why"])


def _fields(schema: type, prefix: str) -> Iterator[tuple[str, Field]]:
    for f in fields(schema):
        if is_dataclass(f.type):
            yield from _fields(f.type, f"{prefix}{f.name}.")
        elif "why" in f.metadata:
            yield prefix + f.name, f
