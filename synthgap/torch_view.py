"""A dataset of the store as PyTorch's `Dataset`, for training code of one's own."""

from pathlib import Path

import torch
from torch.utils.data import Dataset

from data_gen import FactorSpace, captions, store
from data_gen.captions import Policy
from data_gen.seeds import generator
from data_gen.worlds import own_data
from data_gen.written import Written


class ImageCaptions(Dataset):
    """Items {image: uint8 [3, H, W], caption: str, tokens: int64 [L], factors: int64 [F]}; captions as a run's. Where the
    dataset has other modalities, an item does by their names: AV-MNIST's audio: uint8 [112, 112].

    folder: what `synthgap make` or `data_gen.store.make` gave. space, policy: those of its world and of the captions;
    another policy on the same folder is the same images told otherwise. Raises InputError if the folder is damaged, or
    its factors are not the space's.
    """

    def __init__(self, folder: str | Path, space: FactorSpace, policy: Policy | Written):
        dataset = store.load(folder)
        self.images, self.others, codes = dataset.images, dataset.others, space.codes(dataset.table)
        made = dataset.manifest["recipe"]
        chance, images = generator(made["seed"], "captions", made["split"]), dataset.table.get(own_data.SOURCE)
        tokens = captions.write(space, policy, codes, chance, images)
        self.captions = captions.texts(space, tokens, policy)
        self.tokens, self.factors = torch.from_numpy(tokens), torch.from_numpy(codes)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> dict:
        image = torch.from_numpy(self.images[i]).permute(2, 0, 1)
        others = {modality: torch.from_numpy(values[i]) for modality, values in self.others.items()}
        told = {"caption": self.captions[i], "tokens": self.tokens[i], "factors": self.factors[i]}
        return {"image": image, **others, **told}
